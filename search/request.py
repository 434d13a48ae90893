"""Architectures that the user requests, with the files of their weights."""

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from search.run import Run


class Request(NamedTuple):
    """A requested architecture and the file of its weights.

    Attributes:
        architecture: The architecture.
        weights: Path of the weights of a supernet or of a retrained child.
        origin: "supernet", the name of the file of other weights without its suffix, or the task, such as "task002", in
            letters, digits and underscores.
        task: Index of the task of the queue; None if the weights are not those of a task.
    """

    architecture: Architecture
    weights: Path
    origin: str
    task: Optional[int] = None

    def load_tensors(self, run: Run) -> Dict[str, np.ndarray]:
        """Return all tensors of the file of weights.

        Raises:
            InputError: The weights are missing or damaged, or do not fit the architecture.
        """
        return run.load_tensors(self.weights, self.architecture)


def list_requests(
    run: Run, architectures: Sequence[str], weights: Optional[Path], tasks: Sequence[int], trained: bool = True
) -> List[Request]:
    """Return the named architectures and those of tasks, in this order.

    Args:
        run: Run of the architectures.
        architectures: Digits of architectures, which use ``weights``.
        weights: Path of weights; if None, the supernet of the run.
        tasks: Indices of tasks of the queue, which use the weights of their retrained child.
        trained: Whether to check that the weights exist and fit, before any long work.

    Raises:
        InputError: An architecture is not in the space, there is no such task, or weights cannot be used.
    """
    origin = "supernet" if weights is None else "".join(c if c.isalnum() else "_" for c in weights.stem)
    requests = [Request(run.space.parse(text), weights or run.supernet_file, origin) for text in architectures]
    if tasks:
        from search.queue.queue import Queue

        queue = Queue(run.queue_folder)
        for index in tasks:
            task = queue.task(index)
            if trained and not task.paths.best.exists():
                raise InputError(f"--task {index}: {task.paths.best} does not exist yet; `queue run` trains it")
            architecture = run.space.parse(task.config.architecture)
            requests.append(Request(architecture, task.paths.best, f"task{index:03d}", index))
    for request in requests if trained else []:
        request.load_tensors(run)
    return requests


def find_request(
    run: Run, architecture: Optional[str] = None, weights: Optional[Path] = None, task: Optional[int] = None
) -> Request:
    """Return one architecture, named by its digits or as a task of the queue, with its weights.

    Args:
        run: Run of the architecture.
        architecture: Digits of the architecture; None for a task.
        weights: Path of weights; if None, the supernet of the run or the retrained child of the task.
        task: Index of the task of the queue; None for an architecture.

    Raises:
        InputError: The architecture is not in the space, there is no such task, or weights cannot be used.
    """
    if (architecture is None) == (task is None) or (task is not None and weights is not None):
        raise InputError("name an architecture, with or without weights, or a task of the queue")
    tasks = [] if task is None else [task]
    (request,) = list_requests(run, [] if architecture is None else [architecture], weights, tasks)
    return request
