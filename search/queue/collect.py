"""Gathers what was retrained: each child's final EPE and compiled cost, and the final front."""

from dataclasses import asdict, dataclass
from typing import Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.networks import Networks, TrainedNetwork
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint
from search.nsga2.objectives import compute_points, find_nondominated
from search.queue.final_epe import FinalEpe
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.status import read_rows, summarize
from search.queue.task import Task

_IMAGES = 4  # for the range of activations, which bears on accuracy but hardly on cost


@dataclass(frozen=True)
class Survivor:
    """A retrained architecture.

    Attributes:
        architecture: as digits.
        epe: retrained, pixels.
        supernet_epe: with the supernet's weights, pixels; None where there is no supernet.
        zero_flow_epe: of predicting no motion, pixels.
        final: EPE by data set, on whole images; the three before are those that training and search score with.
        fps: inferences per second.
        latency_ms: of one inference.
        sram_kib: peak of the arena.
        npu_cycles: of the NPU's own work.
        cost_source: of these four, "compiled" or "predicted".
        weights: file of the retrained weights and BN statistics.
    """

    architecture: str
    epe: float
    supernet_epe: Optional[float]
    zero_flow_epe: float
    final: Dict[str, FinalEpe]
    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    cost_source: str
    weights: str


@dataclass(frozen=True)
class Collection:
    """What a queue has come to.

    Attributes:
        survivors: best EPE first.
        front: those of them that no other dominates.
        missing: in how many tasks nothing is to be collected yet, or any more.
        size: height and width that the networks work at.
    """

    survivors: List[Survivor]
    front: List[Survivor]
    missing: int
    size: Tuple[int, int]


Scorer = Callable[[Task, Mapping[str, np.ndarray]], Dict[str, FinalEpe]]


def collect(queue: Queue, compiler: Compiler, scorer: Scorer) -> Collection:
    """Gathers the tasks that are done, and says what is missing.

    Args:
        queue: to gather from.
        compiler: of the retrained networks.
        scorer: gives the final EPEs of a task's child, from its weights and BN statistics.

    Raises:
        InputError: none is done; or a result is damaged, or is not that of the weights beside it.
    """
    listed = read_rows(queue)
    tasks = [queue.task(each.index) for each in listed if each.word == "done"]
    if not tasks:
        raise InputError(f"queue {queue.paths.folder}: nothing to collect yet ({summarize(listed)}); use `queue run`")
    if len(tasks) < len(listed):
        say(f"not all tasks are done: {summarize(listed)}; what follows is of those that are")
    with_vela = _usable(compiler)
    survivors = []
    with progress("collecting", len(tasks)) as bar:
        for task in tasks:
            survivors.append(_survivor(task, compiler if with_vela else None, scorer))
            bar.advance(task.config.architecture)
    survivors.sort(key=lambda each: (each.epe, each.architecture))
    points = compute_points(
        queue.file.objectives, lambda figure: np.array([getattr(each, figure) for each in survivors])
    )
    front = [survivors[index] for index in find_nondominated(points)]
    return Collection(survivors, front, len(listed) - len(tasks), tasks[0].config.data.padded_size)


def _survivor(task: Task, compiler: Optional[Compiler], scorer: Scorer) -> Survivor:
    """Reads a task's result; without a compiler the cost stays as the search knew it."""
    config, paths = task.config, task.paths
    result = load_result(task)
    tensors, _ = checkpoint.load(paths.best)
    if checkpoint.digest(tensors) != result.weights_sha256:
        raise InputError(f"{paths.result}: is not of {paths.best}; restore what was changed")
    cost = config.found.cost if compiler is None else _compiled(task, tensors, compiler)
    figures = asdict(cost)
    return Survivor(
        architecture=config.architecture,
        epe=result.epe,
        supernet_epe=config.found.epe,
        zero_flow_epe=result.zero_flow_epe,
        final=scorer(task, tensors),
        cost_source=figures.pop("source"),
        weights=str(paths.best),
        **figures,
    )


def _usable(compiler: Compiler) -> bool:
    """Whether there is a Vela."""
    try:
        say(f"compiling with Vela {compiler.vela.version}; this takes some seconds per architecture")
    except InputError as error:
        say(f"hardware figures stay as they were predicted: {error}")
        return False
    return True


def _compiled(task: Task, tensors: Dict[str, np.ndarray], compiler: Compiler) -> Cost:
    """The compiler's figures of the retrained network, or, if it does not compile, the predicted ones."""
    config = task.config
    skeleton = Skeleton(config.network.width)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    train, _ = open_datasets(config.data)
    images = np.stack([train.sample(index, None).images for index in range(min(_IMAGES, len(train)))])
    height, width = images.shape[1:3]
    try:
        networks = Networks(skeleton, height, width, TrainedNetwork(tensors, select_statistics(tensors), images))
        return compiler.cost(networks, architecture)
    except InputError as error:
        say(f"architecture {config.architecture}: its hardware figures stay as they were predicted: {error}")
        return config.found.cost
