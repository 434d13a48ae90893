"""Objectives by name, the non-dominated front, and the hypervolume."""

from typing import Dict, Sequence

import numpy as np
from deap.tools.indicator import hv

from edgeflownas.config import Objective
from search.archive import Archive

# What to multiply an objective with, so that less is better.
SIGNS: Dict[Objective, float] = {"epe": 1.0, "fps": -1.0, "latency_ms": 1.0, "sram_kib": 1.0, "npu_cycles": 1.0}


class Objectives:
    """The objectives of a search.

    Attributes:
        names: columns of the archive.
        reference: the point that bounds the hypervolume, less being better in each: [objectives].
    """

    def __init__(self, names: Sequence[Objective], reference_point: Dict[Objective, float]) -> None:
        """Takes the objectives' names, and for each the value that bounds the hypervolume."""
        self.names = tuple(names)
        self.signs = np.array([SIGNS[name] for name in names])
        self.reference = self.signs * [reference_point[name] for name in names]

    def values(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """The objectives of some rows, each in its own unit: [rows, objectives]."""
        return np.stack([archive.column(name)[rows] for name in self.names], axis=1)

    def points(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """The objectives of some rows, less being better in each: [rows, objectives]."""
        return self.values(archive, rows) * self.signs

    def hypervolume(self, points: np.ndarray) -> float:
        """Volume that the points dominate, up to the reference point.

        It depends only on the set of non-dominated points within the reference point, to the last bit.
        """
        within = np.unique(points[(points < self.reference).all(axis=1)], axis=0)
        if not len(within):
            return 0.0
        return float(hv.hypervolume(within[nondominated(within)], self.reference))


def nondominated(points: np.ndarray) -> np.ndarray:
    """Indices, ascending, of the points that no other dominates; less is better, and equal points stay together.

    Of the points left, the lexicographically first is dominated by none. It and its equals are kept, and all that are
    better than it nowhere go.
    """
    left = np.lexsort(points.T[::-1])
    kept = [left[:0]]
    while len(left):
        first, others = points[left[0]], points[left]
        kept.append(left[(others == first).all(axis=1)])
        left = left[(others < first).any(axis=1)]
    return np.sort(np.concatenate(kept))


def first_fronts(points: np.ndarray, size: int) -> np.ndarray:
    """Indices, ascending, of the points in the first non-dominated fronts, as many fronts as hold ``size`` points."""
    left = np.arange(len(points))
    taken = left[:0]
    while len(left) and len(taken) < size:
        front = nondominated(points[left])
        taken = np.concatenate([taken, left[front]])
        left = np.delete(left, front)
    return np.sort(taken)
