"""Programs in a terminal of a size, and what a person then sees."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import pyte

ROOT = Path(__file__).parents[1]
_REDRAWN = re.compile(rb"(?=\r\x1b\[2K)")  # where what is live on a terminal begins to be drawn anew


class Seen(NamedTuple):
    """What a program leaves.

    Attributes:
        code: its exit code.
        lines: on the screen, and what scrolled off it, without trailing blanks.
        screens: the screen at each moment that something was written, or drawn anew.
        hidden: whether the cursor is not to be seen.
        settings: of the terminal, before and after.
    """

    code: int
    lines: List[str]
    screens: List[List[str]]
    hidden: bool
    settings: Tuple[list, list]


def in_terminal(
    code: str, arguments: Sequence[str], columns: int, interrupt: Optional[Callable[[str], bool]] = None
) -> Seen:
    """Runs Python code in a terminal.

    Args:
        code: of the program.
        arguments: its ``sys.argv``.
        columns: of the terminal; it has 40 lines.
        interrupt: says by the screen's text when Ctrl-C is pressed, once; None: never.
    """
    screen = pyte.HistoryScreen(columns, 40, history=10_000)
    stream = pyte.ByteStream(screen)
    pid, handle = pty.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells start what runs in the background deaf to it
        os.chdir(str(ROOT))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "PYTHONPATH": str(ROOT)}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        os.execve(sys.executable, [sys.executable, "-c", code, *arguments], environment)
    fcntl.ioctl(handle, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    before = termios.tcgetattr(handle)
    screens: List[List[str]] = []
    end = time.monotonic() + 200
    while time.monotonic() < end:
        if not select.select([handle], [], [], 1.0)[0]:
            continue
        try:
            data = os.read(handle, 65536)
        except OSError:  # the program has ended
            break
        if not data:
            break
        for part in _REDRAWN.split(data):  # several may come at once
            stream.feed(part)
            screens.append([line.rstrip() for line in screen.display])
        if interrupt is not None and interrupt("\n".join(screens[-1])):
            interrupt = None
            os.write(handle, b"\x03")
    else:
        os.kill(pid, signal.SIGKILL)
    after = termios.tcgetattr(handle)
    status = os.waitpid(pid, 0)[1]
    os.close(handle)
    scrolled = ["".join(line[column].data for column in range(columns)).rstrip() for line in screen.history.top]
    ended = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return Seen(ended, scrolled + screens[-1], screens, screen.cursor.hidden, (before, after))
