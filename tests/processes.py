"""Forked processes for tests of crashes and locks."""

import os
import signal
import sys
import traceback
from typing import Any, Callable


def in_child(function: Callable[[], Any]) -> int:
    """Run a function in a forked process, and return the process number."""
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
    """Wait for a process; return its exit code, or the negative number of the signal that ended it."""
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
