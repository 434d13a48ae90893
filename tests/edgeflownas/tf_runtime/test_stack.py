import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_tensorflow_starts_and_computes_without_messages() -> None:
    program = (
        "from edgeflownas.tf_runtime.stack import tf; from edgeflownas.tf_runtime.session import open_session\n"
        "with tf.Graph().as_default() as graph:\n"
        "    y = tf.nn.conv2d(tf.ones([1, 8, 8, 3]), tf.ones([3, 3, 3, 4]), 1, 'SAME')\n"
        "print(open_session(graph, 1).run(y).shape)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::FutureWarning", "-c", program],
        cwd=str(ROOT), env=environment, capture_output=True, text=True, check=True,
    )
    assert (done.stdout, done.stderr) == ("(1, 8, 8, 4)\n", "")
