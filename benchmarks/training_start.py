"""Measure how quickly training starts to make progress: the steps until a child reaches 60 % of zero-flow EPE.

    python -m benchmarks.training_start

Trains 9 architectures (the lightest, the middle, the heaviest, and two fair cycles) with 5 seeds each on the demo's
scenes, for the first tenth of 3,000 steps, and scores them every 50 steps with recalibrated BN. ``--start he`` starts
from He-normal kernels and residual blocks as the identity, for comparison. Prints a table, and writes a CSV file after
every child; children that the file already contains are not trained again.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.stack import describe_stack
from edgeflownas.config import EvaluationConfig, TrainConfig, load
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.pipeline import Batch, shuffle_indices
from edgeflownas.data.sample import FlowDataset
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.initialisation import draw_initial_weights, draw_training_weights, zero_last_gammas
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.tf_runtime.devices import CPU
from edgeflownas.training.child import ChildStep
from edgeflownas.training.optimizer import learning_rate
from supernet.fairness import draw_fair_sample

ENOUGH = 0.6  # share of zero-flow EPE
EVERY = 50  # steps
PAIRS = 3200  # training pairs, each seen at most once
COLUMNS = ["start", "architecture", "seed", "steps", *(f"share_{EVERY * i}" for i in range(1, 7)), "seconds"]


def choose_architectures(space: Space) -> List[Architecture]:
    """List the architectures: lightest, middle, heaviest, and two fair cycles."""
    uniform = [tuple(option for _ in space.genes) for option in range(min(space.counts))]
    return uniform + [item for item in draw_fair_sample(space, 6, seed=1) if item not in uniform]


def draw_pairs(dataset: FlowDataset, count: int) -> Batch:
    """Draw the first scenes, all as one batch."""
    samples = [dataset.sample(index, None) for index in range(count)]
    valid = [sample.valid[..., None].astype(np.float32) for sample in samples]
    return Batch(
        np.stack([item.images for item in samples]), np.stack([item.flow for item in samples]), np.stack(valid)
    )


def start_training(
    start: str,
    skeleton: Skeleton,
    architecture: Architecture,
    seed: int,
    config: TrainConfig,
    total: int,
    pairs: Batch,
    data: EvaluationData,
) -> Dict[str, float]:
    """Train a child for the first tenth of its steps.

    Args:
        start: "motion" for the project's initial weights, "he" for He-normal ones.
        skeleton: Definition of the network.
        architecture: Architecture to train.
        seed: Seed of the initial weights and of the order of pairs.
        config: Recipe of the training.
        total: Steps of the whole training, on which the learning rate depends.
        pairs: Training pairs.
        data: Images for scoring.

    Returns:
        Shares of zero-flow EPE by step, the first step below ``ENOUGH`` (0: none), and seconds, by column.
    """
    began, rng = time.monotonic(), np.random.default_rng(seed)
    if start == "he":
        weights = zero_last_gammas(draw_initial_weights(skeleton.parameters(architecture), rng))
    else:
        weights = draw_training_weights(skeleton, rng, architecture)
    step = ChildStep(skeleton, architecture, weights, config, data, 1, CPU)
    order = shuffle_indices(len(pairs.images), seed, 0)
    row: Dict[str, float] = {"steps": 0}
    for i in range(total // 10):
        which = order[i * config.batch_size :][: config.batch_size]
        step.run(Batch(*(part[which] for part in pairs)), learning_rate(config, i, total), 0.0)
        if (i + 1) % EVERY == 0:
            row[f"share_{i + 1}"] = round(step.evaluate() / data.zero_flow_epe(), 4)
            if not row["steps"] and row[f"share_{i + 1}"] < ENOUGH:
                row["steps"] = i + 1
    row["seconds"] = round(time.monotonic() - began, 1)
    return row


def make_table(rows: Sequence[Dict[str, str]]) -> Table:
    """Lay out the rows, one line per start and architecture."""
    result = Table("start", "architecture", "below 0.6", "steps to it, by seed", "share after 300 steps, by seed")
    for start, name in dict.fromkeys((row["start"], row["architecture"]) for row in rows):
        own = [row for row in rows if (row["start"], row["architecture"]) == (start, name)]
        below = sum(row["steps"] != "0" for row in own)
        steps, shares = (" ".join(row[key] for row in own) for key in ("steps", "share_300"))
        result.add_row(start, name, f"{below} of {len(own)}", steps.replace(" 0", " -"), shares)
    return result


def main() -> None:
    """Train, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", choices=["motion", "he"], default="motion", help="first weights")
    parser.add_argument("--architectures", nargs="+", help="digits; default: the nine")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--csv", type=Path, default=Path("results/benchmarks/training_start.csv"))
    options = parser.parse_args()
    config = load(Path("configs/demo.yaml"))
    skeleton = open_skeleton(config)
    space = Space.from_skeleton(skeleton)
    train, val = open_datasets(config.data)
    data = EvaluationData(train, val, EvaluationConfig(), threads=1)
    recipe = TrainConfig(epochs=1, batch_size=8, learning_rate=2e-3, warmup_steps=50, devices=[])
    pairs = draw_pairs(train, PAIRS)
    rows: List[Dict[str, str]] = []
    if options.csv.exists():
        with options.csv.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for seed in options.seeds:
        for name in options.architectures or [space.format(item) for item in choose_architectures(space)]:
            key = {"start": options.start, "architecture": name, "seed": str(seed)}
            if any(key.items() <= row.items() for row in rows):
                continue
            result = start_training(options.start, skeleton, space.parse(name), seed, recipe, 3000, pairs, data)
            rows.append({**key, **{column: str(value) for column, value in result.items()}})
            options.csv.parent.mkdir(parents=True, exist_ok=True)
            with options.csv.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    Console().print(describe_stack(), make_table(rows), sep="\n", highlight=False)


if __name__ == "__main__":
    main()
