"""One task of the queue: what is to be done, and how far it is. Needs no TensorFlow.

A task is claimed by the process that works on it, and only that one writes in its folder. Its states:

- ``queued``: to be begun, or to be tried again after a crash;
- ``running``: claimed; if no living process holds the claim, the task died without a word;
- ``preempted``: stopped by a signal with everything saved, to be continued;
- ``failed``: has crashed as often as it may, or was cancelled; ``done``: has a result.
"""

import itertools
import os
import time
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import ChildConfig, Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Cost
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.lock import held
from search.queue.paths import QueuePaths

_TAIL_BYTES = 4096  # of a log, enough for the lines that are shown

Word = Literal["queued", "running", "preempted", "failed", "done"]


class SearchFigures(Section):
    """What the search knew of the architecture when it was chosen."""

    epe: Optional[float] = Field(
        ge=0, allow_inf_nan=False, description="with the supernet's weights, pixels; null where there is no supernet"
    )
    fps: float = Field(gt=0, allow_inf_nan=False)
    latency_ms: float = Field(gt=0, allow_inf_nan=False)
    sram_kib: float = Field(gt=0, allow_inf_nan=False)
    npu_cycles: float = Field(gt=0, allow_inf_nan=False)
    source: Literal["predicted", "compiled"] = Field(description="of the figures after the EPE")

    @property
    def cost(self) -> Cost:
        """The hardware's part."""
        return Cost(self.fps, self.latency_ms, self.sram_kib, self.npu_cycles, self.source)


class TaskConfig(ChildConfig):
    """The content of ``task.yaml``."""

    format: Literal["edgeflownas-task"] = "edgeflownas-task"
    format_version: Literal[1] = 1
    attempts: int = Field(ge=1, description="a task that has crashed so often is not tried again")
    supernet_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the weights that it was found with")
    first_weights: Optional[str] = Field(description="file in the queue's folder; null: random weights")
    found: SearchFigures


class State(Section):
    """The content of ``state.json``; times are Unix times, in seconds."""

    state: Word = "queued"
    attempts: int = Field(0, ge=0, description="times it was begun or continued")
    crashes: int = Field(0, ge=0, description="times it ended in an error, or without a word")
    epoch: int = Field(0, ge=0, description="epochs completed")
    step: int = Field(0, ge=0, description="steps done")
    steps: Optional[int] = Field(None, ge=0, description="steps in all")
    best_epe: Optional[float] = Field(None, allow_inf_nan=False, description="pixels")
    rate: Optional[float] = Field(None, allow_inf_nan=False, description="steps per second, in this attempt")
    host: Optional[str] = None
    pid: Optional[int] = None
    job: Optional[str] = Field(None, description="id of the cluster's job, if there is one")
    restarts: int = Field(0, ge=0, description="how often Slurm had started that job again")
    reason: Optional[str] = Field(None, description="why it crashed or was stopped")
    started: Optional[float] = Field(None, description="when this attempt began")
    changed: float = Field(description="when the state was written")


class Task:
    """A task in its folder.

    Attributes:
        index: its number in the queue.
        queue: the queue's files.
        paths: its own.
        config: what is to be done.
    """

    def __init__(self, queue: QueuePaths, index: int) -> None:
        """Opens a task.

        Raises:
            InputError: there is no such task, its file does not say what a task says, or something in its folder is a
                link to elsewhere, where a queue from others must not have anything written.
        """
        self.index = index
        self.paths = queue.task(index)
        self.queue = queue
        links = filter(Path.is_symlink, self.paths.folder.rglob("*"))
        for path in itertools.chain([self.paths.folder], links):
            if _leads_out(path, queue.folder):
                raise InputError(f"task {index}: {path} leads out of the queue's folder; put what it leads to there")
        if not self.paths.task.is_file():
            raise InputError(f"task {index}: {self.paths.task} is not there; `queue status` shows the tasks there are")
        content = read_yaml(self.paths.task, "task")
        self.config: TaskConfig = validate(content, TaskConfig, f"task {self.paths.task}")

    def state(self) -> State:
        """How far it is.

        Raises:
            InputError: its file is missing or damaged.
        """
        mend = f"`queue retry {self.index} --from-previous` goes on from the one before"
        state: State = validate(record.read(self.paths.state, mend), State, str(self.paths.state))
        return state

    def alive(self) -> bool:
        """Whether a living process works on it."""
        return held(self.paths.claim)

    @property
    def cancelled(self) -> bool:
        """Whether nobody is to work on it any more."""
        return self.paths.cancel.exists()

    def heartbeat(self) -> Optional[float]:
        """Seconds since the process that works on it last showed that it lives; None if none does."""
        try:
            return max(0.0, time.time() - self.paths.claim.stat().st_mtime)
        except FileNotFoundError:
            return None

    def load_first_weights(self) -> Optional[Dict[str, np.ndarray]]:
        """The weights to begin with; None for random ones.

        Raises:
            InputError: they lie outside the queue, are missing or damaged, or are not those of the search.
        """
        name = self.config.first_weights
        if name is None:
            return None
        path = self.queue.folder / name
        if _leads_out(path, self.queue.folder):
            raise InputError(f"task {self.paths.task}: first_weights: {name!r:.80} leads out of the queue's folder")
        weights, _ = checkpoint.load(path)
        if checkpoint.digest(weights) != self.config.supernet_sha256:
            raise InputError(
                f"task {self.paths.task}: {path} does not hold the weights that the architecture was found with; "
                f"build the queue again with `queue build --rebuild`"
            )
        return weights

    def log_tail(self, lines: int) -> List[str]:
        """The last lines of its output, free of control characters."""
        return tail(self.paths.output, lines)


def _leads_out(path: Path, folder: Path) -> bool:
    """Whether a path, with all links followed, is not one in a folder, but elsewhere or nowhere."""
    try:
        real = Path(os.path.realpath(str(path)))
        return real.is_symlink() or Path(os.path.realpath(str(folder))) not in real.parents  # a link: to itself
    except (OSError, ValueError):  # a name that no file can have
        return True


def tail(path: Path, lines: int) -> List[str]:
    """The last lines of a text file, free of control characters; none if it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [make_printable(line) for line in text.splitlines() if line.strip()][-lines:]


def make_printable(text: str) -> str:
    """Text on one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text).rstrip()
