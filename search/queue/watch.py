"""Looks on while tasks are worked on, here or on a cluster."""

import contextlib
import time
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from rich.console import Console
from rich.live import Live

from edgeflownas.progress import console, say
from search.queue import slurm
from search.queue.queue import Queue
from search.queue.script import job_name
from search.queue.status import LOG_LINES, Row, read_rows, render_table
from search.queue.submit import read_submitted

_LOOK = 1.0  # seconds between looks at the tasks' files
_ASK = 15.0  # seconds between questions to Slurm, which serves everybody
_PATIENCE = 3.0  # seconds to wait for the answer, which only adds to what the files tell

Rows = Callable[[], List[Row]]


class Overview:
    """The tasks of a queue, and what Slurm says of their jobs. Without Slurm, the tasks' files tell enough."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._there: Optional[Dict[int, slurm.Element]] = None
        self._asked = float("-inf")
        self._told = False

    def rows(self) -> List[Row]:
        """All tasks."""
        known = read_submitted(self._queue.paths)
        if self._queue.paths.script.exists() and time.monotonic() - self._asked > _ASK:
            self._asked = time.monotonic()
            try:
                self._there = slurm.list_elements(job_name(self._queue.paths), _PATIENCE)
            except slurm.SlurmError as error:
                self._there = None
                if known and not self._told:
                    self._told = True
                    say(f"{error}; this is what the tasks' own files tell")
        return [self._with_slurm(each, known.get(each.index)) for each in read_rows(self._queue)]

    def _with_slurm(self, each: Row, job: Optional[str]) -> Row:
        if self._there is not None and each.index in self._there:
            element = self._there[each.index]
            return replace(each, job=element.job, slurm=element.standing)
        if job is None or each.word in ("done", "failed"):
            return each
        if self._there is None or not each.to_do:
            return replace(each, job=each.job or job)
        return replace(each, job=job, slurm="gone", log=self._queue.task(each.index).log_tail(LOG_LINES))


def watch(overview: Overview) -> None:
    """Shows the tasks until none is left to be worked on."""
    with show_tasks(overview.rows) as look:
        while any(each.word not in ("done", "failed", "damaged") for each in overview.rows()):
            look()
            time.sleep(_LOOK)
        look()


class _Lines:
    """Tells of changes, one line each."""

    def __init__(self, look: Rows) -> None:
        self._look = look
        self._known: Dict[int, Tuple[str, int]] = {}

    def __call__(self) -> None:
        """Says what has changed."""
        for each in self._look():
            if self._known.get(each.index) != (each.word, each.epoch):
                self._known[each.index] = each.word, each.epoch
                epe = "" if each.best_epe is None else f", best EPE {each.best_epe:.3f} px"
                say(f"task {each.index} {each.architecture}: {each.word}, epoch {each.epoch}/{each.epochs}{epe}")


@contextlib.contextmanager
def show_tasks(look: Rows, on: Console = console) -> Iterator[Callable[[], None]]:
    """Shows tasks: a live table on a terminal, plain lines elsewhere.

    Args:
        look: gives them.
        on: where to show them.

    Yields:
        What has to be called now and then.
    """
    if not on.is_terminal:
        yield _Lines(look)
        return
    with Live(get_renderable=lambda: render_table(look()), console=on, refresh_per_second=1, transient=True) as live:
        try:
            yield lambda: None
        except BaseException:
            live.transient = False  # else whoever called shows the tasks as they then are
            raise
