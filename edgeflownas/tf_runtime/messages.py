"""Messages that native code writes to standard error directly, bypassing Python."""

import contextlib
import os
import sys
import tempfile
from typing import IO, Iterator


def _open_scratch() -> IO[bytes]:
    """Open a temporary file, or the null device if there is no space for one."""
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
