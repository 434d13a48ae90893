"""Ranking of architectures by a second data set, compared with that by the data set of the run."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np

from edgeflownas.config import Objective
from edgeflownas.errors import InputError
from search.nsga2.objectives import compute_points, find_nondominated
from search.ranking.agreement import Figure, compute_figures


class SecondOpinion(NamedTuple):
    """EPEs of architectures with the weights of a supernet on two data sets.

    Attributes:
        rows: Digits, EPE on both data sets in pixels, costs and membership in both fronts of each architecture, sorted
            by the EPE on the second data set from best to worst.
        figures: Figures of agreement of the two rankings, by name.
    """

    rows: List[Dict[str, Any]]
    figures: Dict[str, Figure]


def compare_data_sets(
    names: Sequence[str],
    epes: Sequence[float],
    other_epes: Sequence[float],
    costs: Mapping[str, Sequence[float]],
    objectives: Sequence[Objective],
) -> SecondOpinion:
    """Compare the rankings of architectures by two data sets.

    Args:
        names: Digits of the architectures.
        epes: EPE of each architecture on the data set of the run, in pixels.
        other_epes: EPE of each architecture on the second data set, in pixels.
        costs: Cost figures of the architectures, by name.
        objectives: Objectives of the fronts.

    Raises:
        InputError: There are fewer than two architectures, or all have the same EPE.
    """
    try:
        figures = compute_figures(epes, other_epes, top=max(1, len(names) // 4))
    except ValueError:
        raise InputError("rank: fewer than two architectures with different EPEs; name others") from None
    fronts = []
    for column in (epes, other_epes):
        values: Dict[str, Any] = {**costs, "epe": column}
        points = compute_points(objectives, lambda figure, values=values: np.asarray(values[figure]))  # type: ignore[misc]
        fronts.append(set(find_nondominated(points).tolist()))
    rows = [
        {
            "architecture": name,
            "epe": epes[index],
            "other_epe": other_epes[index],
            **{figure: costs[figure][index] for figure in costs},
            "on_front": int(index in fronts[0]),
            "on_other_front": int(index in fronts[1]),
        }
        for index, name in enumerate(names)
    ]
    return SecondOpinion(sorted(rows, key=lambda row: (row["other_epe"], row["architecture"])), figures)
