"""Display of the tasks of a queue while they run, on this machine or on a cluster."""

import contextlib
import time
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from rich.console import Console
from rich.live import Live

from edgeflownas.progress import console, say
from edgeflownas.terminal import FittedTable
from search.queue import slurm
from search.queue.queue import Queue
from search.queue.script import job_name
from search.queue.status import LOG_LINES, Row, read_rows, render_table
from search.queue.submit import read_submitted

_POLL = 1.0  # seconds between readings of the tasks' files
_SLURM_POLL = 15.0  # seconds between queries to Slurm, which all users share
_SLURM_TIMEOUT = 3.0  # seconds to wait for Slurm, whose answer is not essential

Rows = Callable[[], List[Row]]


class Overview:
    """The tasks of a queue with the states of their Slurm jobs, or, without Slurm, only the states in their files."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._elements: Optional[Dict[int, slurm.Element]] = None
        self._asked = float("-inf")
        self._warned = False

    def rows(self) -> List[Row]:
        """Return all tasks."""
        submitted = read_submitted(self._queue.paths)
        if self._queue.paths.script.exists() and time.monotonic() - self._asked > _SLURM_POLL:
            self._asked = time.monotonic()
            try:
                self._elements = slurm.list_elements(job_name(self._queue.paths), _SLURM_TIMEOUT)
            except slurm.SlurmError as error:
                self._elements = None
                if submitted and not self._warned:
                    self._warned = True
                    say(f"{error}; showing only what the tasks' files say")
        return [self._add_slurm(row, submitted.get(row.index)) for row in read_rows(self._queue)]

    def _add_slurm(self, row: Row, job: Optional[str]) -> Row:
        if self._elements is not None and row.index in self._elements:
            element = self._elements[row.index]
            return replace(row, job=element.job, slurm=element.description)
        if job is None or row.word in ("done", "failed"):
            return row
        if self._elements is None or not row.to_do:
            return replace(row, job=row.job or job)
        return replace(row, job=job, slurm="gone", log=self._queue.task(row.index).log_tail(LOG_LINES))


def watch(overview: Overview) -> None:
    """Display the tasks until all are finished."""
    with show_tasks(overview.rows) as refresh:
        while any(row.word not in ("done", "failed", "damaged") for row in overview.rows()):
            refresh()
            time.sleep(_POLL)
        refresh()


def _print_changes(rows: List[Row], known: Dict[int, Tuple[str, int]]) -> None:
    """Print a line for each task that has changed, and update the known states and epochs by index."""
    for row in rows:
        if known.get(row.index) != (row.word, row.epoch):
            known[row.index] = row.word, row.epoch
            epe = "" if row.best_epe is None else f", best EPE {row.best_epe:.3f} px"
            say(f"task {row.index} {row.architecture}: {row.word}, epoch {row.epoch}/{row.epochs}{epe}")


@contextlib.contextmanager
def show_tasks(get_rows: Rows, on: Console = console) -> Iterator[Callable[[], None]]:
    """Display tasks while the block runs: as a live table on a terminal, and as plain lines elsewhere.

    Args:
        get_rows: Function that returns the tasks.
        on: Console to print to.

    Yields:
        A function to be called regularly, which updates the display.
    """
    if not on.is_interactive:
        known: Dict[int, Tuple[str, int]] = {}
        yield lambda: _print_changes(get_rows(), known)
        return
    show = Live(
        get_renderable=lambda: FittedTable(render_table(get_rows())), console=on, refresh_per_second=1, transient=True
    )
    with show as live:
        try:
            yield lambda: None
        except BaseException:
            live.transient = False  # without an error, the caller prints the final table itself
            raise
