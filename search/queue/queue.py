"""A queue in its folder: how it was built, and its tasks. Needs no TensorFlow."""

from pathlib import Path
from typing import Dict, List, Optional

from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Objective, Section, read_yaml, validate
from edgeflownas.errors import InputError
from search.queue.paths import QueuePaths
from search.queue.task import Task


class QueueFile(Section):
    """The content of ``queue.yaml``: where the tasks come from."""

    format: Literal["edgeflownas-queue"] = "edgeflownas-queue"
    format_version: Literal[1] = 1
    id: str = Field("", pattern="^[0-9a-f]*$", description="digest of all tasks, which tells queues in one place apart")
    rule: str = Field(description="that chose the architectures from the front")
    size: int = Field(ge=1, description="architectures that were asked for")
    fps_targets: List[float] = Field([], description="of the rule of that name")
    reference_point: Dict[Objective, float] = Field({}, description="of the rule hypervolume")
    tasks: int = Field(ge=1, le=10_000, description="that there are: fewer, if the front was smaller")
    objectives: List[Objective] = Field(min_length=1, description="of the front")
    seed: int = Field(ge=0, description="of every task, so that all see the same batches")
    supernet_sha256: str = Field(description="of the supernet's weights")
    search_sha256: Optional[str] = Field(description="of the file of the search, as it was then")


class Queue:
    """A queue.

    Attributes:
        paths: its files.
        file: how it was built.
    """

    def __init__(self, folder: Path) -> None:
        """Opens a queue.

        Raises:
            InputError: there is none, or its file is damaged.
        """
        self.paths = QueuePaths(folder)
        if not self.paths.queue.is_file():
            raise InputError(
                f"queue {folder}: {self.paths.queue.name} is not there; build a queue with `queue build` "
                f"(with --rebuild if something else is in its place)"
            )
        content = read_yaml(self.paths.queue, "queue")
        self.file: QueueFile = validate(content, QueueFile, f"queue {self.paths.queue}")
        self._tasks: Dict[int, Task] = {}

    def check(self, identity: str) -> None:
        """Makes sure that this is the queue that a job was handed in for.

        Raises:
            InputError: another one was built in its place since.
        """
        if identity != self.file.id:
            raise InputError(
                f"queue {self.paths.folder}: is not the one that this job was handed in for, but was built since; "
                f"nothing was begun: `queue submit` hands its tasks in"
            )

    @property
    def indices(self) -> range:
        """The tasks' numbers."""
        return range(self.file.tasks)

    def task(self, index: int) -> Task:
        """A task.

        Raises:
            InputError: there is no such task, or its file is damaged.
        """
        if index not in self.indices:
            raise InputError(f"task {index}: the queue has tasks 0 to {self.file.tasks - 1}")
        if index not in self._tasks:
            self._tasks[index] = Task(self.paths, index)
        return self._tasks[index]
