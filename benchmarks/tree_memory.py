"""Measure the memory of the tree evaluator for given numbers of calibration and validation pairs.

    .venv/bin/python -m benchmarks.tree_memory --calibration 1024 --validation 640

The tree keeps the activations of all pairs along one path, so one architecture takes as much memory as the whole space.
The lightest one is scored, with random weights and drawn images. Prints the peak memory beyond that of images, weights
and graph, and writes JSON.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from benchmarks.memory import measure_peak_mib
from benchmarks.stack import describe_stack
from edgeflownas.config import EvaluationConfig, ProceduralData
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.space import Space
from edgeflownas.storage.files import write_json
from supernet.tree import TreeEvaluator


def main() -> None:
    """Run the measurement, print it and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32, help="base width c")
    parser.add_argument("--height", type=int, default=176, help="pixels")
    parser.add_argument("--columns", type=int, default=224, help="pixels")
    parser.add_argument("--calibration", type=int, default=1024, help="calibration pairs")
    parser.add_argument("--validation", type=int, default=640, help="validation pairs")
    parser.add_argument("--batch", type=int, default=8, help="pairs per batch")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/tree_memory.json"))
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    skeleton = default_skeleton(options.width)
    weights = draw_initial_weights(skeleton.parameters(), np.random.default_rng(0))
    content = ProceduralData(
        kind="procedural", height=options.height, width=options.columns, train_pairs=options.calibration,
        val_pairs=options.validation,
    )  # fmt: skip
    config = EvaluationConfig(
        calibration_pairs=options.calibration, calibration_batch=options.batch, batch_size=options.batch
    )
    data = EvaluationData(*open_datasets(content), config, threads=1)
    tree = TreeEvaluator(skeleton, weights, data, threads=1)
    lightest = (0,) * len(Space.from_skeleton(skeleton).genes)
    mib = measure_peak_mib(lambda: list(tree.score([lightest])))
    pairs = options.calibration + options.validation
    print(f"{options.calibration} + {options.validation} pairs: {mib:.0f} MiB, {mib / pairs:.2f} MiB per pair")
    setting = {name: value for name, value in vars(options).items() if name != "json"}
    write_json(options.json, {"stack": describe_stack(), **setting, "memory_mib": mib})


if __name__ == "__main__":
    main()
