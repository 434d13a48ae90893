"""Progress of long work: a live bar with rate and remaining time on a terminal, plain lines elsewhere."""

import contextlib
import time
from typing import Iterator, List, NamedTuple, Optional

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

console = Console(stderr=True, highlight=False)

_PLAIN_EVERY = 15.0  # seconds between plain lines
_shown: List[Progress] = []  # on the terminal now: bars within a bar's block join its display, as there is only one


class Standing(NamedTuple):
    """How far a training is, for those who watch it."""

    epoch: int  # epochs completed
    step: int  # steps done
    steps: int  # steps in all
    best_epe: Optional[float]  # pixels


class Bar:
    """How far one piece of work is."""

    def __init__(self, title: str, total: int, done: int, live: Optional[Progress]) -> None:
        self._title, self._total, self._done, self._first = title, total, done, done
        self._live = live
        self._task = live.add_task(title, total=total, completed=done, note="") if live else None
        self._start = self._last = time.monotonic()

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Counts steps; the note stands behind the bar."""
        self._done += steps
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=self._done, note=note)
            return
        now = time.monotonic()
        if now - self._last < _PLAIN_EVERY and self._done < self._total:
            return
        self._last = now
        rate = (self._done - self._first) / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate if rate > 0 else 0.0
        say(f"{self._title}: {self._done}/{self._total}, {rate:.3g}/s, {left:.0f} s left {note}".rstrip())

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
    if not console.is_terminal:
        yield Bar(title, total, done, None)
        return
    if _shown:
        bar = Bar(title, total, done, _shown[-1])
        try:
            yield bar
        finally:
            bar.leave()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True)),  # gets the room that is left
    )
    live = Progress(*columns, console=console, expand=True)
    try:
        live.start()
    except LiveError:
        yield Bar(title, total, done, None)
        return
    _shown.append(live)
    try:
        yield Bar(title, total, done, live)
    finally:
        _shown.pop()
        live.stop()


def say(text: str) -> None:
    """Prints a line to standard error, beside any bar."""
    console.print(text, soft_wrap=True, markup=False)
