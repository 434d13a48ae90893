"""Real processes that are stopped in real ways."""

import os
import signal
import sys
import traceback
from typing import Any, Callable


def in_child(function: Callable[[], Any]) -> int:
    """Starts a function in a process of its own, and returns its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM):
            signal.signal(signum, signal.SIG_DFL)
        function()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ended(pid: int) -> int:
    """Waits for a process; returns its exit code, or the negative number of the signal that ended it."""
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
