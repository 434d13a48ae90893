"""A queue in its folder: how it was built, and its tasks. Does not import TensorFlow."""

from pathlib import Path
from typing import Dict, Iterable, List, Optional

from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Objective, Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.wording import join
from search.queue.paths import QueuePaths
from search.queue.task import Task

_SHOWN = 5  # indices of missing tasks in a message


class QueueFile(Section):
    """Content of ``queue.yaml``: where the tasks come from."""

    format: Literal["edgeflownas-queue"] = "edgeflownas-queue"
    format_version: Literal[1] = 1
    id: str = Field("", pattern="^[0-9a-f]*$", description="digest of all tasks; distinguishes queues in one folder")
    rule: str = Field(description="rule that selected the architectures from the front")
    size: int = Field(ge=1, description="number of architectures requested")
    fps_targets: List[float] = Field([], description="targets of the rule fps_targets")
    reference_point: Dict[Objective, float] = Field({}, description="reference point of the rule hypervolume")
    tasks: int = Field(ge=1, le=10_000, description="number of tasks; less than size if the front was smaller")
    objectives: List[Objective] = Field(min_length=1, description="objectives of the front")
    seed: int = Field(ge=0, description="seed of every task, so that all see the same batches")
    supernet_sha256: str = Field(description="digest of the supernet's weights")
    search_sha256: Optional[str] = Field(description="SHA-256 of the search file when the queue was built")


class Queue:
    """A queue.

    Attributes:
        paths: Paths of its files.
        file: Content of ``queue.yaml``.
    """

    def __init__(self, folder: Path) -> None:
        """Open a queue.

        Raises:
            InputError: The folder holds no queue, or ``queue.yaml`` is damaged.
        """
        self.paths = QueuePaths(folder)
        if not self.paths.queue.is_file():
            build = "queue build --rebuild" if folder.exists() else "queue build"
            raise InputError(f"queue {folder}: {self.paths.queue.name} does not exist; build a queue with `{build}`")
        content = read_yaml(self.paths.queue, "queue")
        self.file: QueueFile = validate(content, QueueFile, f"queue {self.paths.queue}")
        self._tasks: Dict[int, Task] = {}

    def check(self, identity: str) -> None:
        """Check that this is the queue that a job was submitted for.

        Raises:
            InputError: The queue has been rebuilt since.
        """
        if identity != self.file.id:
            raise InputError(
                f"queue {self.paths.folder}: was rebuilt after this job was submitted; nothing was started; "
                f"`queue submit` submits its tasks"
            )

    @property
    def indices(self) -> range:
        """Indices of the tasks."""
        return range(self.file.tasks)

    def check_indices(self, indices: Iterable[int]) -> None:
        """Check that tasks exist.

        Raises:
            InputError: Some do not exist; the message names the first few of them.
        """
        missing = [str(index) for index in indices if index not in self.indices]
        if missing:
            more = ["..."] if len(missing) > _SHOWN else []
            named = f"{'task' if len(missing) == 1 else 'tasks'} {join([*missing[:_SHOWN], *more])}"
            known = "only task 0" if self.file.tasks == 1 else f"tasks 0 to {self.file.tasks - 1}"
            verb = "does" if len(missing) == 1 else "do"
            raise InputError(f"{named}: {verb} not exist; the queue has {known}; `queue status` lists them")

    def task(self, index: int) -> Task:
        """Return a task.

        Raises:
            InputError: There is no such task, or its file is damaged.
        """
        self.check_indices([index])
        if index not in self._tasks:
            self._tasks[index] = Task(self.paths, index)
        return self._tasks[index]
