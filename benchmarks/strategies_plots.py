"""Plots of ``benchmarks.strategies``."""

from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.strategies_runs import Supernet
from edgeflownas.storage.files import replacing
from search.ranking.truth import Truth

_DPI = 120
_COLOURS = ("tab:blue", "tab:orange", "tab:green")  # of the groups


def plot_scatter(path: Path, truth: Truth, supernets: Dict[str, List[Supernet]]) -> None:
    """Plot the children by the last weights of each supernet: a column per group, recalibration in the first row."""
    every = [supernet for runs in supernets.values() for supernet in runs]
    kinds = [kind for kind in (True, False) if any(supernet.last(kind) for supernet in every)]
    figure = Figure(figsize=(4.5 * len(supernets), 4.2 * len(kinds)), dpi=_DPI)
    panels = figure.subplots(len(kinds), len(supernets), squeeze=False)
    seeds = np.array([sum(child in seed for seed in truth.seeds) for child in truth.architectures])
    bars = None if truth.noise is None else truth.noise / np.sqrt(seeds)
    for row, recalibrated in zip(panels, kinds):
        for panel, (name, runs) in zip(row, supernets.items()):
            rankings = [(supernet.run.config.seed, supernet.last(recalibrated)) for supernet in runs]
            known = [(seed, last) for seed, last in rankings if last is not None]
            if not known:
                panel.set_axis_off()
                continue
            for seed, last in known:
                label = f"seed {seed}: tau {last.figures['kendall_tau']}"
                panel.errorbar(last.epe, truth.epe, bars, fmt="o", markersize=4, alpha=0.7, label=label)
            panel.set_title(f"{name}, {'recalibrated' if recalibrated else 'not recalibrated'}; n = {len(truth.epe)}")
            panel.set_xlabel("EPE with the supernet's weights, px")
            panel.set_ylabel("EPE trained alone, px")
            panel.legend(loc="best", fontsize=7)
    _write(path, figure)


def plot_trend(path: Path, supernets: Dict[str, List[Supernet]]) -> None:
    """Plot Kendall's tau over the training: the mean over seeds, with bars from the lowest to the highest."""
    figure = Figure(figsize=(7, 5), dpi=_DPI)
    panel = figure.subplots()
    for (name, runs), colour in zip(supernets.items(), _COLOURS):
        for recalibrated, style in ((True, "-o"), (False, "--x")):
            taus = _taus_by_paths(runs, recalibrated)
            if taus:
                paths = sorted(taus)
                means = np.array([np.mean(taus[number]) for number in paths])
                lows, highs = (np.array([end(taus[number]) for number in paths]) for end in (min, max))
                label = f"{name}, {'recalibrated' if recalibrated else 'not recalibrated'} ({len(runs)} seeds)"
                panel.errorbar(paths, means, [means - lows, highs - means], fmt=style, color=colour, label=label)
    panel.set_xlabel("paths trained")
    panel.set_ylabel("Kendall's tau")
    panel.legend(loc="best", fontsize=8)
    _write(path, figure)


def _taus_by_paths(runs: Sequence[Supernet], recalibrated: bool) -> Dict[int, List[float]]:
    """Return Kendall's taus of all seeds by the number of trained paths."""
    taus: Dict[int, List[float]] = {}
    for supernet in runs:
        by_paths = {
            supernet.paths[ranking.epoch]: ranking.figures["kendall_tau"].value
            for ranking in supernet.rankings
            if ranking.recalibrated is recalibrated and ranking.epoch in supernet.paths
        }
        for paths, tau in by_paths.items():
            taus.setdefault(paths, []).append(tau)
    return taus


def _write(path: Path, figure: Figure) -> None:
    for panel in figure.axes:
        panel.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        canvas.print_png(str(temporary))
