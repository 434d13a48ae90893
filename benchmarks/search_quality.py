"""Compare searches by the architectures and the computation that they need to approach a known exact front.

    make peers
    .venv-peers/bin/python -m benchmarks.search_quality --space results/reference/demo/space.h5

Every EPE is read from ``space.h5``, as created by `enumerate`, so nothing is computed. The benchmark counts distinct
architectures, and multiply-accumulates (both passes through the trunk, one through the flow outputs) relative to those
of the mean architecture. Our search is counted the way ``supernet.tree`` computes, the others as one network per
distinct architecture; a further column counts the others as if their requests went through our tree. Results of
searches that are not run again stay in the folder's JSON if their seeds are the same.

The hypervolume is computed with two reference points: the worst value of each objective in the space, so that no volume
is common to all fronts, and the configured one, which is the only one that our search uses.
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

from benchmarks.peers import SEARCHES, KnownSpace
from benchmarks.tree_computation import TreeComputation, count_mean_single, count_single
from edgeflownas.config import Config, validate
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from search.nsga2.archive import Archive
from search.nsga2.objectives import Objectives, find_nondominated, find_worst_point
from search.storage.archive_group import read_archive

SHARES = (0.9, 0.99, 0.999)  # of the exact hypervolume
MEASURES = ("requested", "scored", "computation", "by our tree")


class Count:
    """The requests of a search so far, and the share of the exact hypervolume that they reach.

    Attributes:
        reached: Measures at which each share was reached, by share.
    """

    def __init__(self, table: KnownSpace, skeleton: Skeleton, config: Config) -> None:
        """Initialise the count.

        Args:
            table: Known space, with the reference point.
            skeleton: Definition of the network that the scores were computed with.
            config: Configuration that the scores were computed with.
        """
        self._table, self._skeleton = table, skeleton
        self._exact = table.objectives.hypervolume(table.points)
        self._size = config.data.padded_size
        calibration = config.evaluation.calibration_pairs
        # If all pairs of a data set on disk were used, their number is not known here; as many as for calibration are
        # assumed.
        validation = config.evaluation.val_pairs or getattr(config.data, "val_pairs", calibration)
        self._pairs = calibration, validation
        self._one = count_mean_single(skeleton, self._size, self._pairs)
        self._tree = TreeComputation(skeleton, self._size, self._pairs)
        self._known: Set[Architecture] = set()
        self._front = table.points[:0]
        self._sums = dict.fromkeys(MEASURES, 0.0)
        self.reached: Dict[float, Dict[str, float]] = {}

    @property
    def done(self) -> bool:
        """Whether all shares are reached."""
        return SHARES[-1] in self.reached

    def add(self, batch: List[Architecture], by_tree: bool, complete: bool) -> None:
        """Count a request: as a whole if it goes through the tree, otherwise architecture by architecture."""
        requested = [architecture for architecture in dict.fromkeys(batch) if architecture not in self._known]
        scored = requested
        if complete:
            expanded = self._table.space.expand_outputs(requested)
            scored = [tuple(genes) for genes in expanded.reshape(-1, expanded.shape[-1]).tolist()]
        self._known.update(scored)
        tree = self._tree.count_call(scored) / self._one if scored else 0.0
        if by_tree:
            self._record(scored, len(requested), len(scored), tree, tree)
            return
        for architecture in requested:
            single = count_single(self._skeleton, self._size, self._pairs, architecture) / self._one
            self._record([architecture], 1, 1, single, tree / len(requested))

    def _record(self, scored: List[Architecture], *measures: float) -> None:
        """Add scored architectures and their ``MEASURES``, and record which shares they reach."""
        for name, value in zip(MEASURES, measures):
            self._sums[name] += value
        both = np.concatenate([self._front, self._table.points[list(map(self._table.index, scored))]])
        front = find_nondominated(both)
        if (front < len(self._front)).all():
            return
        self._front = both[front]
        reached = self._table.objectives.hypervolume(self._front) / self._exact
        for share in SHARES:
            if reached >= share:
                self.reached.setdefault(share, dict(self._sums))


def read(path: Path) -> Tuple[Config, h5py.File]:
    """Return the configuration that the file of a space was created with, and the open file."""
    file = h5py.File(str(path), "r")
    return validate(yaml.safe_load(file.attrs["config_yaml"]), Config, "config_yaml"), file


def make_known_space(config: Config, archive: Archive) -> KnownSpace:
    """Return the known space, with its worst point as the reference point."""
    objectives = Objectives(config.evolution.objectives)
    objectives.reference = find_worst_point(objectives.points(archive, np.arange(len(archive))))
    return KnownSpace(archive, objectives)


def measure(
    path: Path, seeds: range, selected: List[str], known: Dict[str, Any], console: Console
) -> Iterator[Dict[str, Any]]:
    """Run searches, and yield all results so far after each of them.

    The results contain, by search and seed, the measures at which each share was reached; None where it was not.
    """
    config, file = read(path)
    skeleton = open_skeleton(config)
    archive = read_archive(file["archive"], Space.from_skeleton(skeleton))
    table = make_known_space(config, archive)
    settings = config.evolution.model_copy(update={"generations": 10**6, "patience": 0, "reference_point": None})
    results = dict(known)
    for name in selected:
        search, by_tree, complete, most = SEARCHES[name]
        start, runs = time.monotonic(), []
        for seed in seeds:
            count, requests = Count(table, skeleton, config), 0
            for batch in search(table, settings, seed):
                count.add(batch, by_tree, complete)
                requests += len(batch)
                if count.done or requests >= most:
                    break
            runs.append({str(share): count.reached.get(share) for share in SHARES})
        seconds = time.monotonic() - start
        results[name] = {"given_up_after": most, "seconds": round(seconds, 1), "runs": runs}
        console.print(f"{name}: {len(runs)} seeds in {seconds:.0f} s", highlight=False)
        ordered = {search_name: results[search_name] for search_name in SEARCHES if search_name in results}
        yield {"reference_point": table.objectives.reference_point, "searches": ordered}


def compute_quartiles(runs: List[Dict[str, Any]], share: float, measure: str) -> List[float]:
    """Return the quartiles of a measure over runs; infinity if too few runs reached the share."""
    results = [run[str(share)] for run in runs]
    values = sorted(result[measure] if result else np.inf for result in results)
    return [float(values[round(part * (len(values) - 1))]) for part in (0.25, 0.5, 0.75)]


def make_table(results: Dict[str, Any], measure: str) -> RichTable:
    """Return a table of medians and quartiles."""
    title = f"{measure}, to a share of the exact hypervolume"
    table = RichTable("search", *(f"{100 * share:g} %" for share in SHARES), title=title, title_justify="left")
    for name, search in results["searches"].items():
        rows = [compute_quartiles(search["runs"], share, measure) for share in SHARES]
        table.add_row(name, *(f"{middle:,.0f} ({low:,.0f}-{high:,.0f})" for low, middle, high in rows))
    return table


def plot(results: Dict[str, Any], path: Path) -> None:
    """Plot the medians of the computation, with quartiles as bars; shares that were not reached are left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    for number, (name, search) in enumerate(results["searches"].items()):
        rows = np.array([compute_quartiles(search["runs"], share, "computation") for share in SHARES])
        low, middle, high = np.where(np.isfinite(rows), rows, np.nan).T
        place = np.arange(len(SHARES)) + 0.1 * (number - len(results["searches"]) / 2)
        axes.errorbar(place, middle, [middle - low, high - middle], fmt="o", ms=4, capsize=2, label=name)
    axes.set_xticks(np.arange(len(SHARES)))
    axes.set_xticklabels([f"{100 * share:g} %" for share in SHARES])
    axes.set(yscale="log", xlabel="of the exact hypervolume", ylabel="computation, in single evaluations")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(str(path), dpi=130)
    pyplot.close(figure)


def main() -> None:
    """Run the searches, write and plot their results, and print the tables."""
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
    for results in measure(options.space, seeds, options.searches, known, console):
        path.write_text(json.dumps({**setting, **results}) + "\n")
        plot(results, path.with_suffix(".png"))
    for name in MEASURES:
        console.print(make_table(results, name))


if __name__ == "__main__":
    main()
