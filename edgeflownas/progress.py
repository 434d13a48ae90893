"""Progress of long work: a live bar with the remaining time on a terminal, plain lines elsewhere."""

import contextlib
import time
from textwrap import TextWrapper
from typing import Iterator, List, NamedTuple, Optional

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.errors import LiveError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

console = Console(stderr=True, highlight=False)

_PLAIN_EVERY = 15.0  # seconds between plain lines
_shown: List[Progress] = []  # on the terminal now: bars within a bar's block join its display, as there is only one


class Standing(NamedTuple):
    """How far a training is, for those who watch it."""

    epoch: int  # epochs completed
    step: int  # steps done
    steps: int  # steps in all
    best_epe: Optional[float]  # pixels


class _Count(MofNCompleteColumn):
    """Steps done, of how many; nothing where that is not known."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class _Left(ProgressColumn):
    """Remaining time at the mean rate so far; rich's own column tells none of steps that take over half a minute."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        end = task.fields["end"]
        if task.total is None or end is None:
            return Text("" if task.total is None else "-:--:--", style="progress.remaining")
        return Text(format_duration(end - time.monotonic()), style="progress.remaining")


class _Bars(Progress):
    """Bars that leave room for the ^C that a terminal prints: it would begin a line, and what is drawn anew slip."""

    def get_renderable(self) -> RenderableType:
        return Constrain(super().get_renderable(), console.width - len("^C"))


class Bar:
    """How far one piece of work is."""

    def __init__(self, title: str, total: int, done: int, live: Optional[Progress]) -> None:
        self._title, self._total, self._done = title, total, done
        self._live = live
        self._task = live.add_task(title, total=total, completed=done, note="", end=None) if live else None
        self._last = time.monotonic()
        self._since = done, self._last  # the rate is that of what came after
        self._begun = False

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Counts steps; the note stands behind the bar."""
        self._done += steps
        now = time.monotonic()
        rate = (self._done - self._since[0]) / max(now - self._since[1], 1e-9)
        if not self._begun:  # the first step often waits for what is built only once
            self._begun, self._since = True, (self._done, now)
        left = (self._total - self._done) / rate if rate > 0 else 0.0
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=self._done, note=note, end=now + left)
            return
        if now - self._last < _PLAIN_EVERY and self._done < self._total:
            return
        self._last = now
        say(f"{self._title}: {self._done}/{self._total}, {rate:.3g}/s, {left:.0f} s left {note}".rstrip())

    def note(self, text: str) -> None:
        """Stands behind the bar until the next step; without a bar it is not told."""
        if self._live is not None and self._task is not None:
            self._live.update(self._task, note=text)

    def leave(self) -> None:
        """Takes the bar off the screen."""
        if self._live is not None and self._task is not None:
            self._live.remove_task(self._task)


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Shows the progress of a block; where something else is live on the terminal, such as a table, by plain lines.

    Args:
        title: what is being done.
        total: steps in all.
        done: steps done in an earlier run.
    """
    within = bool(_shown)
    with _display(transient=False) as live:
        bar = Bar(title, total, done, live)
        try:
            yield bar
        finally:
            if within:
                bar.leave()


@contextlib.contextmanager
def phase(title: str) -> Iterator[None]:
    """Shows that a block is at work whose length nobody knows: a bar that moves, and the time so far.

    It leaves the screen with the block. Elsewhere than on a terminal the title is a line.
    """
    with _display(transient=True) as live:
        if live is None:
            say(title)
            yield
            return
        task = live.add_task(title, total=None, note="", end=None)
        try:
            yield
        finally:
            live.remove_task(task)


@contextlib.contextmanager
def _display(transient: bool) -> Iterator[Optional[Progress]]:
    """The bars on the terminal; None elsewhere, and where something else is live on it."""
    if not console.is_terminal or _shown:
        yield _shown[-1] if _shown else None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        _Count(),
        TimeElapsedColumn(),
        _Left(),
        TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True)),  # gets the room that is left
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


def format_duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds, such as 0:05:03."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def say(text: str, on: Optional[Console] = None) -> None:
    """Prints a line; on a terminal as many as it takes, broken between words, so that paths can still be copied.

    Args:
        text: of the line.
        on: where it goes; None: standard error, beside any bar.
    """
    on = on or console
    if on.is_terminal:
        wrap = TextWrapper(on.width, break_long_words=False, break_on_hyphens=False).fill
        text = "\n".join(map(wrap, text.split("\n")))
    on.print(text, soft_wrap=True, markup=False)
