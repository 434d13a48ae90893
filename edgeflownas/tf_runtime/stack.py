"""The only import of TensorFlow: graph mode, on either of the two supported stacks.

The *legacy* stack is TensorFlow 1.15 on Python 3.7, the reference. The *modern* stack is TensorFlow 2.16 or newer, used
through its version 1 interface with version 2 behaviour switched off. Outside this folder, no module asks which runs.
"""

import contextlib
import os
import sys
import tempfile
from typing import IO, Iterator

__all__ = ["MODERN", "hide_native_messages", "tf"]


def _open_scratch() -> IO[bytes]:
    """Open a temporary file; without space for one, what is written to it is lost."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "w+b")


@contextlib.contextmanager
def hide_native_messages() -> Iterator[IO[bytes]]:
    """Hide what native code prints to standard error, unless the block fails, and yield the file that receives it."""
    sys.stderr.flush()
    with _open_scratch() as messages:
        original = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            yield messages
        except BaseException:
            messages.seek(0)
            os.write(original, messages.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


# TensorFlow reads these when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes on CPU features or on missing GPU libraries
# Otherwise every session gets the thread pool of the first one, such as the two threads of an image reader.
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"

with hide_native_messages():  # TensorFlow ignores that level while it starts and looks for GPUs
    import tensorflow.compat.v1 as tf

    MODERN = not tf.__version__.startswith("1.")
    tf.logging.set_verbosity(tf.logging.ERROR)  # deprecation warnings are addressed to developers
    if MODERN:
        tf.disable_v2_behavior()
    tf.config.experimental.list_physical_devices()
