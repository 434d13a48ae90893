"""Terminals for tests: consoles of a fixed kind, and programs run in a terminal of a given size."""

import fcntl
import inspect
import io
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
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import pyte
from click.testing import CliRunner
from rich.console import Console

ROOT = Path(__file__).parents[1]
_REDRAWN = re.compile(rb"(?=\r\x1b\[2K)")  # start of each redraw of a live display


def make_console(file: io.StringIO, terminal: bool) -> Console:
    """Return a console of 80 columns that does not depend on the environment, such as TERM."""
    environment = {"TERM": "xterm-256color"}
    return Console(file=file, force_terminal=terminal, width=80, highlight=False, _environ=environment)


def make_runner() -> CliRunner:
    """Return a runner of commands that keeps standard output and error apart, which click 8.2 always does."""
    options: Dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**options)


class Seen(NamedTuple):
    """Output of a program in a terminal.

    Attributes:
        code: Exit code of the program.
        lines: Lines on the screen and above it, without trailing blanks.
        screens: The screen after each write or redraw.
        hidden: Whether the cursor is hidden at the end.
        settings: Settings of the terminal, before and after.
    """

    code: int
    lines: List[str]
    screens: List[List[str]]
    hidden: bool
    settings: Tuple[list, list]


def in_terminal(
    code: str, arguments: Sequence[str], columns: int, interrupt: Optional[Callable[[str], bool]] = None
) -> Seen:
    """Run Python code in a terminal of 40 lines.

    Args:
        code: Code of the program.
        arguments: Arguments in its ``sys.argv``.
        columns: Width of the terminal.
        interrupt: Returns, given the text of the screen, whether to press Ctrl-C, which is done once; None: never.
    """
    screen = pyte.HistoryScreen(columns, 40, history=10_000)
    stream = pyte.ByteStream(screen)
    pid, handle = pty.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells start background processes with SIGINT ignored
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
        for part in _REDRAWN.split(data):  # one read may contain several redraws
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
