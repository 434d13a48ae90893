"""Measure whether the input pipeline, which reads and augments pairs, keeps up with training.

    .venv/bin/python -m benchmarks.input_pipeline --config configs/demo.yaml
    .venv/bin/python -m benchmarks.input_pipeline --config configs/supernet_flyingchairs2_180x240.yaml \
        --set data.train_dir=/data/FlyingChairs2/train --set data.val_dir=/data/FlyingChairs2/val

Pipeline and training step are measured separately, in images per second. The pipeline uses the number of threads of the
run, and its batches are discarded. The training step is a fair cycle of the supernet on a batch that is already in
memory. Prints a table and writes JSON.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.stack import describe_stack
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.pipeline import Batch, read_batches
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.devices import select_devices
from search.run import Run
from supernet.fairness import FairSampler
from supernet.training import FairCycle


def time_pipeline(run: Run, count: int) -> List[float]:
    """Return the seconds of every batch, without the batches that are prefetched at the start."""
    train, _ = open_datasets(run.config.data)
    size = run.config.train.batch_size
    indices = np.resize(np.random.default_rng(0).permutation(len(train)), (count + 1) * size).tolist()
    reader = read_batches(train, indices, size, augment=(0, 0), threads=run.config.threads)
    next(reader)
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        next(reader)
        seconds.append(time.perf_counter() - start)
    return seconds


def time_step(run: Run, count: int) -> List[float]:
    """Return the seconds of every fair cycle on one batch, after one warm-up cycle."""
    config = run.config
    train, val = open_datasets(config.data)
    rng = np.random.default_rng(0)
    data = EvaluationData(train, val, config.evaluation.model_copy(update={"val_pairs": 1}), config.threads)
    weights = draw_initial_weights(run.skeleton.parameters(), rng)
    sampler = FairSampler(Space.from_skeleton(run.skeleton), rng)
    devices = select_devices(config.train.devices)
    cycle = FairCycle(run.skeleton, weights, config.train, data, sampler, config.threads, devices)
    batch: Batch = next(read_batches(train, range(config.train.batch_size), config.train.batch_size, augment=(0, 0)))
    seconds = []
    for _ in range(count + 1):
        start = time.perf_counter()
        cycle.run(batch, 0.0, 0.0)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--batches", type=int, default=20, help="number of batches to read")
    parser.add_argument("--steps", type=int, default=3, help="number of training steps")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/input_pipeline.json"))
    options = parser.parse_args()
    run = Run.open(options.config, None, options.overrides)
    size = run.config.train.batch_size
    # Batches arrive in bursts, so their times are summed; steps have a median, as the machine may be busy.
    pipeline = size * options.batches / sum(time_pipeline(run, options.batches))
    step = size / statistics.median(time_step(run, options.steps))
    data = run.config.data
    settings: Dict[str, Any] = {
        "data": data.kind,
        "height": data.height,
        "width": data.width,
        "network": run.config.network.width,
        "batch": size,
        "threads": run.config.threads,
    }
    table = Table("", "images per second", title=", ".join(f"{name} {value}" for name, value in settings.items()))
    table.add_row("pipeline alone", f"{pipeline:.1f}")
    table.add_row("training step alone", f"{step:.1f}")
    console = Console()
    console.print(describe_stack(), highlight=False)
    console.print(table)
    console.print(f"the pipeline is {pipeline / step:.1f} times as fast as training (target: at least 2)")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {"stack": describe_stack(), **settings, "pipeline": pipeline, "step": step, "ratio": pipeline / step}
    options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
