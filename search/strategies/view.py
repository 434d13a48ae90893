"""Display of a running search: a live table on a terminal, plain lines elsewhere."""

import itertools
import time
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Tuple, Type

import numpy as np
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from edgeflownas.progress import console, format_duration, say
from edgeflownas.storage.events import Events
from edgeflownas.wording import format_count
from search.nsga2.evolution import Evolution
from search.nsga2.subspace import multiply
from search.strategies.loop import Status

_PLAIN_EVERY = 15.0  # seconds between plain lines within a generation
_TWO_FIGURES = 80  # columns of a terminal that two figures per line need


class SearchView:
    """Display of a search while it runs, on the terminal and in TensorBoard; a context manager."""

    def __init__(self, evolution: Evolution, folder: Path) -> None:
        """Set up the display.

        Args:
            evolution: The search.
            folder: Folder for TensorBoard events.
        """
        self._evolution = evolution
        self._events = Events(folder)
        space = evolution.space
        self._backbones = multiply(space.counts[: space.backbone])
        self._figures = self._read_figures()
        self._generation = self._format_generation(evolution.number)
        self._live: Optional[Live] = None
        self._last = self._since = time.monotonic()

    def __enter__(self) -> "SearchView":
        """Start the live table if there is a terminal, and the file of events."""
        self._events.open()
        if console.is_interactive:
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Stop the live table and leave its last state on the screen."""
        if self._live is not None:
            self._live.stop()
        self._events.close()

    def show(self, status: Status) -> None:
        """Show the progress of the search."""
        complete = status.done == status.total
        if complete:
            self._figures = self._read_figures()
            self._write_events(status.generation)
        self._since = time.monotonic()
        self._generation = self._format_generation(status.generation)
        figures = [self._generation, *self._figures, ("duplicates avoided", f"{status.duplicates:,}")]
        if not complete or self._evolution.stop_reason() is None:
            figures.append(("time left at most", format_duration(status.seconds_left)))
        if self._live is not None:
            table = _make_table(figures, "this generation", status.done, status.total, "scored")
            self._live.update(table, refresh=True)
        elif complete:
            say(", ".join(f"{name} {value}" for name, value in figures))
        elif time.monotonic() - self._last > _PLAIN_EVERY:
            total = format_count(status.total, "architecture")
            say(f"  generation {status.generation + 1}: {status.done:,} of {total} scored")
        else:
            return
        self._last = time.monotonic()

    def show_compiling(self, done: int, total: int) -> None:
        """Show the progress of compiling a generation's front, and the remaining time."""
        seconds_left = format_duration((time.monotonic() - self._since) / done * (total - done))
        if self._live is not None:
            figures = [self._generation, *self._figures, ("front compiled in", seconds_left)]
            self._live.update(_make_table(figures, "compiling the front", done, total, "compiled"), refresh=True)
        elif time.monotonic() - self._last > _PLAIN_EVERY:
            say(f"  compiling the front: {done} of {total}, {seconds_left} left")
            self._last = time.monotonic()

    def _write_events(self, generation: int) -> None:
        values = {
            "hypervolume": self._evolution.hypervolume(),
            "front size": float(len(self._evolution.front())),
            "best epe": self._evolution.best_epe(),
        }
        self._events.add(generation, {name: value for name, value in values.items() if np.isfinite(value)})

    def _format_generation(self, generation: int) -> Tuple[str, str]:
        return "generation", f"{generation + 1} of {self._evolution.config.generations}"

    def _read_figures(self) -> List[Tuple[str, str]]:
        """Return the figures that change with a generation."""
        archive = self._evolution.archive
        best = self._evolution.best_epe()
        return [
            ("requested", f"{archive.evaluations:,}"),
            ("scored", f"{len(archive):,}"),
            ("backbones", f"{archive.backbones:,} of {self._backbones:,}"),
            ("hypervolume", f"{self._evolution.hypervolume():.6g}"),
            ("best EPE", f"{best:.4f} px" if np.isfinite(best) else "-"),
            ("front", f"{len(self._evolution.front())}"),
        ]


def _make_table(figures: List[Tuple[str, str]], work: str, done: int, total: int, unit: str) -> Table:
    """Return a table with two figures per line, or one in a narrow terminal, and a progress bar."""
    table, per_line = Table.grid(padding=(0, 2)), 2 if console.width >= _TWO_FIGURES else 1
    for style in ("dim", "bold") * per_line:
        table.add_column(style=style, no_wrap=True)
    for place in range(0, len(figures), per_line):
        table.add_row(*itertools.chain.from_iterable(figures[place : place + per_line]))
    counted = f"{done:,} of {total:,}"
    if per_line == 1:
        table.add_row(work, f"{counted} {unit}")
    else:
        table.add_row(work, ProgressBar(total=total, completed=done, width=20), counted, unit)
    return table
