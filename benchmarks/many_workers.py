"""Simulation of a search with many workers: time and requests to a share of the exact hypervolume.

    .venv/bin/python -m benchmarks.many_workers --config configs/demo.yaml --space results/reference/demo/space.h5

Scores are read from ``space.h5``. Durations are real: those of random trunks, scored one by one by the evaluator of the
configuration, and the processor time of the search itself, during which the workers wait. The work of a generation is
divided as ``search.workers.shared`` divides it, and each piece goes to the worker that is free first. Prints a table
and writes JSON.
"""

import argparse
import heapq
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers import KnownSpace
from benchmarks.search_quality import make_known_space, read
from benchmarks.stack import describe_stack
from edgeflownas.config import EvolutionConfig
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from search.nsga2.evolution import Evolution
from search.run import Run
from search.storage.archive_group import read_archive
from search.workers.evaluator import open_evaluator
from search.workers.shared import split_work

SHARES = (0.9, 0.99, 0.999)  # of the exact hypervolume
_WARM_UP = 3  # trunks that are scored before the measurement


def measure_trunks(run: Run, count: int) -> List[float]:
    """Return the seconds that scoring takes for each of some random trunks with all of its flow outputs."""
    rng = np.random.default_rng(0)
    seconds = []
    with open_evaluator(run, run.supernet_weights()) as (evaluator, _):
        for _ in range(count + _WARM_UP):
            (group,) = run.space.expand_outputs([run.space.sample(rng)])
            started = time.process_time()
            list(evaluator.score([tuple(genes) for genes in group.tolist()]))
            seconds.append(time.process_time() - started)
    return seconds[_WARM_UP:]


def simulate(
    table: KnownSpace, config: EvolutionConfig, seed: int, workers: int, durations: Sequence[float]
) -> Dict[str, Any]:
    """Search with a number of workers; return requests and simulated seconds at which each share was reached."""
    space = table.space
    exact = table.objectives.hypervolume(table.points)
    evolution = Evolution(space, config, table, seed, workers=workers)
    now = busy = 0.0
    result: Dict[str, Any] = {}
    while evolution.stop_reason() is None and str(SHARES[-1]) not in result:
        started = time.process_time()
        requested = evolution.ask()
        architectures = evolution.expand_outputs(requested)
        own = time.process_time() - started
        scoring, work = _score(space, architectures, workers, durations)
        started = time.process_time()
        evolution.tell(requested, table.scores(architectures))
        own += time.process_time() - started
        now, busy = now + own + scoring, busy + work
        rows = evolution.front()
        share = table.objectives.hypervolume(table.objectives.points(evolution.archive, rows)) / exact
        for level in SHARES:
            if share >= level:
                reached = {"requests": evolution.archive.evaluations, "seconds": now, "used": busy / (now * workers)}
                result.setdefault(str(level), reached)
    return result


def _score(
    space: Space, architectures: Sequence[Architecture], workers: int, durations: Sequence[float]
) -> Tuple[float, float]:
    """Return the simulated seconds until all architectures are scored, and the sum over the workers."""
    free = [0.0] * workers
    total = 0.0
    for piece in split_work(space, architectures, workers):
        trunks = sorted(set(map(space.trunk, piece)))
        seconds = sum(random.Random(str(trunk)).choice(durations) for trunk in trunks)
        total += seconds
        heapq.heapreplace(free, free[0] + seconds)
    return max(free), total


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--space", type=Path, default=Path("results/reference/demo/space.h5"))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trunks", type=int, default=40, help="number of trunks whose scoring is timed")
    parser.add_argument("--json", type=Path, default=Path("results/reference/many_workers/many_workers.json"))
    return parser.parse_args()


def main() -> None:
    """Measure, simulate, print and write the figures."""
    arguments = parse_arguments()
    durations = measure_trunks(Run.open(arguments.config), arguments.trunks)
    say(f"a trunk takes {statistics.median(durations):.3f} s ({min(durations):.3f} to {max(durations):.3f} s)")
    config, file = read(arguments.space)
    table = make_known_space(config, read_archive(file["archive"], Run.open(arguments.config).space))
    settings = config.evolution.model_copy(update={"generations": 10**6, "patience": 0, "reference_point": None})
    results: Dict[str, List[Dict[str, Any]]] = {}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    for workers in arguments.workers:
        results[str(workers)] = [
            simulate(table, settings, seed, workers, durations) for seed in range(1, arguments.seeds + 1)
        ]
        say(f"{workers} workers are simulated")
        content = {"stack": describe_stack(), "trunk_seconds": durations, "results": results}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    shown = Table("workers", *(f"{name} to {share:.1%}" for share in SHARES for name in ("trunks", "s")), "used")
    for name, runs in results.items():
        cells = [
            f"{statistics.median(run[str(share)][key] for run in runs):.{digits}f}"
            for share in SHARES
            for key, digits in (("requests", 0), ("seconds", 1))
        ]
        shown.add_row(name, *cells, f"{statistics.median(run[str(SHARES[-1])]['used'] for run in runs):.0%}")
    Console(width=120).print(describe_stack(), shown, sep="\n", highlight=False)


if __name__ == "__main__":
    main()
