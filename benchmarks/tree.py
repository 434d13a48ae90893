"""Compare the time of the tree evaluator with that of scoring one by one, and with the limit set by its arithmetic.

    .venv/bin/python -m benchmarks.tree --width 32 --height 192 --columns 256 --pairs 4
    .venv/bin/python -m benchmarks.tree --width 8 --height 64 --columns 96 --pairs 64

There are three methods, all with recalibration: the tree; one hard-routed graph per architecture; and the usual graph
of a supernet, which computes every option and combines them with a one-hot mask. They alternate on one thread,
switching every few backbones. CPU time is measured, so the ratios are valid on a busy machine. Graphs are built
beforehand. Scoring one by one is timed on a sample and extrapolated. The results are printed as tables and written as
JSON.

The limit is the time of one architecture times the ratio of the multiply-accumulates of the tree's nodes to those of
one architecture. The stages before the flow outputs count twice, for recalibration and for the scores, the flow stages
once.
"""

import argparse
import functools
import itertools
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fair_cycle import build_one_hot_network
from benchmarks.memory import measure_peak_mib
from benchmarks.stack import describe_stack
from edgeflownas.config import EvaluationConfig, ProceduralData
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData, create_placeholders
from edgeflownas.evaluation.recalibration import combine_statistics
from edgeflownas.network.build import BatchNorm, FixedNorm, create_variables, normalise_images
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.losses import endpoint_error_sums
from edgeflownas.network.space import Architecture, Space
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.tree import TreeEvaluator

_SAMPLE = 4  # number of architectures that are timed one by one
_PIECES = 9  # number of backbones scored between two timings of the sample


class Methods:
    """The scoring methods, ready to run on the same images and weights."""

    def __init__(self, width: int, height: int, columns: int, pairs: int) -> None:
        self.skeleton = default_skeleton(width)
        self.space = Space.from_skeleton(self.skeleton)
        self.size = height, columns
        self.weights = draw_initial_weights(self.skeleton.parameters(), np.random.default_rng(0))
        content = ProceduralData(kind="procedural", height=height, width=columns, train_pairs=pairs, val_pairs=pairs)
        config = EvaluationConfig(calibration_pairs=pairs)
        self.data = EvaluationData(*open_datasets(content), config, threads=1)

    def build_tree(self) -> Callable[[Sequence[Architecture]], Iterator[object]]:
        """Return a function that scores architectures with the tree, backbone by backbone, with empty caches."""
        tree = TreeEvaluator(self.skeleton, self.weights, self.data, threads=1)

        def run(architectures: Sequence[Architecture]) -> Iterator[object]:
            tree.load(self.weights)
            yield from tree.score(architectures)

        return run

    def build_single(self, architecture: Architecture) -> Callable[[], object]:
        """Return a function that scores one architecture with its own graph."""
        evaluator = ChildEvaluator(self.skeleton, architecture, self.data, threads=1)
        return lambda: evaluator.score(self.weights)

    def build_one_hot(self) -> Callable[[], None]:
        """Return a function that scores one architecture with the graph of all options."""
        height, columns = self.size
        genes = [len(stage.options) for stage in self.skeleton.choice_blocks]
        one_hot = np.eye(max(genes), dtype=np.float32)[[0] * len(genes)]
        with tf.Graph().as_default() as graph:
            weights = create_variables(self.weights)
            images = tf.placeholder(tf.uint8, [None, height, columns, 6])
            flow, valid = (tf.placeholder(tf.float32, [None, height, columns, n]) for n in (2, 1))
            mask = tf.placeholder(tf.float32, one_hot.shape)
            norm = BatchNorm(weights)
            build_one_hot_network(self.skeleton, normalise_images(images), norm, mask)
            placeholders = create_placeholders(norm.statistics)
            fixed = FixedNorm(weights, placeholders)
            predicted = build_one_hot_network(self.skeleton, normalise_images(images), fixed, mask)[-1]
            errors = endpoint_error_sums(predicted, flow, valid)
            running = open_session(graph, threads=1)
            running.run(tf.global_variables_initializer())

        def run() -> None:
            statistics = [
                (len(batch.images), running.run(norm.statistics, {images: batch.images, mask: one_hot}))
                for batch in self.data.calibration
            ]
            feed = {mask: one_hot}
            for name, pair in combine_statistics(statistics).items():
                feed.update(zip(placeholders[name], pair))
            for batch in self.data.validation:
                running.run(errors, {**feed, images: batch.images, flow: batch.flow, valid: batch.valid})

        return run

    def count_macs(self, architectures: Sequence[Architecture]) -> int:
        """Return the multiply-accumulates of the tree of some architectures, per pair of images."""
        nodes = {}
        for architecture in architectures:
            path: Tuple[int, ...] = ()
            for stage, option in self.skeleton.route(architecture):
                passes = 1 if stage.is_flow else 2
                nodes[path, stage.name, option] = passes * self.skeleton.stage_macs(stage, option, *self.size)
                path += () if stage.is_flow else (option,)
        return sum(nodes.values())


def make_requests(methods: Methods, search: Path) -> Dict[str, List[List[Architecture]]]:
    """Return the requests by name. A request is a list of architectures, and is scored independently of the others."""
    rng = np.random.default_rng(1)
    requests = {
        "1 architecture": [[methods.space.sample(rng)]],
        "52 random architectures": [[methods.space.sample(rng) for _ in range(52)]],
    }
    if search.exists():
        with h5py.File(str(search), "r") as file:
            genes, generation = file["archive/genes"][()], file["archive/generation"][()]
        requests["generations of a search, all scored"] = [
            list(map(tuple, genes[generation == number].tolist())) for number in range(generation.max() + 1)
        ]
    requests[f"all {methods.space.size:,}"] = [list(methods.space.all())]
    return requests


def measure_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a function."""
    start = time.process_time()
    work()
    return time.process_time() - start


def take_turns(work: Iterator[object], other: Callable[[], float], pieces: int) -> Tuple[float, float]:
    """Time an iterator, running another measurement before, between and after groups of its items.

    Args:
        work: Iterator whose items are timed.
        other: Function that runs the other measurement and returns the time taken, in seconds.
        pieces: Number of items in a group.

    Returns:
        CPU time of all items, and the mean of the other measurements, in seconds.
    """
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


def measure_memory_mib(options: argparse.Namespace, method: str) -> float:
    """Return the peak memory of a method while it scores, in this process, in MiB."""
    methods = Methods(options.width, options.height, options.columns, options.pairs)
    work = methods.build_single((2,) * len(methods.space.genes))
    if method == "tree":
        tree = methods.build_tree()
        selection = [architecture for architecture in methods.space.all() if architecture[0] == architecture[1] == 2]
        work = functools.partial(list, tree(selection))
    return measure_peak_mib(work)


def measure(methods: Methods, requests: Dict[str, List[List[Architecture]]], rounds: int) -> List[Dict[str, Any]]:
    """Time each request with the tree, and a sample of architectures one by one in turns with it."""
    rng = np.random.default_rng(2)
    sample = [methods.space.sample(rng) for _ in range(_SAMPLE)]
    singles = list(map(methods.build_single, sample))
    one_hot, tree = methods.build_one_hot(), methods.build_tree()
    for warm_up in (*singles, one_hot, lambda: list(tree(sample[:1]))):
        warm_up()
    mean = statistics.mean(methods.count_macs([architecture]) for architecture in sample)
    results = []
    for name, parts in requests.items():
        total, count = sum(map(methods.count_macs, parts)), sum(map(len, parts))
        ratios: Dict[str, List[float]] = {"one by one": [], "one-hot": [], "limit": [], "singles": []}
        for part in parts if count < 1000 else []:
            list(tree(part))  # once for TensorFlow to prepare its graphs
        for _ in range(rounds if count < 1000 else 1):
            one_hot_seconds = measure_seconds(one_hot)
            work = itertools.chain.from_iterable(map(tree, parts))
            taken, single = take_turns(work, lambda: statistics.mean(map(measure_seconds, singles)), _PIECES)
            ratios["one by one"].append(count * single / taken)
            ratios["one-hot"].append(count * one_hot_seconds / taken)
            ratios["limit"].append(taken / (total / mean * single))
            ratios["singles"].append(taken / single)
        medians = {key: statistics.median(values) for key, values in ratios.items()}
        results.append({"request": name, "architectures": count, "arithmetic": total / mean, **medians})
    return results


def main() -> None:
    """Measure, print tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8, help="base width c")
    parser.add_argument("--height", type=int, default=64, help="pixels")
    parser.add_argument("--columns", type=int, default=96, help="pixels")
    parser.add_argument("--pairs", type=int, default=32, help="image pairs for calibration, and as many for scoring")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--search", type=Path, default=Path("results/demo/search.h5"), help="search to score again")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/tree.json"))
    options = parser.parse_args()
    methods = Methods(options.width, options.height, options.columns, options.pairs)
    results = measure(methods, make_requests(methods, options.search), options.rounds)
    table = Table("request", "x single", "by arithmetic", "of limit", "one by one / tree", "one-hot / tree")
    for result in results:
        figures = (result[key] for key in ("singles", "arithmetic", "limit", "one by one", "one-hot"))
        table.add_row(result["request"], *(f"{figure:.2f}" for figure in figures))
    console = Console()
    console.print(describe_stack(), highlight=False)
    console.print(table)
    memory = {}
    for method in ("tree", "one architecture"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory[method] = pool.apply(measure_memory_mib, (options, method))
    console.print(", ".join(f"{method}: {mib:.0f} MiB" for method, mib in memory.items()) + " while scoring")
    setting = {name: str(value) for name, value in vars(options).items() if name != "json"}
    write_json(options.json, {"stack": describe_stack(), **setting, "results": results, "memory_mib": memory})


if __name__ == "__main__":
    main()
