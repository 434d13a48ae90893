"""Benchmark of a search's memory and time per generation in spaces of 15 genes with 2 to 5 options.

    .venv/bin/python -m benchmarks.large_space

Scores are computed by a function, so that only the search itself is measured. Each space is searched in a new process,
with a limit on the frames per second. Times are processor times of the generations after the first quarter. Prints a
table and writes JSON.
"""

import argparse
import json
import multiprocessing
import statistics
import time
import zlib
from pathlib import Path
from typing import Any, Dict

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.memory import measure_peak_mib
from benchmarks.stack import describe_stack
from edgeflownas.config import Bound, EvolutionConfig
from edgeflownas.hardware.cost_sums import CostSums, TableFigures
from edgeflownas.network.space import Architecture, Gene, Space
from edgeflownas.progress import say
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import CostFigures

_CLOCK_HZ = 4e8


class RandomCosts:
    """Additive costs from a seed."""

    sram_cap_kib = None

    def __init__(self, space: Space) -> None:
        """Draw the cycles that each option adds."""
        rng = np.random.default_rng(1)
        self._cycles = [np.append(0, np.cumsum(rng.integers(10_000, 500_000, n - 1))) for n in space.counts]
        lightest = (0,) * len(space.genes)
        compiled = [lightest[:gene] + (1,) + lightest[gene + 1 :] for gene in range(len(lightest))]
        self._sums = CostSums(space.counts, self._predict, compiled, {}, [False] * len(lightest), _CLOCK_HZ)

    def _predict(self, architecture: Architecture) -> TableFigures:
        added = sum(int(cycles[option]) for cycles, option in zip(self._cycles, architecture))
        return TableFigures(10**6 + added, 2 * 10**6 + added, 512.0)

    def sums(self) -> CostSums:
        """Return the costs as sums."""
        return self._sums

    def cost(self, architecture: Architecture) -> CostFigures:
        """Return the cost of an architecture."""
        from edgeflownas.hardware.cost import Figures

        return Figures(**self._predict(architecture)._asdict()).cost(_CLOCK_HZ, "predicted")


def score(architecture: Architecture) -> float:
    """Return an EPE that tends to be lower for heavier architectures."""
    effect = sum(option * (1 + gene % 3) for gene, option in enumerate(architecture))
    return 10.0 - 0.05 * effect + zlib.crc32(bytes(architecture)) / 2**32


def search(options: int, requests: int, complete: bool) -> Dict[str, Any]:
    """Search a space of 15 genes with this many options each; return the figures."""
    genes = tuple(Gene(f"G{gene}", "", tuple(map(str, range(options)))) for gene in range(15))
    space = Space(genes, 8, (13, 14))
    costs = RandomCosts(space)
    middle = float(np.median(costs.sums().costs(np.random.default_rng(0).integers(options, size=(999, 15)))["fps"]))
    config = EvolutionConfig(
        population=500, generations=10**6, patience=0, complete_outputs=complete, constraints={"fps": Bound(min=middle)}
    )
    seconds = []
    result: Dict[str, Any] = {"architectures": space.size, "complete_outputs": complete}

    def run() -> None:
        started = time.process_time()
        evolution = Evolution(space, config, costs, seed=1)
        result["start_s"] = round(time.process_time() - started, 2)
        result["feasible"] = evolution.unscored
        while evolution.archive.evaluations < requests and evolution.stop_reason() is None:
            started = time.process_time()
            requested = evolution.ask()
            evolution.tell(requested, [(each, score(each)) for each in evolution.expand_outputs(requested)])
            seconds.append(time.process_time() - started)
        result["requests"], result["scored"] = evolution.archive.evaluations, len(evolution.archive)

    result["memory_mib"] = round(measure_peak_mib(run), 1)
    result["generations"] = len(seconds)
    result["ms_per_generation"] = round(1e3 * statistics.median(seconds[len(seconds) // 4 :]), 1)
    return result


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--options", type=int, nargs="+", default=[2, 3, 4, 5], help="options of each gene")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of plain NSGA-II")
    parser.add_argument("--screened", type=int, default=100, help="requests with complete_outputs")
    parser.add_argument("--json", type=Path, default=Path("results/reference/large_space/large_space.json"))
    return parser.parse_args()


def main() -> None:
    """Measure, print and write the figures."""
    arguments = parse_arguments()
    results = []
    for complete, requests in ((False, arguments.requests), (True, arguments.screened)):
        for options in arguments.options:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results.append(pool.apply(search, (options, requests, complete)))
            say(str(results[-1]))
    table = Table("architectures", "outputs completed", "requests", "MiB", "start s", "ms per generation")
    for result in results:
        table.add_row(
            f"{result['architectures']:,}", str(result["complete_outputs"]), f"{result['requests']:,}",
            str(result["memory_mib"]), str(result["start_s"]), str(result["ms_per_generation"]),
        )  # fmt: skip
    Console().print(describe_stack(), table, sep="\n", highlight=False)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"stack": describe_stack(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
