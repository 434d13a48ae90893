"""How well weights shared in a supernet rank architectures: supernet EPE against that of children trained alone."""

import csv
import io
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage.files import write_text
from search.ranking.agreement import Figure, compute_figures, find_inversions
from search.ranking.truth import Truth

_INVERSIONS = 5  # that are shown


class Ranking(NamedTuple):
    """What one set of weights says of the children.

    Attributes:
        weights: their file.
        epoch: that they are of; None where the file does not say.
        recalibrated: whether BN statistics were taken anew for each architecture, or are those of all.
        epe: with these weights, pixels; [n].
        figures: of agreement with the truth.
        clear_tau: Kendall's tau over those pairs alone whose true EPEs differ by more than twice the noise in their
            difference; None where the noise is not known, or no pair is clear.
        clear_pairs: how many these are.
    """

    weights: Path
    epoch: Optional[int]
    recalibrated: bool
    epe: np.ndarray
    figures: Dict[str, Figure]
    clear_tau: Optional[float]
    clear_pairs: int


def rank_children(
    truth: Truth, weights: Path, epoch: Optional[int], recalibrated: bool, epe: Sequence[float]
) -> Ranking:
    """Compares what weights say with the truth.

    Raises:
        InputError: they give an EPE that is not finite, or all the same one.
    """
    if not np.isfinite(epe).all():
        raise InputError(f"weights {weights}: give an EPE that is not finite; leave them out")
    try:
        found = compute_figures(epe, truth.epe.tolist(), top=max(1, len(truth.epe) // 4))
    except ValueError:
        raise InputError(f"weights {weights}: all architectures have the same EPE; leave them out") from None
    before = np.asarray(epe)
    tau, pairs = None, 0
    if truth.noise is not None:
        first, second = np.triu_indices(len(before), 1)
        gaps = truth.epe[first] - truth.epe[second]
        clear = np.abs(gaps) > 2 * truth.gap_noise[first, second]
        pairs = int(clear.sum())
        if pairs:
            tau = float(np.mean((np.sign(gaps) * np.sign(before[first] - before[second]))[clear]))
    return Ranking(weights, epoch, recalibrated, before, found, tau, pairs)


def find_last(rankings: Sequence[Mapping[str, Any]], recalibrated: bool) -> Optional[Mapping[str, Any]]:
    """Of rankings as in ``rank.json``, that by the last weights, with BN statistics taken anew or those of all."""
    chosen = [each for each in rankings if each["recalibrated"] is recalibrated]
    return chosen[-1] if chosen else None


def as_json(space: Space, truth: Truth, rankings: Sequence[Ranking], zero_flow_epe: float) -> Dict[str, Any]:
    """Everything, in plain types."""
    return {
        "n": len(truth.architectures),
        "architectures": [space.format(each) for each in truth.architectures],
        "zero_flow_epe": zero_flow_epe,
        "children": {
            "mean": float(truth.epe.mean()),
            "deviation": float(truth.epe.std(ddof=1)),
            "epe": truth.epe.tolist(),
            "seeds": [sum(each in seed for seed in truth.seeds) for each in truth.architectures],
        },
        "noise": {
            "px": truth.noise,
            "n": truth.repeated,
            "seeds": len(truth.seeds),
            "tau": truth.between_seeds,
            "attainable_tau": truth.attainable,
        },
        "rankings": [_ranking(space, truth, each) for each in rankings],
    }


def _ranking(space: Space, truth: Truth, ranking: Ranking) -> Dict[str, Any]:
    names = [space.format(each) for each in truth.architectures]
    wrong = find_inversions(ranking.epe.tolist(), truth.epe.tolist())
    return {
        "weights": str(ranking.weights),
        "epoch": ranking.epoch,
        "recalibrated": ranking.recalibrated,
        "mean_epe": float(ranking.epe.mean()),
        "epe": ranking.epe.tolist(),
        **{name: figure._asdict() for name, figure in ranking.figures.items()},
        "clear_pairs": {"n": ranking.clear_pairs, "tau": ranking.clear_tau},
        "inversions": len(wrong),
        "largest_inversions": [
            {
                "better": names[each.first],
                "ranked_before_it": names[each.second],
                "better_by": each.after,
                "supernet_gap": each.before,
            }
            for each in wrong[:_INVERSIONS]
        ],
    }


def write_table(path: Path, space: Space, truth: Truth, rankings: Sequence[Ranking]) -> None:
    """Writes ``rank.csv``: each child's EPE in the mean and by seed, and with each of the weights."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = [f"{each.weights}{'' if each.recalibrated else ' not recalibrated'}" for each in rankings]
    seeds = [f"child {number}" for number in range(1, len(truth.seeds) + 1)]
    writer.writerow(["architecture", "child", *seeds, *labels])
    for row, architecture in enumerate(truth.architectures):
        children = [seed.get(architecture, "") for seed in truth.seeds]
        writer.writerow([space.format(architecture), truth.epe[row], *children, *(each.epe[row] for each in rankings)])
    write_text(path, text.getvalue())
