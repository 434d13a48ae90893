"""Collection of the retrained children, with final EPEs, compiled costs and the final front."""

from dataclasses import asdict, dataclass, replace
from typing import Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np
from typing_extensions import Protocol

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.measured import NO_MEASUREMENTS, Measurements
from edgeflownas.hardware.networks import Networks
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint
from search.nsga2.objectives import compute_points, find_nondominated
from search.queue.deployment import DeployedEpe
from search.queue.final_epe import FinalEpe
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.same_pairs import check_same_pairs
from search.queue.status import read_rows, summarize
from search.queue.task import Task


@dataclass(frozen=True)
class Survivor:
    """A retrained architecture.

    Attributes:
        architecture: Digits of the architecture.
        epe: EPE after retraining, in pixels, as scored during training in float32.
        deployed: EPEs with the input of the board, in float32 and in int8.
        supernet_epe: EPE with the supernet's weights, in pixels, as scored by the search; None without a supernet.
        zero_flow_epe: EPE of zero flow, in pixels, as scored during training.
        final: EPE by data set, on whole images.
        fps: Inferences per second with the input of the board.
        latency_ms: Latency of one inference, in ms.
        sram_kib: Peak size of the arena, in KiB.
        npu_cycles: Cycles of the NPU itself.
        cost_source: Source of the cost figures, as in ``Cost``.
        search_fps: Inferences per second that the search assumed.
        weights: File of the retrained weights and BN statistics.
        weights_sha256: Digest of these weights and statistics.
    """

    architecture: str
    epe: float
    deployed: DeployedEpe
    supernet_epe: Optional[float]
    zero_flow_epe: float
    final: Dict[str, FinalEpe]
    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    cost_source: str
    search_fps: float
    weights: str
    weights_sha256: str

    @property
    def int8_epe(self) -> float:
        """EPE of the quantised network with the input of the board, in pixels."""
        return self.deployed.int8_epe


@dataclass(frozen=True)
class Collection:
    """Results of a queue.

    Attributes:
        survivors: Retrained architectures, sorted by EPE in int8 from best to worst.
        front: Non-dominated survivors.
        missing: Number of tasks without a result.
        size: Height and width of the networks' input on the board, in pixels.
    """

    survivors: List[Survivor]
    front: List[Survivor]
    missing: int
    size: Tuple[int, int]


Tensors = Mapping[str, np.ndarray]
Scorer = Callable[[Task, Tensors], Dict[str, FinalEpe]]


class BoardInput(Protocol):
    """The input of the board; see ``deployment.Deployment``."""

    @property
    def padded_size(self) -> Tuple[int, int]:
        """Height and width of the network's input, in pixels."""

    def score(self, task: Task, tensors: Tensors) -> DeployedEpe:
        """Score a child."""

    def networks(self, name: str, tensors: Tensors) -> Networks:
        """Return the networks to compile."""


def collect(
    queue: Queue,
    compiler: Compiler,
    scorer: Scorer,
    deployment: BoardInput,
    measurements: Measurements = NO_MEASUREMENTS,
) -> Collection:
    """Collect the results of the finished tasks, and report how many are missing.

    Args:
        queue: Queue to collect from.
        compiler: Compiler for the retrained networks.
        scorer: Function that returns the final EPEs of a task's child from its weights and BN statistics.
        deployment: Input of the board, for which the networks are scored in int8 and compiled.
        measurements: Latencies measured on the board with the input of the search, which are preferred to compiled
            ones if the input of the board is the same.

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
            survivors.append(_load_survivor(task, compiler if can_compile else None, scorer, deployment, measurements))
            bar.advance(task.config.architecture)
    survivors.sort(key=lambda survivor: (survivor.int8_epe, survivor.architecture))
    figures = {"epe": "int8_epe"}
    points = compute_points(
        queue.file.objectives,
        lambda figure: np.array([getattr(survivor, figures.get(figure, figure)) for survivor in survivors]),
    )
    front = [survivors[index] for index in find_nondominated(points)]
    return Collection(survivors, front, len(rows) - len(tasks), deployment.padded_size)


def _load_survivor(
    task: Task,
    compiler: Optional[Compiler],
    scorer: Scorer,
    deployment: BoardInput,
    measurements: Measurements,
) -> Survivor:
    """Load a task's result; without a compiler, keep the cost recorded by the search."""
    config, paths = task.config, task.paths
    result = load_result(task)
    tensors, _ = checkpoint.load(paths.best)
    if checkpoint.digest(tensors) != result.weights_sha256:
        raise InputError(f"{paths.result}: does not belong to {paths.best}; restore the file that was changed")
    deployed = deployment.score(task, tensors)
    cost = _find_cost(task, tensors, compiler, deployment)
    if deployment.padded_size == config.data.padded_size:
        cost = measurements.prefer(config.architecture, cost)
    figures = asdict(cost)
    return Survivor(
        architecture=config.architecture,
        epe=result.epe,
        deployed=deployed,
        supernet_epe=config.found.epe,
        zero_flow_epe=result.zero_flow_epe,
        final=scorer(task, tensors),
        cost_source=figures.pop("source"),
        search_fps=config.found.fps,
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


def _find_cost(task: Task, tensors: Tensors, compiler: Optional[Compiler], deployment: BoardInput) -> Cost:
    """Return the compiled cost of the retrained network or, if it cannot be compiled, the cost known to the search.

    The latter is a prediction if the search was for an input of another size.
    """
    config = task.config
    if compiler is not None:
        try:
            networks = deployment.networks(config.architecture, tensors)
            return compiler.cost(networks, networks.space.parse(config.architecture))
        except InputError as error:
            say(f"architecture {config.architecture}: keeping the hardware figures of the search: {error}")
    cost = config.found.cost
    return cost if deployment.padded_size == config.data.padded_size else replace(cost, source="predicted")
