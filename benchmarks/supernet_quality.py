"""Check whether a supernet has learned, and whether its larger architectures are better.

    .venv/bin/python -m benchmarks.supernet_quality --config configs/demo.yaml

Scores the pool used in training and random architectures with recalibrated BN on the validation set: mean EPE relative
to that of zero flow, Spearman correlation of multiply-accumulates and EPE, and the mean EPE of every option. Prints a
table and writes JSON.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.stack import describe_stack
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.files import write_json
from search.run import Run
from supernet.fairness import draw_covering_pool
from supernet.training import POOL_CYCLES, POOL_SEED
from supernet.tree import TreeEvaluator


def draw_sample(space: Space, count: int, seed: int) -> List[Architecture]:
    """Return distinct architectures, drawn uniformly."""
    rng = np.random.default_rng(seed)
    drawn: Dict[Architecture, None] = {}
    while len(drawn) < count:
        drawn[space.sample(rng)] = None
    return list(drawn)


def measure(run: Run, count: int, seed: int) -> Dict[str, Any]:
    """Score the pool and a random sample."""
    train, val = open_datasets(run.config.data)
    data = EvaluationData(train, val, run.config.evaluation, run.config.threads)
    weights = run.supernet_weights()
    tree = TreeEvaluator(run.skeleton, weights, data, threads=1)
    pool = draw_covering_pool(run.space, POOL_CYCLES, POOL_SEED)
    sample = draw_sample(run.space, count, seed)
    epe: Dict[Architecture, float] = {}
    with progress("scoring", len({*pool, *sample})) as bar:
        for group in tree.score([*pool, *sample]):
            epe.update(group)
            bar.advance(steps=len(group))
    zero = data.zero_flow_epe()
    genes, errors = np.array(sample), np.array([epe[architecture] for architecture in sample])
    macs = [run.skeleton.macs(architecture, *run.config.data.padded_size) for architecture in sample]
    options = {
        gene.name: [float(errors[genes[:, i] == option].mean()) for option in range(len(gene.options))]
        for i, gene in enumerate(run.space.genes)
    }
    return {
        "supernet_sha256": digest(weights),
        "zero_flow_epe": zero,
        "pool_epe": float(np.mean([epe[architecture] for architecture in pool])),
        "pool_share": float(np.mean([epe[architecture] for architecture in pool])) / zero,
        "sample": count,
        "sample_seed": seed,
        "sample_epe": [float(errors.min()), float(errors.mean()), float(errors.max())],
        "spearman_macs_epe": float(spearmanr(macs, errors).correlation),
        "mean_epe_by_option": options,
    }


def main() -> None:
    """Measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--sample", type=int, default=200, help="number of random architectures")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/supernet_quality.json"))
    options = parser.parse_args()
    result = measure(Run.open(options.config, None, options.overrides), options.sample, options.seed)
    console = Console()
    table = Table("gene", "EPE of option 0, px", "1", "2")
    for name, means in result["mean_epe_by_option"].items():
        table.add_row(name, *(f"{mean:.4f}" for mean in means))
    console.print(describe_stack(), highlight=False)
    console.print(table)
    console.print(f"pool: mean EPE {result['pool_epe']:.3f} px, {100 * result['pool_share']:.1f} % of zero-flow EPE")
    console.print(f"Spearman of MACs and EPE over {result['sample']} architectures: {result['spearman_macs_epe']:.3f}")
    write_json(options.json, {"stack": describe_stack(), **result})


if __name__ == "__main__":
    main()
