"""How far the tasks of a queue are, read while others write."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgeflownas.errors import InputError
from search.queue.claim import SILENT_AFTER
from search.queue.queue import Queue
from search.queue.task import State, Task, TaskConfig, make_printable

LOG_LINES = 5  # shown of a failed task

# Beside the states of a task there are "dead", which is running without a living process; "silent", whose process has
# not shown for a while that it lives, but may; and "damaged".
_STYLES = {
    "running": "cyan", "silent": "yellow", "preempted": "yellow", "done": "green",
    "failed": "red", "dead": "red", "damaged": "red",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A task, seen from outside.

    Attributes:
        index: its number.
        word: its state, or "silent", "dead" or "damaged".
        architecture: None where the task's file is damaged.
        epochs: in all.
        attempts: times it was begun or continued.
        crashes: of these.
        epoch: epochs completed.
        best_epe: pixels.
        supernet_epe: pixels.
        rate: steps per second.
        seconds_left: at this rate.
        host: it runs on, or ran on last.
        pid: of its process.
        job: of Slurm, that it runs in, or ran in last, or was handed in as.
        slurm: what Slurm says of that job, if it was asked; "gone" if it no longer has it.
        heartbeat_s: seconds since it last showed that it lives.
        reason: why it crashed or was stopped, or what is damaged.
        log: last lines of what it printed, if it has failed or its job is gone.
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
        """Whether the task waits for someone to work on it."""
        return self.word in ("queued", "preempted", "dead")


def read_rows(queue: Queue) -> List[Row]:
    """All tasks of a queue."""
    return [read_row(queue, index) for index in queue.indices]


def read_row(queue: Queue, index: int) -> Row:
    """One task."""
    try:
        task = queue.task(index)
        alive = task.alive()  # asked first: a process that ends writes its state before it leaves
        state = task.state()
    except InputError as error:
        return Row(index, "damaged", reason=str(error))
    heartbeat = task.heartbeat()
    word: str = state.state
    if word == "running" and not alive:
        word = "dead"
    elif word == "running" and heartbeat is not None and heartbeat > SILENT_AFTER:
        word = "silent"
    return _row(task, state, word, heartbeat)


def _row(task: Task, state: State, word: str, heartbeat: Optional[float]) -> Row:
    config: TaskConfig = task.config
    running = word in ("running", "silent")
    left = None
    if running and state.rate and state.steps is not None:
        left = (state.steps - state.step) / state.rate
    return Row(
        index=task.index,
        word=word,
        architecture=config.architecture,
        epochs=config.epochs,
        attempts=state.attempts,
        crashes=state.crashes,
        epoch=state.epoch,
        best_epe=state.best_epe,
        supernet_epe=config.found.epe,
        rate=state.rate if running else None,
        seconds_left=left,
        host=state.host,
        pid=state.pid,
        job=state.job,
        heartbeat_s=heartbeat,
        reason=state.reason,
        log=task.log_tail(LOG_LINES) if word in ("failed", "dead") else None,
    )


def to_records(listed: Sequence[Row]) -> List[Dict[str, Any]]:
    """The rows for programs."""
    return [asdict(each) for each in listed]


def render_table(listed: Sequence[Row]) -> Table:
    """The rows for people, within 80 columns."""
    result = Table(title="Retrain queue", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    crashed = any(each.crashes for each in listed)
    result.add_column("task", justify="right", no_wrap=True)
    result.add_column("genes", no_wrap=True)
    result.add_column("state", no_wrap=True)
    for name in ("epoch", "EPE px", "step/s", "left", "beat", "tries", *(["bad"] if crashed else [])):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("where", overflow="fold", min_width=8)
    for each in listed:
        result.add_row(
            str(each.index),
            each.architecture or "",
            Text(each.word, style=_STYLES.get(each.word, "")),
            f"{each.epoch}/{each.epochs}" if each.epochs else "",
            _number(each.best_epe, 3),
            _number(each.rate, 1),
            _duration(each.seconds_left),
            _duration(each.heartbeat_s),
            str(each.attempts),
            *([str(each.crashes)] if crashed else []),
            Text(make_printable(_where(each))),
        )
    return result


def _where(each: Row) -> str:
    if each.slurm is not None and each.word in ("queued", "preempted"):
        return f"job {each.job} {each.slurm}"
    return " ".join(filter(None, [each.host, each.job and f"job {each.job}"]))


def format_remarks(listed: Sequence[Row]) -> List[str]:
    """What a table has no room for: why tasks failed or stopped, and how their logs end."""
    lines = []
    for each in listed:
        told = [each.reason] if each.reason and each.word != "done" else []
        if each.slurm == "gone":
            told.append(f"Slurm has job {each.job} no longer: `queue submit` hands it in anew")
        if told:
            lines.append(f"task {each.index}, {each.word}: {make_printable('; '.join(told))}")
            lines += [f"    {line}" for line in each.log or []]
    return lines


def summarize(listed: Sequence[Row]) -> str:
    """How many tasks are in which state."""
    words = [each.word for each in listed]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _number(value: Optional[float], digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _duration(seconds: Optional[float]) -> str:
    """Seconds for people, in five letters: 42s, 5m03, 3h20, 2d04."""
    if seconds is None:
        return ""
    whole = round(seconds)
    for unit, length, part in (("d", 86400, 3600), ("h", 3600, 60), ("m", 60, 1)):
        if whole >= length:
            return f"{whole // length}{unit}{whole % length // part:02d}"
    return f"{whole}s"
