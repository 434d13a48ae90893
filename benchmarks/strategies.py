"""Sums up the comparison of strategies: A, B and C on the same children that were trained alone, and what each cost.

    .venv/bin/python -m benchmarks.strategies --children results/strategies_c results/strategies_c2 \\
        --strict results/strategies_a results/strategies_a2 --uniform results/strategies_uniform \\
        --staged results/strategies_b --output results/reference/strategies

``--children`` are runs of strategy C, the others those of its first with other seeds; the truth is their mean, as in
``rank``. ``--strict`` (A), ``--uniform`` (A, one random path a step) and ``--staged`` (B) are runs of supernets, one
for each seed, each with a ``rank.json`` that ``rank`` has made with these children.

What a supernet would choose is the front of the children by its own EPE. Valued by their true EPE, it has a
hypervolume up to the reference point of the search, and a share of that of the true front. The tight share is that up
to the children's worst EPE and lowest FPS, which tells more: far beyond the children, fronts all share most of the
hypervolume. C chooses by one seed. "random" is the mean over random orders of the children: what is reached without
any knowledge of EPE. B's training time is without the scoring between its stages.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.strategies_plots import scatter, trend
from benchmarks.strategies_runs import Children, Supernet, opened, read_supernet
from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_json
from search.ranking.agreement import Figure
from search.ranking.truth import Truth, read_truth
from search.strategies import staged

GROUPS = {"strict": "A", "uniform": "A, uniform", "staged": "B"}


def main() -> None:
    """Writes the summary and its pictures, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--children", type=Path, nargs="+", required=True, help="runs of C, one a seed")
    for group in GROUPS:
        parser.add_argument(f"--{group}", type=Path, nargs="*", default=[], help="runs, one a seed")
    parser.add_argument("--output", type=Path, required=True, help="folder")
    given = parser.parse_args()
    try:
        summary, supernets, truth = summed_up(given.children, {group: getattr(given, group) for group in GROUPS})
    except InputError as error:
        parser.exit(1, f"{error}\n")
    write_json(given.output / "strategies.json", summary)
    if supernets:
        scatter(given.output / "scatter.png", truth, supernets)
        trend(given.output / "trend.png", supernets)
    _print(summary)


def summed_up(
    children: Sequence[Path], groups: Mapping[str, Sequence[Path]]
) -> Tuple[Dict[str, Any], Dict[str, List[Supernet]], Truth]:
    """Reads all runs; gives the summary for JSON, the supernets by group, and the truth.

    Raises:
        InputError: a run is missing, not finished, or was not ranked with these children.
    """
    first = opened(children[0])
    truth = read_truth(first, [folder / "queue" for folder in children])
    known = Children(first, truth)
    supernets = {
        name: [read_supernet(folder, truth) for folder in folders] for name, folders in groups.items() if folders
    }
    alone = {
        "strategy": "C", "run": str(children[0]), "seed": first.config.seed,
        **known.chosen(np.array([truth.seeds[0][each] for each in truth.architectures])),
        "train_s": known.train_s, "search_s": 0.0, "tau": None,
    }  # fmt: skip
    rows = [_row(GROUPS[name], each, known) for name, runs in supernets.items() for each in runs]
    summary = {
        "n": len(known.names),
        "truth": {**known.chosen(truth.epe), "seeds": len(truth.seeds)},
        "noise": {
            "px": truth.noise, "n": truth.repeated, "tau": truth.tau_between_seeds,
            "attainable_tau": truth.attainable_tau,
        },
        "random": known.at_random(),
        "strategies": [*rows, alone],
        "tau": {name: _spread(runs) for name, runs in supernets.items()},
    }  # fmt: skip
    return summary, supernets, truth


def _row(strategy: str, supernet: Supernet, known: Children) -> Dict[str, Any]:
    """A line of the table of strategies."""
    run, last = supernet.run, supernet.last(True)
    assert last is not None
    row = {
        "strategy": strategy, "run": str(run.folder), "seed": run.config.seed, **known.chosen(last.epe),
        "train_s": supernet.train_s, "search_s": supernet.search_s,
        "tau": last.figures["kendall_tau"]._asdict(),
    }  # fmt: skip
    if strategy == GROUPS["staged"]:
        kept = set(map(run.space.format, staged.read_kept(run).architectures(run.space)))
        row["children_kept"] = sum(name in kept for name in known.names)
    return row


def _spread(runs: Sequence[Supernet]) -> Dict[str, Any]:
    """Kendall's tau of some seeds by the last weights: each with its interval, and mean and deviation over seeds."""
    found: Dict[str, Any] = {}
    for name, recalibrated in (("recalibrated", True), ("not_recalibrated", False)):
        last = [each.last(recalibrated) for each in runs]
        taus = [ranking.figures["kendall_tau"] for ranking in last if ranking is not None]
        values = [tau.value for tau in taus]
        if values:
            found[name] = {
                "seeds": [tau._asdict() for tau in taus],
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                "clear_pairs": [ranking.clear_pairs for ranking in last if ranking is not None],
                "clear_tau": [ranking.clear_tau for ranking in last if ranking is not None],
            }
    return found


def _print(summary: Dict[str, Any]) -> None:
    """The tables, in Markdown."""
    noise, truth = summary["noise"], summary["truth"]
    table = Table(box=box.MARKDOWN)
    shares = ("share", "tight share")
    for heading in ("strategy", "seed", "front found", "hypervolume", *shares, "training s", "search s", "tau (95 %)"):
        table.add_column(heading, no_wrap=True)
    for row in summary["strategies"]:
        table.add_row(
            row["strategy"], str(row["seed"]), " ".join(row["front"]), f"{row['hypervolume']:.2f}",
            f"{row['share']:.4f}", f"{row['tight_share']:.4f}", f"{row['train_s']:.0f}",
            "" if row["search_s"] is None else f"{row['search_s']:.0f}",
            "" if row["tau"] is None else str(Figure(**row["tau"])),
        )  # fmt: skip
    taus = Table(box=box.MARKDOWN)
    for heading in ("supernet", "BN", "seeds", "tau of each (95 %)", "mean", "deviation"):
        taus.add_column(heading, no_wrap=True)
    for group, words in summary["tau"].items():
        for word, found in words.items():
            each = "; ".join(str(Figure(**tau)) for tau in found["seeds"])
            deviation = "" if found["deviation"] is None else f"{found['deviation']:.3f}"
            seeds = str(len(found["seeds"]))
            taus.add_row(group, word.replace("_", " "), seeds, each, f"{found['mean']:.3f}", deviation)
    console = Console(width=400, highlight=False)
    console.print(table, taus)
    print(f"n = {summary['n']}; the truth is of {truth['seeds']} seeds, its front {' '.join(truth['front'])}.")
    random = summary["random"]
    print(f"At random: share {random['share']:.4f}, tight share {random['tight_share']:.4f}.")
    if noise["px"] is not None:
        print(f"Noise: {noise['px']:.4f} px (n = {noise['n']}); attainable tau {noise['attainable_tau']:.3f}.")


if __name__ == "__main__":
    main()
