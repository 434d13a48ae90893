"""The pictures of ``benchmarks.strategies``."""

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


def scatter(path: Path, truth: Truth, supernets: Dict[str, List[Supernet]]) -> None:
    """Children by the last weights of each supernet: a column a group, recalibrated above, and not below."""
    ways = [way for way in (True, False) if any(each.last(way) for runs in supernets.values() for each in runs)]
    figure = Figure(figsize=(4.5 * len(supernets), 4.2 * len(ways)), dpi=_DPI)
    panels = figure.subplots(len(ways), len(supernets), squeeze=False)
    seeds = np.array([sum(each in seed for seed in truth.seeds) for each in truth.architectures])
    bars = None if truth.noise is None else truth.noise / np.sqrt(seeds)
    for row, way in zip(panels, ways):
        for panel, (name, runs) in zip(row, supernets.items()):
            lasts = [(each.run.config.seed, last) for each in runs for last in [each.last(way)] if last is not None]
            if not lasts:
                panel.set_axis_off()
                continue
            for seed, last in lasts:
                label = f"seed {seed}: tau {last.figures['kendall_tau']}"
                panel.errorbar(last.epe, truth.epe, bars, fmt="o", markersize=4, alpha=0.7, label=label)
            panel.set_title(f"{name}, {'recalibrated' if way else 'not recalibrated'}; n = {len(truth.epe)}")
            panel.set_xlabel("EPE with the supernet's weights, px")
            panel.set_ylabel("EPE trained alone, px")
            panel.legend(loc="best", fontsize=7)
    _write(path, figure)


def trend(path: Path, supernets: Dict[str, List[Supernet]]) -> None:
    """Kendall's tau over the training: the mean over seeds, bars from the lowest to the highest."""
    figure = Figure(figsize=(7, 5), dpi=_DPI)
    panel = figure.subplots()
    for (name, runs), colour in zip(supernets.items(), _COLOURS):
        for way, style in ((True, "-o"), (False, "--x")):
            taus = _taus(runs, way)
            if taus:
                places = sorted(taus)
                means = np.array([np.mean(taus[place]) for place in places])
                lows, highs = (np.array([end(taus[place]) for place in places]) for end in (min, max))
                label = f"{name}, {'recalibrated' if way else 'not recalibrated'} ({len(runs)} seeds)"
                panel.errorbar(places, means, [means - lows, highs - means], fmt=style, color=colour, label=label)
    panel.set_xlabel("paths trained")
    panel.set_ylabel("Kendall's tau")
    panel.legend(loc="best", fontsize=8)
    _write(path, figure)


def _taus(runs: Sequence[Supernet], recalibrated: bool) -> Dict[int, List[float]]:
    """By the number of paths that were trained."""
    found: Dict[int, List[float]] = {}
    for each in runs:
        own = {
            each.paths[ranking.epoch]: ranking.figures["kendall_tau"].value
            for ranking in each.rankings
            if ranking.recalibrated is recalibrated and ranking.epoch in each.paths
        }
        for place, tau in own.items():
            found.setdefault(place, []).append(tau)
    return found


def _write(path: Path, figure: Figure) -> None:
    for panel in figure.axes:
        panel.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        canvas.print_png(str(temporary))
