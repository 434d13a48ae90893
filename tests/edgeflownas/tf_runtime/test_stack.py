import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgeflownas.tf_runtime.stack import hide_native_messages

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


def test_native_messages_appear_only_if_the_block_fails(capfd: pytest.CaptureFixture) -> None:
    with hide_native_messages():
        os.write(2, b"a note")
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError), hide_native_messages():
        os.write(2, b"the reason")
        raise ValueError
    assert capfd.readouterr().err == "the reason"
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


def test_full_temporary_folder_does_not_stop_a_block_that_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with hide_native_messages():
        os.write(2, b"a note")
