"""Collection of the retrained children, with final EPEs, compiled costs and the final front."""

from dataclasses import asdict, dataclass
from typing import Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.measured import NO_MEASUREMENTS, Measurements
from edgeflownas.hardware.networks import Networks, TrainedNetwork
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Space
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint
from search.nsga2.objectives import compute_points, find_nondominated
from search.queue.final_epe import FinalEpe
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.same_pairs import check_same_pairs
from search.queue.status import read_rows, summarize
from search.queue.task import Task

_IMAGES = 4  # used to find the ranges of activations, which affect the accuracy but hardly the cost


@dataclass(frozen=True)
class Survivor:
    """A retrained architecture.

    Attributes:
        architecture: Digits of the architecture.
        epe: EPE after retraining, in pixels, as scored during training.
        supernet_epe: EPE with the supernet's weights, in pixels, as scored by the search; None without a supernet.
        zero_flow_epe: EPE of zero flow, in pixels, as scored during training.
        final: EPE by data set, on whole images.
        fps: Inferences per second.
        latency_ms: Latency of one inference, in ms.
        sram_kib: Peak size of the arena, in KiB.
        npu_cycles: Cycles of the NPU itself.
        cost_source: Source of the cost figures, as in ``Cost``.
        weights: File of the retrained weights and BN statistics.
        weights_sha256: Digest of these weights and statistics.
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
    weights_sha256: str


@dataclass(frozen=True)
class Collection:
    """Results of a queue.

    Attributes:
        survivors: Retrained architectures, sorted by EPE from best to worst.
        front: Non-dominated survivors.
        missing: Number of tasks without a result.
        size: Height and width of the networks' input, in pixels.
    """

    survivors: List[Survivor]
    front: List[Survivor]
    missing: int
    size: Tuple[int, int]


Scorer = Callable[[Task, Mapping[str, np.ndarray]], Dict[str, FinalEpe]]


def collect(
    queue: Queue, compiler: Compiler, scorer: Scorer, measurements: Measurements = NO_MEASUREMENTS
) -> Collection:
    """Collect the results of the finished tasks, and report how many are missing.

    Args:
        queue: Queue to collect from.
        compiler: Compiler for the retrained networks.
        scorer: Function that returns the final EPEs of a task's child from its weights and BN statistics.
        measurements: Latencies measured on the board, which are preferred to compiled ones.

    Raises:
        InputError: No task is done; a result is damaged or does not belong to the weights in its folder; or tasks were
            trained on different pairs.
    """
    rows = read_rows(queue)
    tasks = [queue.task(row.index) for row in rows if row.word == "done"]
    if not tasks:
        raise InputError(f"queue {queue.paths.folder}: nothing to collect yet ({summarize(rows)}); use `queue run`")
    if len(tasks) < len(rows):
        say(f"not all tasks are done: {summarize(rows)}; collecting those that are")
    check_same_pairs({task.paths.result: load_result(task).pairs for task in tasks})
    can_compile = _check_vela(compiler)
    survivors = []
    with progress("collecting", len(tasks)) as bar:
        for task in tasks:
            survivors.append(_load_survivor(task, compiler if can_compile else None, scorer, measurements))
            bar.advance(task.config.architecture)
    survivors.sort(key=lambda survivor: (survivor.epe, survivor.architecture))
    points = compute_points(
        queue.file.objectives, lambda figure: np.array([getattr(survivor, figure) for survivor in survivors])
    )
    front = [survivors[index] for index in find_nondominated(points)]
    return Collection(survivors, front, len(rows) - len(tasks), tasks[0].config.data.padded_size)


def _load_survivor(
    task: Task, compiler: Optional[Compiler], scorer: Scorer, measurements: Measurements
) -> Survivor:
    """Load a task's result; without a compiler, keep the cost recorded by the search."""
    config, paths = task.config, task.paths
    result = load_result(task)
    tensors, _ = checkpoint.load(paths.best)
    if checkpoint.digest(tensors) != result.weights_sha256:
        raise InputError(f"{paths.result}: does not belong to {paths.best}; restore the file that was changed")
    cost = config.found.cost if compiler is None else _compile(task, tensors, compiler)
    figures = asdict(measurements.prefer(config.architecture, cost))
    return Survivor(
        architecture=config.architecture,
        epe=result.epe,
        supernet_epe=config.found.epe,
        zero_flow_epe=result.zero_flow_epe,
        final=scorer(task, tensors),
        cost_source=figures.pop("source"),
        weights=str(paths.best),
        weights_sha256=result.weights_sha256,
        **figures,
    )


def _check_vela(compiler: Compiler) -> bool:
    """Return whether Vela is available, and report it."""
    try:
        say(f"compiling with Vela {compiler.vela.version}; this takes a few seconds per architecture")
    except InputError as error:
        say(f"keeping the hardware figures of the search: {error}")
        return False
    return True


def _compile(task: Task, tensors: Dict[str, np.ndarray], compiler: Compiler) -> Cost:
    """Return the compiled cost of the retrained network or, if compiling fails, the cost recorded by the search."""
    config = task.config
    skeleton = open_skeleton(config)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    train, _ = open_datasets(config.data)
    images = np.stack([train.sample(index, None).images for index in range(min(_IMAGES, len(train)))])
    height, width = images.shape[1:3]
    try:
        networks = Networks(skeleton, height, width, TrainedNetwork(tensors, select_statistics(tensors), images))
        return compiler.cost(networks, architecture)
    except InputError as error:
        say(f"architecture {config.architecture}: keeping the hardware figures of the search: {error}")
        return config.found.cost
