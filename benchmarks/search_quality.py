"""How many architectures, and how much computation, searches need to come near the exact front of a known space.

    make peers
    .venv-peers/bin/python -m benchmarks.search_quality --space results/reference/demo/space.h5

Every EPE is read from ``space.h5``, which `enumerate` made, so that nothing is computed but counted: architectures
without repetition, and multiply-accumulates (both passes through the trunk, one through the flow outputs) in terms of
the mean architecture's. Ours is counted as ``supernet.tree`` computes, peers as one network per distinct architecture;
how the peers would fare if their requests went through our tree stands beside it. Searches that are not run again
keep what the folder's JSON says of the same seeds.

The hypervolume is bounded in two ways: by the worst value of each objective in the space, so that nothing comes for
free, and as the search is configured, which is all that ours sees.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import h5py
import numpy as np
import yaml
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.peers import SEARCHES, Table
from benchmarks.tree_computation import TreeComputation, count_mean_single, count_single
from edgeflownas.config import Config, validate
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from search.nsga2.objectives import SIGNS, Objectives, find_nondominated
from search.storage.search_file import read_archive

SHARES = (0.9, 0.99, 0.999)  # of the exact hypervolume
MEASURES = ("requested", "scored", "computation", "by our tree")
BOUNDS = ("worst", "configured")


class Count:
    """What one search has requested so far, and how near it is.

    Attributes:
        reached: by bound and share, what it took to get there.
    """

    def __init__(self, table: Table, bounds: Dict[str, Objectives], skeleton: Skeleton, config: Config) -> None:
        """Takes the known space, the bounds of the hypervolume, and what the scores were computed with."""
        self._table, self._bounds, self._skeleton = table, bounds, skeleton
        self._exact = {name: bound.hypervolume(table.points) for name, bound in bounds.items()}
        self._size = config.data.padded_size
        calibration = config.evaluation.calibration_pairs
        # Where all pairs of a data set on disk were used, their number is not known here: as many are supposed.
        validation = config.evaluation.val_pairs or getattr(config.data, "val_pairs", calibration)
        self._pairs = calibration, validation
        self._one = count_mean_single(skeleton, self._size, self._pairs)
        self._tree = TreeComputation(skeleton, self._size, self._pairs)
        self._known: Set[Architecture] = set()
        self._front = table.points[:0]
        self._sums = dict.fromkeys(MEASURES, 0.0)
        self.reached: Dict[str, Dict[float, Dict[str, float]]] = {name: {} for name in bounds}

    @property
    def done(self) -> bool:
        """Whether everything is reached."""
        return all(SHARES[-1] in reached for reached in self.reached.values())

    def add(self, batch: List[Architecture], by_tree: bool, complete: bool) -> None:
        """Counts a request: as a whole where it goes through the tree, else architecture by architecture."""
        asked = [each for each in dict.fromkeys(batch) if each not in self._known]
        scored = asked
        if complete:
            every = self._table.space.expand_outputs(asked)
            scored = [tuple(each) for each in every.reshape(-1, every.shape[-1]).tolist()]
        self._known.update(scored)
        tree = self._tree.count_call(scored) / self._one if scored else 0.0
        if by_tree:
            self._note(scored, len(asked), len(scored), tree, tree)
            return
        for each in asked:
            single = count_single(self._skeleton, self._size, self._pairs, each) / self._one
            self._note([each], 1, 1, single, tree / len(asked))

    def _note(self, scored: List[Architecture], *measures: float) -> None:
        """Adds what was scored, and what it took (see ``MEASURES``), and notes which shares are reached by it."""
        for name, value in zip(MEASURES, measures):
            self._sums[name] += value
        both = np.concatenate([self._front, self._table.points[[self._table.index(each) for each in scored]]])
        front = find_nondominated(both)
        if (front < len(self._front)).all():
            return
        self._front = both[front]
        for name, bound in self._bounds.items():
            share = bound.hypervolume(self._front) / self._exact[name]
            for each in SHARES:
                if share >= each:
                    self.reached[name].setdefault(each, dict(self._sums))


def read(path: Path) -> Tuple[Config, h5py.File]:
    """The space's file and the configuration that it was made with."""
    file = h5py.File(str(path), "r")
    return validate(yaml.safe_load(file.attrs["config_yaml"]), Config, "config_yaml"), file


def bounds_of(config: Config, points: np.ndarray) -> Dict[str, Objectives]:
    """What bounds the hypervolume; points are all of the space."""
    names = config.evolution.objectives
    worst = {name: float(value * SIGNS[name]) for name, value in zip(names, points.max(axis=0))}
    return dict(zip(BOUNDS, (Objectives(names, worst), Objectives(names, config.evolution.reference_point))))


def measure(
    path: Path, seeds: range, wanted: List[str], known: Dict[str, Any], console: Console
) -> Iterator[Dict[str, Any]]:
    """Runs searches; yields what is known so far after each.

    That is by name, of each seed, what it took to reach each share of each bound; None where it did not.
    """
    config, file = read(path)
    skeleton = Skeleton(config.network.width)
    archive = read_archive(file["archive"], Space.from_skeleton(skeleton))
    table = Table(archive, Objectives(config.evolution.objectives, config.evolution.reference_point))
    bounds = bounds_of(config, table.points)
    settings = config.evolution.model_copy(update={"generations": 10**6, "patience": 0})
    references = {name: bound.reference.tolist() for name, bound in bounds.items()}
    results = dict(known)
    for name in wanted:
        search, by_tree, complete, most = SEARCHES[name]
        begun, runs = time.monotonic(), []
        for seed in seeds:
            count, requests = Count(table, bounds, skeleton, config), 0
            for batch in search(table, settings, seed):
                count.add(batch, by_tree, complete)
                requests += len(batch)
                if count.done or requests >= most:
                    break
            reached = count.reached.items()
            runs.append({bound: {str(share): found.get(share) for share in SHARES} for bound, found in reached})
        seconds = time.monotonic() - begun
        results[name] = {"given_up_after": most, "seconds": round(seconds, 1), "runs": runs}
        console.print(f"{name}: {len(runs)} seeds in {seconds:.0f} s", highlight=False)
        ordered = {each: results[each] for each in SEARCHES if each in results}
        yield {"reference_points_less_is_better": references, "searches": ordered}


def quartiles(runs: List[Dict[str, Any]], bound: str, share: float, measure: str) -> List[float]:
    """25, 50 and 75 % of some runs; infinite where so many did not get there."""
    found = [run[bound][str(share)] for run in runs]
    values = sorted(each[measure] if each else np.inf for each in found)
    return [float(values[round(part * (len(values) - 1))]) for part in (0.25, 0.5, 0.75)]


def shown(found: Dict[str, Any], bound: str, measure: str) -> RichTable:
    """Medians and quartiles as a table."""
    title = f"{measure}, to a share of the hypervolume ({bound} bound)"
    table = RichTable("search", *(f"{100 * share:g} %" for share in SHARES), title=title, title_justify="left")
    for name, each in found["searches"].items():
        rows = [quartiles(each["runs"], bound, share, measure) for share in SHARES]
        table.add_row(name, *(f"{middle:,.0f} ({low:,.0f}-{high:,.0f})" for low, middle, high in rows))
    return table


def plot(found: Dict[str, Any], path: Path) -> None:
    """Draws the computation: medians, and quartiles as bars; what was not reached is left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, len(BOUNDS), figsize=(9, 3.6), sharey=True)
    for bound, axes in zip(BOUNDS, both):
        for number, (name, each) in enumerate(found["searches"].items()):
            rows = np.array([quartiles(each["runs"], bound, share, "computation") for share in SHARES])
            low, middle, high = np.where(np.isfinite(rows), rows, np.nan).T
            place = np.arange(len(SHARES)) + 0.1 * (number - len(found["searches"]) / 2)
            axes.errorbar(place, middle, [middle - low, high - middle], fmt="o", ms=4, capsize=2, label=name)
        axes.set_xticks(np.arange(len(SHARES)))
        axes.set_xticklabels([f"{100 * share:g} %" for share in SHARES])
        axes.set(yscale="log", xlabel=f"of the exact hypervolume, {bound} bound")
    both[0].set_ylabel("computation, in single evaluations")
    both[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(str(path), dpi=130)
    pyplot.close(figure)


def main() -> None:
    """Measures, prints, draws, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", type=Path, default=Path("results/reference/demo/space.h5"))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--folder", type=Path, default=Path("results/benchmarks/search_quality"))
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    console = Console(width=110)
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "search_quality.json"
    setting = {"space": options.space.name, "seeds": [seeds[0], seeds[-1]]}
    before = json.loads(path.read_text()) if path.exists() else {}
    known = before["searches"] if before.items() >= setting.items() else {}
    for found in measure(options.space, seeds, options.searches, known, console):
        path.write_text(json.dumps({**setting, **found}) + "\n")
        plot(found, path.with_suffix(".png"))
    for bound in BOUNDS:
        for each in MEASURES:
            console.print(shown(found, bound, each))


if __name__ == "__main__":
    main()
