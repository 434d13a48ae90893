"""Summary of the comparison of strategies: A, B and C on the same children that were trained alone, with their costs.

    .venv/bin/python -m benchmarks.strategies --children results/strategies_c results/strategies_c2 \\
        --strict results/strategies_a results/strategies_a2 --uniform results/strategies_uniform \\
        --staged results/strategies_b --output results/reference/strategies

``--children`` are runs of strategy C; all but the first contain the same children with other seeds, and the truth is
their mean, as in ``rank``. ``--strict`` (A), ``--uniform`` (A, one random path per step) and ``--staged`` (B) are runs
of supernets, one per seed, each with a ``rank.json`` that ``rank`` wrote for these children.

The selection of a supernet is the front of the children by its own EPEs. The summary gives the share of the true
front's hypervolume that it has by the true EPEs. The reference point is the children's worst EPE and lowest FPS: from a
distant one all fronts dominate most of the volume. C selects by the EPEs of one seed. "random" is the mean over random
orders of the children, that is, the share without any knowledge of the EPE. B's training time excludes the scoring
between its stages.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.strategies_plots import plot_scatter, plot_trend
from benchmarks.strategies_runs import Children, Supernet, open_run, read_supernet
from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_json
from search.ranking.agreement import Figure
from search.ranking.truth import Truth, read_truth
from search.strategies import staged

GROUPS = {"strict": "A", "uniform": "A, uniform", "staged": "B"}


def main() -> None:
    """Write the summary and its plots, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--children", type=Path, nargs="+", required=True, help="runs of C, one per seed")
    for group in GROUPS:
        parser.add_argument(f"--{group}", type=Path, nargs="*", default=[], help="runs, one per seed")
    parser.add_argument("--output", type=Path, required=True, help="folder")
    options = parser.parse_args()
    try:
        summary, supernets, truth = summarize(options.children, {group: getattr(options, group) for group in GROUPS})
    except InputError as error:
        parser.exit(1, f"{error}\n")
    write_json(options.output / "strategies.json", summary)
    if supernets:
        plot_scatter(options.output / "scatter.png", truth, supernets)
        plot_trend(options.output / "trend.png", supernets)
    _print(summary)


def summarize(
    children: Sequence[Path], groups: Mapping[str, Sequence[Path]]
) -> Tuple[Dict[str, Any], Dict[str, List[Supernet]], Truth]:
    """Read all runs, and return the summary for JSON, the supernets by group, and the truth.

    Raises:
        InputError: A run is missing or not finished, or was not ranked with these children.
    """
    first = open_run(children[0])
    truth = read_truth(first, [folder / "queue" for folder in children])
    known = Children(first, truth)
    supernets = {
        name: [read_supernet(folder, truth) for folder in folders] for name, folders in groups.items() if folders
    }
    alone = {
        "strategy": "C", "run": str(children[0]), "seed": first.config.seed,
        **known.evaluate_selection(np.array([truth.seeds[0][child] for child in truth.architectures])),
        "train_s": known.train_s, "search_s": 0.0, "tau": None,
    }  # fmt: skip
    rows = [_make_row(GROUPS[name], supernet, known) for name, runs in supernets.items() for supernet in runs]
    summary = {
        "n": len(known.names),
        "truth": {**known.evaluate_selection(truth.epe), "seeds": len(truth.seeds)},
        "noise": {
            "px": truth.noise, "n": truth.repeated, "tau": truth.tau_between_seeds,
            "attainable_tau": truth.attainable_tau,
        },
        "random": known.evaluate_random_selections(),
        "strategies": [*rows, alone],
        "tau": {name: _summarize_taus(runs) for name, runs in supernets.items()},
    }  # fmt: skip
    return summary, supernets, truth


def _make_row(strategy: str, supernet: Supernet, known: Children) -> Dict[str, Any]:
    """Return a row of the table of strategies."""
    run, last = supernet.run, supernet.last(True)
    assert last is not None
    row = {
        "strategy": strategy, "run": str(run.folder), "seed": run.config.seed, **known.evaluate_selection(last.epe),
        "train_s": supernet.train_s, "search_s": supernet.search_s,
        "tau": last.figures["kendall_tau"]._asdict(),
    }  # fmt: skip
    if strategy == GROUPS["staged"]:
        kept = set(map(run.space.format, staged.read_kept(run).architectures(run.space)))
        row["children_kept"] = sum(name in kept for name in known.names)
    return row


def _summarize_taus(runs: Sequence[Supernet]) -> Dict[str, Any]:
    """Return Kendall's tau and its interval for the last weights of each seed, and mean and deviation of all taus."""
    summary: Dict[str, Any] = {}
    for name, recalibrated in (("recalibrated", True), ("not_recalibrated", False)):
        last = [supernet.last(recalibrated) for supernet in runs]
        taus = [ranking.figures["kendall_tau"] for ranking in last if ranking is not None]
        values = [tau.value for tau in taus]
        if values:
            summary[name] = {
                "seeds": [tau._asdict() for tau in taus],
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                "clear_pairs": [ranking.clear_pairs for ranking in last if ranking is not None],
                "clear_tau": [ranking.clear_tau for ranking in last if ranking is not None],
            }
    return summary


def _print(summary: Dict[str, Any]) -> None:
    """Print the tables in Markdown."""
    noise, truth = summary["noise"], summary["truth"]
    table = Table(box=box.MARKDOWN)
    for heading in ("strategy", "seed", "front", "share", "training s", "search s", "tau (95 %)"):
        table.add_column(heading, no_wrap=True)
    for row in summary["strategies"]:
        table.add_row(
            row["strategy"], str(row["seed"]), " ".join(row["front"]), f"{row['share']:.4f}", f"{row['train_s']:.0f}",
            "" if row["search_s"] is None else f"{row['search_s']:.0f}",
            "" if row["tau"] is None else str(Figure(**row["tau"])),
        )  # fmt: skip
    taus = Table(box=box.MARKDOWN)
    for heading in ("supernet", "BN", "seeds", "tau per seed (95 %)", "mean", "deviation"):
        taus.add_column(heading, no_wrap=True)
    for group, by_statistics in summary["tau"].items():
        for statistics, result in by_statistics.items():
            intervals = "; ".join(str(Figure(**tau)) for tau in result["seeds"])
            deviation = "" if result["deviation"] is None else f"{result['deviation']:.3f}"
            seeds = str(len(result["seeds"]))
            taus.add_row(group, statistics.replace("_", " "), seeds, intervals, f"{result['mean']:.3f}", deviation)
    console = Console(width=400, highlight=False)
    console.print(table, taus)
    print(f"n = {summary['n']}; seeds of the truth: {truth['seeds']}; true front: {' '.join(truth['front'])}.")
    random = summary["random"]
    print(f"At random: share {random['share']:.4f}.")
    if noise["px"] is not None:
        print(f"Noise: {noise['px']:.4f} px (n = {noise['n']}); attainable tau {noise['attainable_tau']:.3f}.")


if __name__ == "__main__":
    main()
