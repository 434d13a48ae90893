"""Compare the time of a fair cycle with that of the usual method: a graph of all options and a mask, run once per path.

    .venv/bin/python -m benchmarks.fair_cycle --width 8 --height 64 --columns 96 --batch 8

It also compares a step of one child (the middle architecture) with the same step using TensorFlow's own convolutions
and gradients. All methods get the same batch and take turns on one thread. Processor time is measured, so the ratios
are valid on a busy machine. Prints tables, and the ratio that the arithmetic alone would give, and writes JSON.
"""

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.memory import measure_peak_mib
from benchmarks.stack import describe_stack
from edgeflownas.network.build import (
    CURRENT,
    Activations,
    BatchNorm,
    LayerBuilder,
    accumulate_flow,
    apply_stage,
    build_child,
    convolve_fast,
    convolve_plain,
    create_variables,
    follow_stage,
    normalise_images,
)
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.fairness import FairSampler, route_paths
from supernet.routed import build_fair_cycle

ROUTED, ONE_HOT, CHILD, PLAIN_CHILD = METHODS = ("routed", "one-hot, once per path", "child", "child, built-in")


def build_one_hot_network(skeleton: Skeleton, x: tf.Tensor, layer: LayerBuilder, mask: tf.Tensor) -> List[tf.Tensor]:
    """Build the usual supernet: compute every option of every gene, and combine them with a mask [genes, options]."""
    flows: List[tf.Tensor] = []
    inputs: Activations = {CURRENT: x}
    gene = 0
    for stage in skeleton.stages:
        outputs = [apply_stage(skeleton, stage, option, inputs, layer) for option in range(len(stage.options))]
        if len(outputs) > 1:
            y = tf.add_n([mask[gene, option] * output for option, output in enumerate(outputs)])
            gene += 1
        else:
            y = outputs[0]
        if stage.is_flow:
            flows.append(accumulate_flow(flows, y))
        else:
            inputs = follow_stage(skeleton, stage, inputs, y)
    return flows


def build(skeleton: Skeleton, images: np.ndarray, flow: np.ndarray, name: str) -> Callable[[], None]:
    """Return a function that runs one cycle of a method (with the summed gradients of all paths) or a child's step."""
    space = Space.from_skeleton(skeleton)
    sampler = FairSampler(space, np.random.default_rng(0))
    with tf.Graph().as_default() as graph:
        weights = create_variables(draw_initial_weights(skeleton.parameters(), np.random.default_rng(0)))
        pair, target = tf.placeholder(tf.uint8, images.shape), tf.placeholder(tf.float32, flow.shape)
        valid, x = tf.ones(flow.shape[:3] + (1,)), normalise_images(pair)
        shape = [len(space.genes), sampler.paths]
        first, second = tf.placeholder(tf.int32, shape), tf.placeholder(tf.int32, shape)
        mask = tf.placeholder(tf.float32, shape)
        if name == ROUTED:
            networks = build_fair_cycle(skeleton, x, weights, first, second)
        elif name == ONE_HOT:
            networks = [build_one_hot_network(skeleton, x, BatchNorm(weights, convolve_plain), mask)]
        else:
            middle = [count // 2 for count in space.counts]
            convolve = convolve_fast if name == CHILD else convolve_plain
            networks = [build_child(skeleton, middle, x, BatchNorm(weights, convolve))]
        loss = tf.add_n([multiscale_loss(flows, target, valid, tf.constant(0.0)) for flows in networks])
        gradients = tf.gradients(loss, list(weights.values()))
        step = tf.group(*[gradient.op for gradient in gradients if gradient is not None])
        initialise = tf.global_variables_initializer()
    running = open_session(graph, threads=1)
    running.run(initialise)
    feed = {pair: images, target: flow}

    def cycle() -> None:
        paths = sampler.draw_cycle()
        if name == ROUTED:
            path_of, option_of = route_paths(space, paths)
            running.run(step, {**feed, first: path_of, second: option_of})
        elif name != ONE_HOT:
            running.run(step, feed)
        else:
            for path in paths:
                running.run(step, {**feed, mask: np.eye(sampler.paths)[list(path)]})

    return cycle


def count_arithmetic(skeleton: Skeleton, height: int, columns: int) -> float:
    """Return how many times as many multiply-accumulates the one-hot graph takes for a cycle as the fair cycle.

    The one-hot graph computes every option for each path. A fair cycle computes the stages before the first gene once,
    other stages with one option for each path, and each option of a gene once. The merged upsampling is not counted.
    """
    paths = max(len(stage.options) for stage in skeleton.stages)
    routed = one_hot = 0
    shared = True
    for stage in skeleton.stages:
        options = range(len(stage.options))
        macs = [skeleton.stage_macs(stage, option, height, columns) for option in options]
        shared = shared and len(options) == 1
        one_hot += paths * sum(macs)
        routed += sum(macs) * (paths if len(options) == 1 and not shared else 1)
    return one_hot / routed


def measure_seconds(methods: Dict[str, Callable[[], None]], rounds: int) -> Dict[str, List[float]]:
    """Run cycles of all methods in turns, and return their processor seconds by method, without the first round."""
    seconds: Dict[str, List[float]] = {name: [] for name in methods}
    for number in range(rounds + 1):
        for name, cycle in methods.items():
            start = time.process_time()
            cycle()
            if number:
                seconds[name].append(time.process_time() - start)
    return seconds


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8, help="base width c")
    parser.add_argument("--height", type=int, default=64, help="pixels")
    parser.add_argument("--columns", type=int, default=96, help="pixels")
    parser.add_argument("--batch", type=int, default=8, help="pairs")
    parser.add_argument("--rounds", type=int, default=5, help="cycles of each method")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/fair_cycle.json"))
    return parser.parse_args()


def build_method(options: argparse.Namespace, name: str) -> Callable[[], None]:
    """Build one of the methods, on random images."""
    rng = np.random.default_rng(0)
    shape = (options.batch, options.height, options.columns)
    images = rng.integers(0, 256, shape + (6,)).astype(np.uint8)
    flow = rng.normal(size=shape + (2,)).astype(np.float32)
    return build(default_skeleton(options.width), images, flow, name)


def measure_memory_mib(options: argparse.Namespace, name: str) -> float:
    """Return the memory of one cycle of a method in this process, without its graph and weights, in MiB."""
    return measure_peak_mib(build_method(options, name))


def main() -> None:
    """Measure, print tables and write JSON."""
    options = parse_arguments()
    seconds = measure_seconds({name: build_method(options, name) for name in METHODS}, options.rounds)
    cycles, children = ([b / a for a, b in zip(seconds[x], seconds[y])] for x, y in (METHODS[:2], METHODS[2:]))
    memory = {}
    for name in METHODS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory[name] = pool.apply(measure_memory_mib, (options, name))
    table = Table("method", "median s per cycle", "ms per image and cycle", "MiB")
    for name, times in seconds.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.3f}", f"{1e3 * median / options.batch:.1f}", f"{memory[name]:.0f}")
    console = Console()
    console.print(describe_stack(), highlight=False)
    console.print(table)
    limit = count_arithmetic(default_skeleton(options.width), options.height, options.columns)
    console.print(f"fair cycle, ratio of the multiply-accumulates: {limit:.2f}", highlight=False)
    for what, ratios in (("fair cycle", cycles), ("child", children)):
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        console.print(f"{what}, paired ratio: median {statistics.median(ratios):.2f} ({spread})", highlight=False)
    setting = {name: value for name, value in vars(options).items() if name != "json"}
    setting.update(stack=describe_stack(), arithmetic=limit)
    results = {"seconds": seconds, "ratios": cycles, "child_ratios": children, "memory_mib": memory}
    write_json(options.json, {**setting, **results})


if __name__ == "__main__":
    main()
