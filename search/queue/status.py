"""State of the tasks of a queue, read while other processes write."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgeflownas.errors import InputError
from edgeflownas.progress import format_duration
from search.queue.claim import SILENT_AFTER
from search.queue.queue import Queue
from search.queue.task import State, Task, make_printable

LOG_LINES = 5  # shown of a failed task's log

# In addition to the states of a task: "dead" (running without a living process), "silent" (no heartbeat for a while,
# but the process may be alive) and "damaged".
_STYLES = {
    "running": "cyan", "silent": "yellow", "preempted": "yellow", "done": "green",
    "failed": "red", "dead": "red", "damaged": "red",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A task as seen from outside.

    Attributes:
        index: Index of the task.
        word: State of the task, or "silent", "dead" or "damaged".
        architecture: Digits of the architecture; None if the task's file is damaged.
        epochs: Total number of epochs.
        attempts: Number of times the task was started or resumed.
        crashes: Number of attempts that crashed.
        epoch: Epochs completed.
        best_epe: Best EPE so far, in pixels.
        supernet_epe: EPE with the supernet's weights, in pixels.
        initial_weights: File of the weights that the training starts from; None for random ones.
        initial_weights_sha256: Digest of these weights.
        rate: Steps per second.
        seconds_left: Remaining seconds at this rate.
        host: Machine on which the task runs or last ran.
        pid: Id of the process.
        job: Slurm job in which the task runs or last ran, or which was submitted for it.
        slurm: State of that job, if Slurm was asked; "gone" if Slurm no longer has it.
        heartbeat_s: Seconds since the last heartbeat.
        reason: Why the task crashed or was stopped, or what is damaged.
        log: Last lines of the log, if the task has failed or its job is gone.
    """

    index: int
    word: str
    architecture: Optional[str] = None
    epochs: Optional[int] = None
    attempts: int = 0
    crashes: int = 0
    epoch: int = 0
    best_epe: Optional[float] = None
    supernet_epe: Optional[float] = None
    initial_weights: Optional[str] = None
    initial_weights_sha256: Optional[str] = None
    rate: Optional[float] = None
    seconds_left: Optional[float] = None
    host: Optional[str] = None
    pid: Optional[int] = None
    job: Optional[str] = None
    slurm: Optional[str] = None
    heartbeat_s: Optional[float] = None
    reason: Optional[str] = None
    log: Optional[List[str]] = None

    @property
    def to_do(self) -> bool:
        """Whether the task is waiting to be run."""
        return self.word in ("queued", "preempted", "dead")


def read_rows(queue: Queue) -> List[Row]:
    """Return all tasks of a queue."""
    return [read_row(queue, index) for index in queue.indices]


def read_row(queue: Queue, index: int) -> Row:
    """Return one task of a queue."""
    try:
        task = queue.task(index)
        alive = task.alive()  # before the state is read: a process that ends writes its state before it exits
        state = task.state()
    except InputError as error:
        reason, name = str(error), f"task {index}: "
        return Row(index, "damaged", reason=reason[len(name) :] if reason.startswith(name) else reason)
    heartbeat = task.heartbeat()
    word: str = state.state
    if word == "running" and not alive:
        word = "dead"
    elif word == "running" and heartbeat is not None and heartbeat > SILENT_AFTER:
        word = "silent"
    return _make_row(task, state, word, heartbeat)


def _make_row(task: Task, state: State, word: str, heartbeat: Optional[float]) -> Row:
    running, first = word in ("running", "silent"), task.first_weights
    left = None
    if running and state.rate and state.steps is not None:
        left = (state.steps - state.step) / state.rate
    return Row(
        index=task.index,
        word=word,
        architecture=task.config.architecture,
        epochs=task.config.epochs,
        attempts=state.attempts,
        crashes=state.crashes,
        epoch=state.epoch,
        best_epe=state.best_epe,
        supernet_epe=task.config.found.epe,
        initial_weights=None if first is None else first.path,
        initial_weights_sha256=None if first is None else first.sha256,
        rate=state.rate if running else None,
        seconds_left=left,
        host=state.host,
        pid=state.pid,
        job=state.job,
        heartbeat_s=heartbeat,
        reason=state.reason,
        log=task.log_tail(LOG_LINES) if word in ("failed", "dead") else None,
    )


def to_records(rows: Sequence[Row]) -> List[Dict[str, Any]]:
    """Return rows as plain data for JSON."""
    return [asdict(row) for row in rows]


def render_table(rows: Sequence[Row]) -> Table:
    """Return a table of rows, at most 80 columns wide."""
    table = Table(title="Retrain queue", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    crashed = any(row.crashes for row in rows)
    table.add_column("task", justify="right", no_wrap=True)
    table.add_column("genes", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("epoch", "EPE px", "step/s", "left", "beat", "tries", *(["crash"] if crashed else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold", min_width=8)
    for row in rows:
        table.add_row(
            str(row.index),
            row.architecture or "",
            Text(row.word, style=_STYLES.get(row.word, "")),
            f"{row.epoch}/{row.epochs}" if row.epochs else "",
            "" if row.best_epe is None else f"{row.best_epe:.3f}",
            "" if row.rate is None else f"{row.rate:.1f}",
            "" if row.seconds_left is None else format_duration(row.seconds_left, compact=True),
            "" if row.heartbeat_s is None else format_duration(row.heartbeat_s, compact=True),
            str(row.attempts),
            *([str(row.crashes)] if crashed else []),
            Text(make_printable(_format_place(row))),
        )
    return table


def _format_place(row: Row) -> str:
    if row.slurm is not None and row.word in ("queued", "preempted"):
        return f"job {row.job} {row.slurm}"
    return " ".join(filter(None, [row.host, row.job and f"job {row.job}"]))


def format_remarks(rows: Sequence[Row]) -> List[str]:
    """Return lines that complement the table: why tasks failed or stopped, and the ends of their logs."""
    lines = []
    for row in rows:
        remarks = [row.reason] if row.reason and row.word != "done" else []
        if row.slurm == "gone":
            remarks.append(f"Slurm no longer has job {row.job}; submit the task again with `queue submit`")
        if remarks:
            lines.append(f"task {row.index}, {row.word}: {make_printable('; '.join(remarks))}")
            lines += [f"    {line}" for line in row.log or []]
    return lines


def summarize(rows: Sequence[Row]) -> str:
    """Return the number of tasks in each state, as text."""
    words = [row.word for row in rows]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
