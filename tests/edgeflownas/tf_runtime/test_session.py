import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Convolutions that two threads would share, and that do not depend on one another, by a session behind another one.
_COMPUTE = """
import os
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.tf_runtime.session import open_session

def seconds():
    found = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        found[task] = int(words[11]) + int(words[12])
    return found

with tf.Graph().as_default() as graph:
    x = tf.random_uniform([8, 64, 64, 16])
    each = [tf.nn.conv2d(x, tf.random_uniform([7, 7, 16, 16]), 1, "SAME") for _ in range(8)]
    total = tf.add_n([tf.reduce_sum(y) for y in each])
open_session(graph, 4).run(total)
counted = open_session(graph, THREADS)
counted.run(total)
before = seconds()
for _ in range(4):
    counted.run(total)
spent = sorted((after - before.get(task, 0) for task, after in seconds().items()), reverse=True)
print(sum(each > 0.1 * sum(spent) for each in spent))
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_a_session_computes_with_its_own_number_of_threads_whatever_was_opened_before(threads: int) -> None:
    script = _COMPUTE.replace("THREADS", str(threads))
    found = subprocess.run([sys.executable, "-c", script], cwd=str(ROOT), check=True, capture_output=True)
    busy = int(found.stdout)
    assert busy == 1 if threads == 1 else busy > 1
