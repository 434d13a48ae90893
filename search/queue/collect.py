"""Gathers what was retrained: the final front, and how well the supernet had ranked it."""

import csv
import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from scipy.stats import kendalltau

from edgeflownas import checkpoint
from edgeflownas.config import validate
from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.files import read_json, write_text
from edgeflownas.hardware.compiler import Compiler, Trained
from edgeflownas.hardware.cost import Cost
from edgeflownas.progress import progress, say
from edgeflownas.recalibration import among
from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Space
from search.objectives import SIGNS, nondominated
from search.queue.queue import Queue
from search.queue.retrain import Result
from search.queue.status import rows, summary
from search.queue.task import Task

_IMAGES = 4  # for the range of activations, which bears on accuracy but hardly on cost


@dataclass(frozen=True)
class Survivor:
    """A retrained architecture.

    Attributes:
        architecture: as digits.
        epe: retrained, pixels.
        supernet_epe: with the supernet's weights, pixels.
        zero_flow_epe: of predicting no motion, pixels.
        fps: inferences per second.
        latency_ms: of one inference.
        sram_kib: peak of the arena.
        npu_cycles: of the NPU's own work.
        cost_source: of these four, "compiled" or "predicted".
        weights: file of the retrained weights and BN statistics.
    """

    architecture: str
    epe: float
    supernet_epe: float
    zero_flow_epe: float
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
    """

    survivors: List[Survivor]
    front: List[Survivor]
    missing: int


class Agreement(NamedTuple):
    """How well one ranking predicts another.

    Attributes:
        tau: Kendall's tau-b; None where it is not defined: fewer than two, or all equal.
        n: architectures.
    """

    tau: Optional[float]
    n: int


def agreement(survivors: Sequence[Survivor]) -> Agreement:
    """Kendall's tau (Kendall 1945, with ties: tau-b) between the EPEs with the supernet's weights and retrained."""
    if len(survivors) < 2:
        return Agreement(None, len(survivors))
    before, after = [each.supernet_epe for each in survivors], [each.epe for each in survivors]
    tau = float(kendalltau(before, after).correlation)
    return Agreement(None if math.isnan(tau) else tau, len(survivors))


def collect(queue: Queue, compiler: Compiler) -> Collection:
    """Gathers the tasks that are done, and says what is missing.

    Raises:
        InputError: none is done; or a result is damaged, or is not that of the weights beside it.
    """
    listed = rows(queue)
    tasks = [queue.task(each.index) for each in listed if each.word == "done"]
    if not tasks:
        raise InputError(f"queue {queue.paths.folder}: nothing to collect yet ({summary(listed)}); `queue run` trains")
    if len(tasks) < len(listed):
        say(f"not all tasks are done: {summary(listed)}; what follows is of those that are")
    with_vela = _usable(compiler)
    survivors = []
    with progress("collecting", len(tasks)) as bar:
        for task in tasks:
            survivors.append(_survivor(task, compiler if with_vela else None))
            bar.advance(task.config.architecture)
    survivors.sort(key=lambda each: (each.epe, each.architecture))
    points = [[SIGNS[name] * getattr(each, name) for name in queue.file.objectives] for each in survivors]
    front = [survivors[index] for index in nondominated(np.array(points))]
    return Collection(survivors, front, len(listed) - len(tasks))


def _survivor(task: Task, compiler: Optional[Compiler]) -> Survivor:
    """Reads a task's result; without a compiler the cost stays as the search knew it."""
    config, paths = task.config, task.paths
    result: Result = validate(read_json(paths.result), Result, str(paths.result))
    tensors, _ = checkpoint.load(paths.best)
    if checkpoint.digest(tensors) != result.weights_sha256 or result.architecture != config.architecture:
        raise InputError(f"{paths.result}: is not of {paths.best} and {paths.task}; restore what was changed")
    cost = config.found.cost if compiler is None else _compiled(task, tensors, compiler)
    figures = asdict(cost)
    return Survivor(
        architecture=config.architecture,
        epe=result.epe,
        supernet_epe=config.found.epe,
        zero_flow_epe=result.zero_flow_epe,
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
    architecture = Space.of(skeleton).parse(config.architecture)
    train, _ = open_datasets(config.data)
    images = np.stack([train.sample(index, None).images for index in range(min(_IMAGES, len(train)))])
    height, width = images.shape[1:3]
    try:
        return compiler.cost(skeleton, architecture, height, width, Trained(tensors, among(tensors), images))
    except InputError as error:
        say(f"architecture {config.architecture}: its hardware figures stay as they were predicted: {error}")
        return config.found.cost


def write_final_front(path: Path, collection: Collection) -> None:
    """Writes ``final_front.csv``: everything that was retrained, best EPE first; ``on_front`` is 1 on the front."""
    text = io.StringIO()
    records = [{**asdict(each), "on_front": int(each in collection.front)} for each in collection.survivors]
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())


def final_table(collection: Collection) -> Table:
    """The survivors for people, within 80 columns."""
    title = f"Final front: {len(collection.front)} of {len(collection.survivors)} retrained architectures"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", "supernet", "of zero flow", "FPS", "SRAM KiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    table.add_column("front", no_wrap=True)
    for each in collection.survivors:
        table.add_row(
            each.architecture,
            f"{each.epe:.4f}",
            f"{each.supernet_epe:.4f}",
            f"{each.epe / each.zero_flow_epe:.3f}",
            f"{each.fps:.2f}",
            f"{each.sram_kib:.1f}",
            each.cost_source,
            "yes" if each in collection.front else "no",
        )
    return table
