"""Progress of long-running work: a live bar with the remaining time on a terminal, plain lines elsewhere."""

import contextlib
import functools
import re
import time
from textwrap import TextWrapper
from typing import Iterator, List, NamedTuple, Optional

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from edgeflownas.terminal import open_console

console = open_console(stderr=True)

_KEPT = "\0"  # takes the place of a space at which a line must not be wrapped
_PLAIN_EVERY = 15.0  # seconds between plain lines
_NARROW, _WIDE = 56, 100  # width of a terminal that has no room for a bar, and that has room for two times
_shown: List[Progress] = []  # live displays, of which a terminal has at most one: nested bars join it


class Standing(NamedTuple):
    """Progress of training.

    Attributes:
        epoch: Number of completed epochs.
        step: Number of completed steps.
        steps: Total number of steps.
        best_epe: Best EPE so far, in pixels; None before the first evaluation.
    """

    epoch: int
    step: int
    steps: int
    best_epe: Optional[float]


class _Count(MofNCompleteColumn):
    """Completed and total steps; empty if the total is not known."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class _Times(ProgressColumn):
    """Remaining time at the mean rate so far, and in wide terminals the elapsed time; at the end the total time.

    Rich's own columns do not name their times, and show no remaining time if a step takes over half a minute.
    """

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        elapsed, end = format_duration(task.elapsed or 0.0), task.fields["end"]
        if task.finished:
            text = f"in {format_duration(task.finished_time or 0.0)}"
        elif task.fields["ended"]:
            text = f"after {elapsed}"
        elif end is None:
            text = f"{elapsed} elapsed"
        else:
            left = f"{format_duration(end - time.monotonic())} left"
            text = f"{elapsed} elapsed, {left}" if console.width >= _WIDE else left
        return Text(text, style="progress.remaining")


class _Bars(Progress):
    """Bars that leave room for the ^C that a terminal prints; otherwise it would wrap and shift the bars."""

    def get_renderable(self) -> RenderableType:
        for column in self.columns:
            if isinstance(column, BarColumn):  # in narrow terminals it gives way to figures
                column.bar_width = min(max(console.width - _NARROW, 4), 20)
        return Constrain(super().get_renderable(), console.width - len("^C"))


class Bar:
    """Progress of one piece of work."""

    def __init__(self, title: str, total: int, done: int, live: Optional[Progress]) -> None:
        self._title, self._total, self._done = title, total, done
        self._live = live
        self._task = None
        if live is not None:
            self._task = live.add_task(title, total=total, completed=done, note="", end=None, ended=False)
        self._start = self._last = time.monotonic()
        self._since = done, self._last  # start of the measurement of the rate
        self._begun = False

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Count completed steps, and show a note after the bar."""
        self._done += steps
        now = time.monotonic()
        rate = (self._done - self._since[0]) / max(now - self._since[1], 1e-9)
        if not self._begun:  # the first step often includes one-time setup
            self._begun, self._since = True, (self._done, now)
        left = (self._total - self._done) / rate if rate > 0 else 0.0
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=self._done, note=note, end=now + left)
            return
        if now - self._last < _PLAIN_EVERY and self._done < self._total:
            return
        self._last = now
        times = f", {rate:.3g}/s, {format_duration(left)} left"
        if self._done >= self._total:
            times = f" in {format_duration(now - self._start)}"
        say(f"{self._title}: {self._done}/{self._total}{times} {note}".rstrip())

    def note(self, text: str) -> None:
        """Show a note after the bar until the next step; without a bar, do nothing."""
        if self._live is not None and self._task is not None:
            self._live.update(self._task, note=text)

    def end(self, remove: bool) -> None:
        """Show the total instead of the remaining time, or remove the bar from the screen."""
        if self._live is not None and self._task is not None:
            if remove:
                self._live.remove_task(self._task)
            else:
                self._live.update(self._task, ended=True)


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Show the progress of a block, as plain lines if the terminal already has a live display, such as a table.

    Args:
        title: Description of the work.
        total: Total number of steps.
        done: Number of steps completed in an earlier run.
    """
    nested = bool(_shown)
    with _display(transient=False) as live:
        bar = Bar(title, total, done, live)
        try:
            yield bar
        finally:
            bar.end(remove=nested)


@contextlib.contextmanager
def phase(title: str) -> Iterator[None]:
    """Show that a block of unknown duration is running: a moving bar and the elapsed time.

    The bar disappears at the end of the block. Outside a terminal the title is printed as a line.
    """
    with _display(transient=True) as live:
        if live is None:
            say(title)
            yield
            return
        task = live.add_task(title, total=None, note="", end=None, ended=False)
        try:
            yield
        finally:
            live.remove_task(task)


@contextlib.contextmanager
def _display(transient: bool) -> Iterator[Optional[Progress]]:
    """Yield the bars on the terminal; None outside a terminal, or if another live display is on it."""
    if not console.is_interactive or _shown:
        yield _shown[-1] if _shown else None
        return
    rest = Column(ratio=1, no_wrap=True)  # takes the remaining width
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column()),  # wrapped, so that no figure is cut
        BarColumn(),
        _Count(),
        _Times(),
        TextColumn("{task.fields[note]}", markup=False, table_column=rest),
    )
    live = _Bars(*columns, console=console, expand=True, transient=transient)
    try:
        live.start()
    except LiveError:
        yield None
        return
    _shown.append(live)
    try:
        yield live
    finally:
        _shown.pop()
        live.stop()


def format_duration(seconds: float, compact: bool = False) -> str:
    """Return a duration such as 0:05:03; with ``compact``, in at most five characters: 42s, 5m03, 3h20 or 2d04."""
    whole = max(0, round(seconds))
    if compact:
        for unit, length, part in (("d", 86400, 3600), ("h", 3600, 60), ("m", 60, 1)):
            if whole >= length:
                return f"{whole // length}{unit}{whole % length // part:02d}"
        return f"{whole}s"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def say(text: str, on: Optional[Console] = None) -> None:
    """Print a line; on a terminal it is wrapped between words, so that paths and commands can still be copied.

    Args:
        text: Text of the line.
        on: Console to print to; if None, standard error, above any bar.
    """
    on = on or console
    if on.is_interactive:
        wrap = TextWrapper(max(on.width, 1), break_long_words=False, break_on_hyphens=False).fill
        kept = re.sub("`[^`]*`", lambda command: command.group().replace(" ", _KEPT), text)  # to be copied as a whole
        text = "\n".join(map(wrap, kept.split("\n"))).replace(_KEPT, " ")
    on.print(text, soft_wrap=True, markup=False)


@functools.lru_cache(maxsize=None)
def say_once(text: str) -> None:
    """Print a line unless this process has printed the same line before."""
    say(text)
