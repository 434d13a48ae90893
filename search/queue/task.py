"""A task of the queue: its configuration and its state. Does not import TensorFlow.

The process that runs a task holds its claim, and only that process writes in its folder. The states:

- ``queued``: waits to be started, or to be tried again after a crash;
- ``running``: claimed; if no live process holds the claim, the process died without recording it;
- ``preempted``: stopped by a signal with everything saved, to be resumed;
- ``failed``: has crashed as often as allowed, or was cancelled; ``done``: has a result.
"""

import itertools
import os
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import ChildConfig, Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Cost
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.lock import heartbeat_age, held
from search.inputs import locate_task_inputs
from search.queue.paths import QueuePaths
from search.weights import WeightsOrigin

_TAIL_BYTES = 4096  # read from the end of a log; enough for the lines that are shown

StateName = Literal["queued", "running", "preempted", "failed", "done"]


class SearchFigures(Section):
    """EPE and cost of the architecture in the search when it was selected."""

    epe: Optional[float] = Field(
        ge=0, allow_inf_nan=False, description="EPE with the supernet's weights, pixels; null without a supernet"
    )
    fps: float = Field(gt=0, allow_inf_nan=False)
    latency_ms: float = Field(gt=0, allow_inf_nan=False)
    sram_kib: float = Field(gt=0, allow_inf_nan=False)
    npu_cycles: float = Field(gt=0, allow_inf_nan=False)
    source: Literal["predicted", "compiled", "measured", "corrected"] = Field(description="source of the figures")

    @property
    def cost(self) -> Cost:
        """The cost figures."""
        return Cost(self.fps, self.latency_ms, self.sram_kib, self.npu_cycles, self.source)


class TaskConfig(ChildConfig):
    """Content of ``task.yaml``."""

    format: Literal["edgeflownas-task"] = "edgeflownas-task"
    format_version: Literal[1] = 1
    attempts: int = Field(ge=1, description="number of crashes after which the task is not tried again")
    supernet_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="digest of the weights used by the search")
    first_weights: Optional[str] = Field(description="file in the queue's folder; null: random weights")
    found: SearchFigures


class State(Section):
    """Content of ``state.json``; times are Unix times, in seconds."""

    state: StateName = "queued"
    attempts: int = Field(0, ge=0, description="number of times the task was started or resumed")
    crashes: int = Field(0, ge=0, description="number of attempts that ended in an error or a sudden death")
    epoch: int = Field(0, ge=0, description="epochs completed")
    step: int = Field(0, ge=0, description="steps completed")
    steps: Optional[int] = Field(None, ge=0, description="total number of steps")
    best_epe: Optional[float] = Field(None, allow_inf_nan=False, description="pixels")
    rate: Optional[float] = Field(None, allow_inf_nan=False, description="steps per second in this attempt")
    host: Optional[str] = None
    pid: Optional[int] = None
    job: Optional[str] = Field(None, description="id of the Slurm job, if there is one")
    restarts: int = Field(0, ge=0, description="number of times Slurm had restarted that job")
    reason: Optional[str] = Field(None, description="why the task crashed or was stopped")
    started: Optional[float] = Field(None, description="start of this attempt")
    changed: float = Field(description="time at which the state was written")


class Task:
    """A task in its folder.

    Attributes:
        index: Index of the task in the queue.
        queue: Paths of the queue's files.
        paths: Paths of the task's files.
        config: Content of ``task.yaml``.
    """

    def __init__(self, queue: QueuePaths, index: int) -> None:
        """Open a task.

        Raises:
            InputError: There is no such task, its file is invalid, or a link in its folder leads out of the queue's
                folder, because a queue received from others must not write anywhere else.
        """
        self.index = index
        self.paths = queue.task(index)
        self.queue = queue
        links = filter(Path.is_symlink, self.paths.folder.rglob("*"))
        for path in itertools.chain([self.paths.folder], links):
            if _leads_out(path, queue.folder):
                raise InputError(
                    f"task {index}: {path} leads out of the queue's folder; replace the link by its target"
                )
        if not self.paths.task.is_file():
            raise InputError(f"task {index}: {self.paths.task} does not exist; list the tasks with `queue status`")
        content = read_yaml(self.paths.task, "task")
        config = validate(content, TaskConfig, f"task {self.paths.task}")
        self.config: TaskConfig = locate_task_inputs(config, queue.folder.parent)

    def state(self) -> State:
        """Read the state.

        Raises:
            InputError: ``state.json`` is missing or damaged.
        """
        remedy = f"`queue retry {self.index} --from-previous` restores the previous file"
        state: State = validate(record.read(self.paths.state, remedy), State, str(self.paths.state))
        return state

    def alive(self) -> bool:
        """Return whether a live process is running the task."""
        return held(self.paths.claim)

    @property
    def cancelled(self) -> bool:
        """Whether the task is cancelled."""
        return self.paths.cancel.exists()

    def heartbeat(self) -> Optional[float]:
        """Return the seconds since the last heartbeat; None if no process holds the claim."""
        return heartbeat_age(self.paths.claim)

    @property
    def first_weights(self) -> Optional[WeightsOrigin]:
        """Origin of the initial weights; None for random ones."""
        name = self.config.first_weights
        return None if name is None else WeightsOrigin(str(self.queue.folder / name), self.config.supernet_sha256)

    def load_first_weights(self) -> Optional[Dict[str, np.ndarray]]:
        """Return the initial weights; None for random ones.

        Raises: InputError: The file is outside the queue, missing or damaged, or does not hold the weights that the
        search used.
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
                f"task {self.paths.task}: {path} does not hold the weights that the search used; "
                f"rebuild the queue with `queue build --rebuild`"
            )
        return weights

    def log_tail(self, lines: int) -> List[str]:
        """Return the last lines of the task's output without control characters; none if there is no output."""
        try:
            with self.paths.output.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [make_printable(line) for line in text.splitlines() if line.strip()][-lines:]


def _leads_out(path: Path, folder: Path) -> bool:
    """Return whether a path, with all links resolved, is outside a folder or does not resolve at all."""
    try:
        real = Path(os.path.realpath(str(path)))
        # A resolved path that is still a link points to itself.
        return real.is_symlink() or Path(os.path.realpath(str(folder))) not in real.parents
    except (OSError, ValueError):  # an impossible file name
        return True


def make_printable(text: str) -> str:
    """Return a text as one line that cannot control a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text).rstrip()
