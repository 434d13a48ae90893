"""Rankings by shared weights, compared with the EPEs of children that were trained alone."""

from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage.files import write_csv
from edgeflownas.storage.pairs import Identities
from search.ranking.agreement import Figure, compute_figures, find_inversions
from search.ranking.reliability import correct_tau
from search.ranking.truth import Truth

_INVERSIONS = 5  # number of largest inversions that are listed


class Ranking(NamedTuple):
    """The children as ranked by one set of weights.

    Attributes:
        weights: Path of the weights.
        epoch: Epoch of the weights; None if the file does not contain it.
        recalibrated: Whether BN statistics were recalibrated for each architecture, or are shared by all.
        epe: EPEs with these weights, in pixels, shape [n].
        figures: Figures of agreement with the truth, by name.
        corrected_tau: Kendall's tau corrected for the noise of the truth; None if the noise is not known or exceeds the
            differences between the children.
        clear_tau: Kendall's tau over the pairs whose true EPEs differ by more than twice the noise in their difference;
            None if the noise is not known or no pair is clear.
        clear_pairs: Number of such pairs.
    """

    weights: Path
    epoch: Optional[int]
    recalibrated: bool
    epe: np.ndarray
    figures: Dict[str, Figure]
    corrected_tau: Optional[Figure]
    clear_tau: Optional[float]
    clear_pairs: int


def rank_children(
    truth: Truth, weights: Path, epoch: Optional[int], recalibrated: bool, epe: Sequence[float]
) -> Ranking:
    """Compare the EPEs of one set of weights with the truth.

    Raises:
        InputError: An EPE is not finite, or all EPEs are equal.
    """
    if not np.isfinite(epe).all():
        raise InputError(f"weights {weights}: an EPE is not finite; leave these weights out")
    try:
        figures = compute_figures(epe, truth.epe.tolist(), top=max(1, len(truth.epe) // 4))
    except ValueError:
        raise InputError(
            f"weights {weights}: all architectures have the same EPE; leave these weights out"
        ) from None
    predicted = np.asarray(epe)
    reliability, corrected = truth.reliability, None
    if reliability is not None and reliability.mean.value > 0:
        corrected = correct_tau(figures["kendall_tau"], reliability.mean.value)
    tau, pairs = None, 0
    if truth.noise is not None:
        first, second = np.triu_indices(len(predicted), 1)
        gaps = truth.epe[first] - truth.epe[second]
        clear = np.abs(gaps) > 2 * truth.gap_noise[first, second]
        pairs = int(clear.sum())
        if pairs:
            tau = float(np.mean((np.sign(gaps) * np.sign(predicted[first] - predicted[second]))[clear]))
    return Ranking(weights, epoch, recalibrated, predicted, figures, corrected, tau, pairs)


def find_last(rankings: Sequence[Mapping[str, Any]], recalibrated: bool) -> Optional[Mapping[str, Any]]:
    """Return the last of the rankings, as in ``rank.json``, with recalibrated or with shared BN statistics."""
    matches = [ranking for ranking in rankings if ranking["recalibrated"] is recalibrated]
    return matches[-1] if matches else None


def as_json(
    space: Space, truth: Truth, rankings: Sequence[Ranking], zero_flow_epe: float, pairs: Optional[Identities] = None
) -> Dict[str, Any]:
    """Return the content of ``rank.json`` as plain Python types.

    Args:
        space: Search space.
        truth: Children that the rankings are compared with.
        rankings: Rankings by the supernet.
        zero_flow_epe: EPE of predicting no motion, in pixels.
        pairs: Fingerprints of the pairs that the supernet is scored with; None for drawn scenes.
    """
    reliability = truth.reliability
    return {
        "pairs": pairs or {},
        "n": len(truth.architectures),
        "architectures": [space.format(architecture) for architecture in truth.architectures],
        "zero_flow_epe": zero_flow_epe,
        "children": {
            "mean": float(truth.epe.mean()),
            "deviation": float(truth.epe.std(ddof=1)),
            "epe": truth.epe.tolist(),
            "seeds": [sum(architecture in seed for seed in truth.seeds) for architecture in truth.architectures],
        },
        "noise": {
            "px": truth.noise,
            "n": truth.repeated,
            "seeds": len(truth.seeds),
            "tau": truth.tau_between_seeds,
            "attainable_tau": truth.attainable_tau,
            "intraclass": reliability and {name: item._asdict() for name, item in reliability._asdict().items()},
        },
        "rankings": [_ranking_as_json(space, truth, ranking) for ranking in rankings],
    }


def _ranking_as_json(space: Space, truth: Truth, ranking: Ranking) -> Dict[str, Any]:
    names = [space.format(architecture) for architecture in truth.architectures]
    inversions = find_inversions(ranking.epe.tolist(), truth.epe.tolist())
    return {
        "weights": str(ranking.weights),
        "epoch": ranking.epoch,
        "recalibrated": ranking.recalibrated,
        "mean_epe": float(ranking.epe.mean()),
        "epe": ranking.epe.tolist(),
        **{name: figure._asdict() for name, figure in ranking.figures.items()},
        "corrected_tau": None if ranking.corrected_tau is None else ranking.corrected_tau._asdict(),
        "clear_pairs": {"n": ranking.clear_pairs, "tau": ranking.clear_tau},
        "inversions": len(inversions),
        "largest_inversions": [
            {
                "better": names[inversion.first],
                "ranked_before_it": names[inversion.second],
                "better_by": inversion.after,
                "supernet_gap": inversion.before,
            }
            for inversion in inversions[:_INVERSIONS]
        ],
    }


def write_table(path: Path, space: Space, truth: Truth, rankings: Sequence[Ranking]) -> None:
    """Write ``rank.csv``: the mean EPE of each child, its EPE by seed, and its EPE with each file of weights."""
    rows = []
    for index, architecture in enumerate(truth.architectures):
        row = {"architecture": space.format(architecture), "child": truth.epe[index]}
        row.update({f"child {number}": seed.get(architecture, "") for number, seed in enumerate(truth.seeds, 1)})
        for ranking in rankings:
            label = f"{ranking.weights}{'' if ranking.recalibrated else ' not recalibrated'}"
            row[label] = ranking.epe[index]
        rows.append(row)
    write_csv(path, rows)
