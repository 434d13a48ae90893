"""Times the scoring of backbones with all their heads, in the process itself and with workers.

    .venv/bin/python -m benchmarks.workers --config configs/demo.yaml --workers 1 2

All are opened before the clock starts, each scores once before it counts, and they take turns, so that the ratio holds
on a busy machine. Holds their scores to be the same to the last bit. Prints a table, writes JSON.
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

from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from search.nsga2.scoring import Evaluator, Score
from search.run import Run
from search.workers.evaluator import open_evaluator


def scores(evaluator: Evaluator, architectures: Sequence[Architecture]) -> List[Score]:
    """Sorted."""
    return sorted(score for group in evaluator.score(architectures) for score in group)


def measure(evaluators: Dict[int, Evaluator], wanted: Sequence[Architecture], rounds: int) -> Dict[int, List[float]]:
    """Seconds by number of workers, these taking turns."""
    reference = None
    seconds: Dict[int, List[float]] = {count: [] for count in evaluators}
    for number in range(rounds + 1):
        for count, evaluator in evaluators.items():
            start = time.perf_counter()
            found = scores(evaluator, wanted)
            if number:
                seconds[count].append(time.perf_counter() - start)
                say(f"round {number}, {count} workers: {seconds[count][-1]:.2f} s")
            reference = reference or found
            if found != reference:
                raise SystemExit(f"{count} workers: other scores")
    return seconds


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers, 1 first")
    parser.add_argument("--backbones", type=int, help="so many of all, spread over the space; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/workers.json"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints, and writes."""
    options = arguments()
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
        wanted = [backbones[place] + head for place in chosen for head in heads]
        seconds = measure(evaluators, wanted, options.rounds)
    first = next(iter(seconds.values()))
    table = Table("workers", "median s", "speed-up, pair by pair")
    for count, found in seconds.items():
        ratios = [one / many for one, many in zip(first, found)]
        table.add_row(
            str(count), f"{statistics.median(found):.2f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        )  # fmt: skip
    Console().print(table)
    setting = {"config": str(options.config), "overrides": options.overrides, "backbones": len(chosen)}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**setting, "seconds": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
