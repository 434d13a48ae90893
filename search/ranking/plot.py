"""The picture of a ranking: children against supernet, and the trend over the training."""

from pathlib import Path
from typing import List, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edgeflownas.storage.files import replacing
from search.ranking.rank import Ranking
from search.ranking.truth import Truth

_DPI = 120


def plot(path: Path, truth: Truth, rankings: Sequence[Ranking]) -> None:
    """Writes a PNG: a scatter of the last weights, and tau by epoch where there are several."""
    epochs = sorted({each.epoch for each in rankings if each.epoch is not None})
    trend = len(epochs) > 1
    figure = Figure(figsize=(11 if trend else 5.5, 5), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if trend else 1, squeeze=False)[0]
    for recalibrated, marker in ((True, "o"), (False, "x")):
        chosen = [each for each in rankings if each.recalibrated is recalibrated]
        if not chosen:
            continue
        last = chosen[-1]
        tau = last.figures["kendall_tau"]
        word = "recalibrated BN" if recalibrated else "shared BN statistics"
        panels[0].scatter(last.epe, truth.epe, marker=marker, label=f"{word}: tau {tau}", alpha=0.8)
        if trend:
            _trend(panels[1], [each for each in chosen if each.epoch is not None], marker, word)
    panels[0].set_xlabel("EPE with the supernet's weights, px")
    panels[0].set_ylabel("EPE trained alone, px")
    panels[0].set_title(f"n = {len(truth.architectures)}; {last.weights.name}")
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.legend(loc="best", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        canvas.print_png(str(temporary))


def _trend(panel: Axes, rankings: List[Ranking], marker: str, word: str) -> None:
    """Tau by epoch, with its intervals."""
    found = sorted(rankings, key=lambda each: each.epoch or 0)
    taus = [each.figures["kendall_tau"] for each in found]
    errors = [[max(0.0, tau.value - tau.low) for tau in taus], [max(0.0, tau.high - tau.value) for tau in taus]]
    panel.errorbar([each.epoch for each in found], [tau.value for tau in taus], errors, marker=marker, label=word)
    panel.set_xlabel("epoch of the supernet's training")
    panel.set_ylabel("Kendall's tau, 95 % interval")
