"""How far the tasks of a queue are, read while others write."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgeflownas.errors import InputError
from search.queue.queue import Queue
from search.queue.task import State, Task, TaskConfig, printable

_LOG_LINES = 5  # shown of a failed task

# Beside the states of a task there are "dead", which is running without a living process, and "damaged".
_STYLES = {"running": "cyan", "done": "green", "failed": "red", "dead": "red", "damaged": "red", "preempted": "yellow"}


@dataclass(frozen=True)
class Row:
    """A task, seen from outside.

    Attributes:
        index: its number.
        word: its state, or "dead", or "damaged".
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
        job: of the cluster.
        heartbeat_s: seconds since it last showed that it lives.
        reason: why it crashed or was stopped, or what is damaged.
        log: last lines of what it printed, if it has failed.
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
    heartbeat_s: Optional[float] = None
    reason: Optional[str] = None
    log: Optional[List[str]] = None

    @property
    def to_do(self) -> bool:
        """Whether the task waits for someone to work on it."""
        return self.word in ("queued", "preempted", "dead")


def rows(queue: Queue) -> List[Row]:
    """All tasks of a queue."""
    return [row(queue, index) for index in queue.indices]


def row(queue: Queue, index: int) -> Row:
    """One task."""
    try:
        task = queue.task(index)
        alive = task.alive()  # asked first: a process that ends writes its state before it leaves
        state = task.state()
    except InputError as error:
        return Row(index, "damaged", reason=str(error))
    word = "dead" if state.state == "running" and not alive else state.state
    return _row(task, state, word)


def _row(task: Task, state: State, word: str) -> Row:
    config: TaskConfig = task.config
    running = word == "running"
    left = None
    if running and state.rate and state.steps is not None:
        left = (state.steps - state.step) / state.rate
    return Row(
        index=task.index,
        word=word,
        architecture=config.architecture,
        epochs=config.train.epochs,
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
        heartbeat_s=task.heartbeat(),
        reason=state.reason,
        log=task.log_tail(_LOG_LINES) if word in ("failed", "dead") else None,
    )


def as_json(listed: List[Row]) -> List[Dict[str, Any]]:
    """The rows for programs."""
    return [asdict(each) for each in listed]


def table(listed: List[Row]) -> Table:
    """The rows for people."""
    result = Table(title="Retrain queue", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("task", "architecture", "state", "epoch", "EPE px", "supernet", "steps/s", "left", "beat", "tries"):
        result.add_column(name, justify="left" if name in ("architecture", "state") else "right", no_wrap=True)
    result.add_column("where", overflow="fold")
    for each in listed:
        result.add_row(
            str(each.index),
            each.architecture or "",
            Text(each.word, style=_STYLES.get(each.word, "")),
            f"{each.epoch}/{each.epochs}" if each.epochs else "",
            _number(each.best_epe, 3),
            _number(each.supernet_epe, 3),
            _number(each.rate, 2),
            _duration(each.seconds_left),
            _duration(each.heartbeat_s),
            f"{each.attempts}" + (f" ({each.crashes} crashed)" if each.crashes else ""),
            Text(printable(" ".join(filter(None, [each.host, each.job and f"job {each.job}"])))),
        )
    return result


def remarks(listed: List[Row]) -> List[str]:
    """What a table has no room for: why tasks failed or stopped, and how their logs end."""
    lines = []
    for each in listed:
        if each.reason and each.word != "done":
            lines.append(f"task {each.index}, {each.word}: {printable(each.reason)}")
            lines += [f"    {line}" for line in each.log or []]
    return lines


def summary(listed: List[Row]) -> str:
    """How many tasks are in which state."""
    words = [each.word for each in listed]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _number(value: Optional[float], digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _duration(seconds: Optional[float]) -> str:
    """Seconds for people: 42 s, 5:03 min, 3:20 h."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return time.strftime("%M:%S min", time.gmtime(seconds)).lstrip("0")
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
