"""Times the tree against scoring architectures one by one, and against the limit that its arithmetic sets.

    .venv/bin/python -m benchmarks.tree --width 32 --height 192 --columns 256 --pairs 4
    .venv/bin/python -m benchmarks.tree --width 8 --height 64 --columns 96 --pairs 64

Three ways to score, each with recalibration: the tree; one hard-routed graph per architecture; and the usual graph of a
supernet, which computes every option and mixes them by a one-hot mask. They take turns on one thread, every few
backbones, and processor time is counted, so that the ratios hold on a busy machine. Graphs are built beforehand. One by
one, a sample is timed and taken for all. Prints tables, writes JSON.

The limit: multiply-accumulates of the tree's nodes (two passes through the trunk, for recalibration and for the scores,
one through the flow stages) over those of one architecture, times that one's time.
"""

import argparse
import functools
import itertools
import json
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fair_cycle import one_hot_network
from benchmarks.memory import peak_mib
from edgeflownas.config import EvaluationConfig, ProceduralData
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import combine_statistics
from edgeflownas.network.build import BatchNorm, FixedNorm, create_variables, draw_initial_weights, normalise_images
from edgeflownas.network.losses import endpoint_error_sums
from edgeflownas.network.skeleton import Kind, Skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.heads import create_placeholders
from supernet.tree import TreeEvaluator

_SAMPLE = 4  # architectures that are timed one by one
_PIECES = 9  # backbones, between which they are timed


class Ways:
    """The ways to score, ready to run on the same images and weights."""

    def __init__(self, width: int, height: int, columns: int, pairs: int) -> None:
        self.skeleton = Skeleton(width)
        self.space = Space.from_skeleton(self.skeleton)
        self.size = height, columns
        self.weights = draw_initial_weights(self.skeleton.parameters(), np.random.default_rng(0))
        content = ProceduralData(kind="procedural", height=height, width=columns, train_pairs=pairs, val_pairs=pairs)
        config = EvaluationConfig(calibration_pairs=pairs)
        self.data = EvaluationData(*open_datasets(content), config, threads=1)

    def tree(self) -> Callable[[Sequence[Architecture]], Iterator[object]]:
        """Scores architectures by the tree, backbone by backbone, with nothing known beforehand."""
        tree = TreeEvaluator(self.skeleton, self.weights, self.data, threads=1)

        def run(architectures: Sequence[Architecture]) -> Iterator[object]:
            tree.load(self.weights)
            yield from tree.score(architectures)

        return run

    def single(self, architecture: Architecture) -> Callable[[], object]:
        """Scores one architecture by its own graph."""
        evaluator = ChildEvaluator(self.skeleton, architecture, self.data, threads=1)
        return lambda: evaluator.score(self.weights)

    def mixed(self) -> Callable[[], None]:
        """Scores one architecture by the graph of all options."""
        height, columns = self.size
        genes = [len(stage.options) for stage in self.skeleton.choice_blocks]
        one_hot = np.eye(max(genes), dtype=np.float32)[[0] * len(genes)]
        with tf.Graph().as_default() as graph:
            weights = create_variables(self.weights)
            images = tf.placeholder(tf.uint8, [None, height, columns, 6])
            flow, valid = (tf.placeholder(tf.float32, [None, height, columns, n]) for n in (2, 1))
            mask = tf.placeholder(tf.float32, one_hot.shape)
            norm = BatchNorm(weights)
            one_hot_network(self.skeleton, normalise_images(images), norm, mask)
            given = create_placeholders(norm.statistics)
            fixed = FixedNorm(weights, given)
            predicted = one_hot_network(self.skeleton, normalise_images(images), fixed, mask)[-1]
            errors = endpoint_error_sums(predicted, flow, valid)
            running = open_session(graph, threads=1)
            running.run(tf.global_variables_initializer())

        def run() -> None:
            found = [
                (len(batch.images), running.run(norm.statistics, {images: batch.images, mask: one_hot}))
                for batch in self.data.calibration
            ]
            feed = {mask: one_hot}
            for name, pair in combine_statistics(found).items():
                feed.update(zip(given[name], pair))
            for batch in self.data.validation:
                running.run(errors, {**feed, images: batch.images, flow: batch.flow, valid: batch.valid})

        return run

    def macs(self, architectures: Sequence[Architecture]) -> int:
        """Multiply-accumulates, per pair of images, of the tree of some architectures."""
        nodes = {}
        for architecture in architectures:
            trunk: Tuple[int, ...] = ()
            for stage, option in self.skeleton.route(architecture):
                passes = 1 if stage.kind is Kind.FLOW else 2
                nodes[trunk, stage.name, option] = passes * self.skeleton.stage_macs(stage, option, *self.size)
                trunk += () if stage.kind is Kind.FLOW else (option,)
        return sum(nodes.values())


def populations(ways: Ways, search: Path) -> Dict[str, List[List[Architecture]]]:
    """What is scored, by name: requests, each to be scored by itself."""
    rng = np.random.default_rng(1)
    found = {
        "1 architecture": [[ways.space.sample(rng)]],
        "52 random architectures": [[ways.space.sample(rng) for _ in range(52)]],
    }
    if search.exists():
        with h5py.File(str(search), "r") as file:
            genes, generation = file["archive/genes"][()], file["archive/generation"][()]
        found["a search's generations, all that was scored"] = [
            [tuple(each) for each in genes[generation == number].tolist()] for number in range(generation.max() + 1)
        ]
    found[f"all {ways.space.size:,}"] = [list(ways.space.all())]
    return found


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turns(work: Iterator[object], other: Callable[[], float], pieces: int) -> Tuple[float, float]:
    """Processor time of some work, and the mean of what something else takes before, behind and after some pieces."""
    taken, others = 0.0, [other()]
    for number in itertools.count(1):
        start = time.process_time()
        done = next(work, None) is None
        taken += time.process_time() - start
        if done or number % pieces == 0:
            others.append(other())
        if done:
            return taken, statistics.mean(others)
    raise AssertionError("count() has no end")


def memory_mib(options: argparse.Namespace, way: str) -> float:
    """Memory that a way takes while it scores, at most, in this process."""
    ways = Ways(options.width, options.height, options.columns, options.pairs)
    work = ways.single((2,) * len(ways.space.genes))
    if way == "tree":
        tree, nine = ways.tree(), [each for each in ways.space.all() if each[0] == each[1] == 2]
        work = functools.partial(list, tree(nine))
    return peak_mib(work)


def measure(ways: Ways, requests: Dict[str, List[List[Architecture]]], rounds: int) -> List[Dict[str, Any]]:
    """Times each request by the tree, and a sample one by one before and after it."""
    rng = np.random.default_rng(2)
    sample = [ways.space.sample(rng) for _ in range(_SAMPLE)]
    singles, mixed, tree = [ways.single(each) for each in sample], ways.mixed(), ways.tree()
    for warm in (*singles, mixed, lambda: list(tree(sample[:1]))):
        warm()
    mean = statistics.mean(ways.macs([each]) for each in sample)
    results = []
    for name, parts in requests.items():
        total, count = sum(map(ways.macs, parts)), sum(map(len, parts))
        ratios: Dict[str, List[float]] = {"one by one": [], "one-hot": [], "limit": [], "singles": []}
        for part in parts if count < 1000 else []:
            list(tree(part))  # once for TensorFlow to prepare its graphs
        for _ in range(rounds if count < 1000 else 1):
            mix = seconds_of(mixed)
            work = itertools.chain.from_iterable(map(tree, parts))
            taken, single = in_turns(work, lambda: statistics.mean(map(seconds_of, singles)), _PIECES)
            ratios["one by one"].append(count * single / taken)
            ratios["one-hot"].append(count * mix / taken)
            ratios["limit"].append(taken / (total / mean * single))
            ratios["singles"].append(taken / single)
        medians = {key: statistics.median(values) for key, values in ratios.items()}
        results.append({"request": name, "architectures": count, "arithmetic": total / mean, **medians})
    return results


def main() -> None:
    """Measures, prints, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8, help="base width c")
    parser.add_argument("--height", type=int, default=64, help="pixels")
    parser.add_argument("--columns", type=int, default=96, help="pixels")
    parser.add_argument("--pairs", type=int, default=32, help="of images, to calibrate with, and as many to score with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--search", type=Path, default=Path("results/demo/search.h5"), help="a search to score again")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/tree.json"))
    options = parser.parse_args()
    ways = Ways(options.width, options.height, options.columns, options.pairs)
    results = measure(ways, populations(ways, options.search), options.rounds)
    table = Table("request", "x single", "by arithmetic", "of limit", "one by one / tree", "one-hot / tree")
    for each in results:
        figures = (each[key] for key in ("singles", "arithmetic", "limit", "one by one", "one-hot"))
        table.add_row(each["request"], *(f"{figure:.2f}" for figure in figures))
    console = Console()
    console.print(table)
    memory = {}
    for way in ("tree", "one architecture"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory[way] = pool.apply(memory_mib, (options, way))
    console.print(", ".join(f"{way}: {mib:.0f} MiB" for way, mib in memory.items()) + " while scoring")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    setting = {name: str(value) for name, value in vars(options).items() if name != "json"}
    options.json.write_text(json.dumps({**setting, "results": results, "memory_mib": memory}, indent=2) + "\n")


if __name__ == "__main__":
    main()
