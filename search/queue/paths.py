"""Where everything of a queue lies."""

from pathlib import Path
from typing import List


class TaskPaths:
    """The files of one task; each has one writer, the process that holds the claim."""

    def __init__(self, folder: Path) -> None:
        """Names the files in a task's folder."""
        self.folder = folder
        self.task = folder / "task.yaml"  # what is to be done; written when the queue is built, never again
        self.state = folder / "state.json"
        self.claim = folder / "claim"  # there while a process works on the task; its time is the heartbeat
        self.killed = folder / "killed"  # exit code, if a job's script has seen its task die
        self.cancel = folder / "cancel"  # there if nobody is to work on the task any more
        self.last = folder / "last.h5"
        self.best = folder / "best.h5"
        self.curve = folder / "log.csv"
        self.output = folder / "log.txt"
        self.result = folder / "result.json"
        self.final = folder / "final.json"  # of the queue's collector


class QueuePaths:
    """The files of a queue."""

    def __init__(self, folder: Path) -> None:
        """Names the files in a queue's folder."""
        self.folder = folder
        self.queue = folder / "queue.yaml"
        self.supernet = folder / "supernet.h5"
        self.tasks = folder / "tasks"
        self.script = folder / "submit.sbatch"
        self.submissions = folder / "submitted.json"
        self.submitting = folder / "submit.lock"

    def task(self, index: int) -> TaskPaths:
        """The files of a task, counted from 0."""
        return TaskPaths(self.tasks / f"{index:03d}")

    def claims(self) -> List[Path]:
        """The claims there are, by whomever."""
        return sorted(self.tasks.glob(f"*/{self.task(0).claim.name}"))
