"""Objectives by name, the non-dominated front, and the hypervolume."""

import math
from typing import Callable, Dict, NamedTuple, Sequence

import numpy as np

from edgeflownas.config import Objective
from search.nsga2.archive import Archive

# Gives a figure of some architectures by its name: "epe", or one of ``scoring.COST_FIGURES``.
Figures = Callable[[str], np.ndarray]


class Definition(NamedTuple):
    """An objective.

    Attributes:
        sign: what to multiply it with, so that less is better.
        value: of the EPE, or of figures of cost alone, which are known before an architecture is scored.
    """

    sign: float
    value: Callable[[Figures], np.ndarray]


DEFINITIONS: Dict[Objective, Definition] = {
    "epe": Definition(1.0, lambda figures: figures("epe")),
    "fps": Definition(-1.0, lambda figures: figures("fps")),
    "latency_ms": Definition(1.0, lambda figures: figures("latency_ms")),
    "sram_kib": Definition(1.0, lambda figures: figures("sram_kib")),
    "npu_cycles": Definition(1.0, lambda figures: figures("npu_cycles")),
}
SIGNS: Dict[Objective, float] = {name: each.sign for name, each in DEFINITIONS.items()}


def compute_points(names: Sequence[Objective], figures: Figures) -> np.ndarray:
    """The objectives of architectures from their figures, less being better in each: [architectures, objectives]."""
    return np.stack([SIGNS[name] * DEFINITIONS[name].value(figures) for name in names], axis=-1)


class Objectives:
    """The objectives of a search.

    Attributes:
        names: of them.
        reference: the point that bounds the hypervolume, less being better in each: [objectives].
    """

    def __init__(self, names: Sequence[Objective], reference_point: Dict[Objective, float]) -> None:
        """Takes the objectives' names, and for each the value that bounds the hypervolume."""
        self.names = tuple(names)
        self.signs = np.array([SIGNS[name] for name in names])
        self.reference = self.signs * [reference_point[name] for name in names]

    def values(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """The objectives of some rows, each in its own unit: [rows, objectives]."""
        return self.points(archive, rows) * self.signs

    def points(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """The objectives of some rows, less being better in each: [rows, objectives]."""
        return compute_points(self.names, lambda figure: archive.column(figure)[rows])

    def hypervolume(self, points: np.ndarray) -> float:
        """Return the hypervolume of points, of which less is better in each objective, [points, objectives]."""
        return hypervolume(points, self.reference)


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that points dominate, up to a reference point.

    It depends only on the set of non-dominated points within the reference point, to the last bit.

    Args:
        points: Points of which less is better in each objective, shape [points, objectives].
        reference: Reference point, shape [objectives].
    """
    within = np.unique(points[(points < reference).all(axis=1)], axis=0)
    if not len(within):
        return 0.0
    front = within[find_nondominated(within)]
    if front.shape[1] == 2:
        # Rounded once, so that it is equal to the last bit with any version of any library.
        heights = np.append(reference[1], front[:-1, 1]) - front[:, 1]
        return math.fsum((reference[0] - front[:, 0]) * heights)
    try:
        import moocore
    except ImportError:  # Python 3.7, where DEAP has a compiled hypervolume of its own
        from deap.tools._hypervolume import hv

        return float(hv.hypervolume(front, reference))
    return float(moocore.hypervolume(front, ref=reference))


def find_nondominated(points: np.ndarray) -> np.ndarray:
    """Indices, ascending, of the points that no other dominates; less is better, and equal points stay together.

    Of the points left, the lexicographically first is dominated by none. It and its equals are kept, and all that are
    better than it nowhere go.
    """
    left = np.lexsort(points.T[::-1])
    if points.shape[1] == 2:
        return np.sort(left[_lowest_so_far(points[left])])
    kept = [left[:0]]
    while len(left):
        first, others = points[left[0]], points[left]
        kept.append(left[(others == first).all(axis=1)])
        left = left[(others < first).any(axis=1)]
    return np.sort(np.concatenate(kept))


def _lowest_so_far(points: np.ndarray) -> np.ndarray:
    """Which of sorted points of two objectives are dominated by none: the second is less than in all before, bool."""
    new = np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]  # not equal to the one before
    second = points[new, 1]
    lower = np.append(True, second[1:] < np.minimum.accumulate(second)[:-1])
    return np.asarray(lower[np.cumsum(new) - 1])


def find_dominated(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Which points are dominated by one of others: bool [points]."""
    nowhere_worse = np.ones((len(points), len(by)), bool)
    somewhere_better = np.zeros_like(nowhere_worse)
    for mine, other in zip(points.T, by.T):
        nowhere_worse &= other <= mine[:, None]
        somewhere_better |= other < mine[:, None]
    return np.asarray((nowhere_worse & somewhere_better).any(axis=1))


def select_first_fronts(points: np.ndarray, size: int) -> np.ndarray:
    """Indices, ascending, of the points in the first non-dominated fronts, as many fronts as hold ``size`` points."""
    left = np.arange(len(points))
    taken = left[:0]
    while len(left) and len(taken) < size:
        front = find_nondominated(points[left])
        taken = np.concatenate([taken, left[front]])
        left = np.delete(left, front)
    return np.sort(taken)
