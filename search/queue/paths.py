"""Paths of the files of a queue and its tasks."""

from pathlib import Path
from typing import List


class TaskPaths:
    """Files of one task. Only the process that holds the claim writes them, unless noted otherwise."""

    def __init__(self, folder: Path) -> None:
        """Derive the paths from the task's folder."""
        self.folder = folder
        self.task = folder / "task.yaml"  # the task's configuration; written once, when the queue is built
        self.state = folder / "state.json"
        self.claim = folder / "claim"  # exists while a process runs the task; its modification time is the heartbeat
        self.killed = folder / "killed"  # exit code, written by a job's script that has seen its task die
        self.cancel = folder / "cancel"  # exists while the task is cancelled
        self.last = folder / "last.h5"
        self.best = folder / "best.h5"
        self.curve = folder / "log.csv"
        self.output = folder / "log.txt"
        self.result = folder / "result.json"
        self.final = folder / "final.json"  # written by `queue collect`, as is the next file
        self.deployed = folder / "deployed.json"


class QueuePaths:
    """Files of a queue."""

    def __init__(self, folder: Path) -> None:
        """Derive the paths from the queue's folder."""
        self.folder = folder
        self.queue = folder / "queue.yaml"
        self.supernet = folder / "supernet.h5"
        self.tasks = folder / "tasks"
        self.script = folder / "submit.sbatch"
        self.submissions = folder / "submitted.json"
        self.submitting = folder / "submit.lock"

    def task(self, index: int) -> TaskPaths:
        """Return the paths of a task; indices start at 0."""
        return TaskPaths(self.tasks / f"{index:03d}")

    def claims(self) -> List[Path]:
        """Return the claim files that exist, whichever process holds them."""
        return sorted(self.tasks.glob(f"*/{self.task(0).claim.name}"))
