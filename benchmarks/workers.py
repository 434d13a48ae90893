"""Benchmark of scoring backbones with all their heads, in one process and with workers.

    .venv/bin/python -m benchmarks.workers --config configs/demo.yaml --workers 1 2

All evaluators are opened before the measurement and score once as a warm-up. They take turns, so that the ratio is
meaningful on a busy machine. Their scores must be identical to the last bit. Prints a table and writes JSON.
"""

import argparse
import contextlib
import json
import statistics
import time
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.stack import describe_stack
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from search.nsga2.scoring import Evaluator, Score
from search.run import Run
from search.workers.evaluator import open_evaluator


def score_all(evaluator: Evaluator, architectures: Sequence[Architecture]) -> List[Score]:
    """Return all scores, sorted."""
    return sorted(score for group in evaluator.score(architectures) for score in group)


def measure(
    evaluators: Dict[int, Evaluator], architectures: Sequence[Architecture], rounds: int
) -> Dict[int, List[float]]:
    """Return the seconds of every round by number of workers; the evaluators take turns."""
    reference = None
    seconds: Dict[int, List[float]] = {count: [] for count in evaluators}
    for number in range(rounds + 1):
        for count, evaluator in evaluators.items():
            start = time.perf_counter()
            scores = score_all(evaluator, architectures)
            if number:
                seconds[count].append(time.perf_counter() - start)
                say(f"round {number}, {count} workers: {seconds[count][-1]:.2f} s")
            reference = reference or scores
            if scores != reference:
                raise SystemExit(f"{count} workers: the scores differ")
    return seconds


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers to compare, 1 first")
    parser.add_argument("--backbones", type=int, help="number of backbones, spread over the space; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/workers.json"))
    return parser.parse_args()


def main() -> None:
    """Measure, print and write the figures."""
    options = parse_arguments()
    seconds: Dict[int, List[float]] = {}
    with contextlib.ExitStack() as stack:
        evaluators: Dict[int, Evaluator] = {}
        for count in options.workers:
            run = Run.open(options.config, overrides=[*options.overrides, f"evaluation.workers={count}"])
            say(f"opening {count} workers")
            evaluators[count] = stack.enter_context(open_evaluator(run, run.supernet_weights())).evaluator
        space = run.space
        backbones = list(np.ndindex(*space.counts[: space.backbone]))
        chosen = np.linspace(0, len(backbones) - 1, options.backbones or len(backbones)).astype(int)
        heads = list(np.ndindex(*space.counts[space.backbone :]))
        architectures = [backbones[i] + head for i in chosen for head in heads]
        seconds = measure(evaluators, architectures, options.rounds)
    first = next(iter(seconds.values()))
    table = Table("workers", "median s", "speed-up per round")
    for count, values in seconds.items():
        ratios = [one / many for one, many in zip(first, values)]
        table.add_row(
            str(count), f"{statistics.median(values):.2f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        )  # fmt: skip
    Console().print(describe_stack(), table, sep="\n", highlight=False)
    settings = {"config": str(options.config), "overrides": options.overrides, "backbones": len(chosen)}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"stack": describe_stack(), **settings, "seconds": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
