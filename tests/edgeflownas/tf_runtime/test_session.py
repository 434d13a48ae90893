import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Independent convolutions that several threads can share, run by a session that is opened after another one.
_COMPUTE = """
import os
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.tf_runtime.session import open_session

def read_cpu_times():
    times = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        times[task] = int(words[11]) + int(words[12])
    return times

with tf.Graph().as_default() as graph:
    x = tf.random_uniform([8, 64, 64, 16])
    maps = [tf.nn.conv2d(x, tf.random_uniform([7, 7, 16, 16]), 1, "SAME") for _ in range(8)]
    total = tf.add_n([tf.reduce_sum(y) for y in maps])
open_session(graph, 4).run(total)
measured = open_session(graph, THREADS)
measured.run(total)
before = read_cpu_times()
for _ in range(4):
    measured.run(total)
spent = sorted((after - before.get(task, 0) for task, after in read_cpu_times().items()), reverse=True)
print(sum(time > 0.1 * sum(spent) for time in spent))
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_session_uses_its_own_number_of_threads_after_another_session(threads: int) -> None:
    script = _COMPUTE.replace("THREADS", str(threads))
    process = subprocess.run([sys.executable, "-c", script], cwd=str(ROOT), check=True, capture_output=True)
    busy = int(process.stdout)
    assert busy == 1 if threads == 1 else busy > 1
