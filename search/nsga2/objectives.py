"""Objectives by name, non-dominated points, and the hypervolume."""

import math
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.config import Objective
from search.nsga2.archive import Archive

# Function that returns a figure of architectures by its name: "epe", or one of ``scoring.COST_FIGURES``.
Figures = Callable[[str], np.ndarray]


class Definition(NamedTuple):
    """An objective.

    Attributes:
        sign: Factor applied to the value, 1 or -1, so that lower is better.
        value: Function that computes the objective from either the EPE or the cost figures alone. Cost figures are
            known before an architecture is scored.
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
SIGNS: Dict[Objective, float] = {name: definition.sign for name, definition in DEFINITIONS.items()}


def compute_points(names: Sequence[Objective], figures: Figures) -> np.ndarray:
    """Return the points of architectures from their figures; lower is better: [architectures, objectives]."""
    return np.stack([SIGNS[name] * DEFINITIONS[name].value(figures) for name in names], axis=-1)


class Objectives:
    """The objectives of a search.

    Attributes:
        names: Names of the objectives.
        signs: Factor of each objective, 1 or -1, so that lower is better, shape [objectives].
        reference: Reference point of the hypervolume; lower is better in each objective, shape [objectives]. As long as
            it contains NaN, every hypervolume is 0.
    """

    def __init__(
        self, names: Sequence[Objective], reference_point: Optional[Mapping[Objective, float]] = None
    ) -> None:
        """Initialise the objectives from their names and reference values in their own units; None stands for NaN."""
        self.names = tuple(names)
        self.signs = np.array([SIGNS[name] for name in names])
        point = dict.fromkeys(names, np.nan) if reference_point is None else reference_point
        self.reference = self.signs * [point[name] for name in names]

    @property
    def reference_point(self) -> Dict[Objective, float]:
        """The reference value of each objective, in its own unit."""
        return dict(zip(self.names, (self.reference * self.signs).tolist()))

    def describe_reference(self) -> str:
        """Return the reference point in words, such as "epe 1.378, fps 125.1"."""
        return ", ".join(f"{name} {value:.5g}" for name, value in self.reference_point.items())

    def values(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """Return the objectives of rows, each in its own unit: [rows, objectives]."""
        return self.points(archive, rows) * self.signs

    def points(self, archive: Archive, rows: np.ndarray) -> np.ndarray:
        """Return the points of rows; lower is better in each objective: [rows, objectives]."""
        return compute_points(self.names, lambda figure: archive.column(figure)[rows])

    def hypervolume(self, points: np.ndarray) -> float:
        """Return the hypervolume of points [points, objectives]; lower is better in each objective."""
        return hypervolume(points, self.reference)


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that points dominate, up to a reference point.

    It depends only on the set of non-dominated points within the reference point, to the last bit.

    Args:
        points: Points, shape [points, objectives]; lower is better in each objective.
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


def find_worst_point(points: np.ndarray) -> np.ndarray:
    """Return the worst value of each objective, from which a hypervolume shows differences within the points.

    Where all points are equal in an objective, the value is 1 % worse, so that the hypervolume is not 0.

    Args:
        points: Points, at least one, shape [points, objectives]; lower is better in each objective.
    """
    worst = points.max(axis=0)
    return np.where(points.min(axis=0) < worst, worst, worst + 0.01 * np.abs(worst))


def find_nondominated(points: np.ndarray) -> np.ndarray:
    """Return the ascending indices of the non-dominated points, including duplicates; lower is better.

    Among the remaining points, the lexicographically first is non-dominated. It and its duplicates are kept, and all
    points that are not better than it in any objective are removed.
    """
    remaining = np.lexsort(points.T[::-1])
    if points.shape[1] == 2:
        return np.sort(remaining[_find_lowest_so_far(points[remaining])])
    kept = [remaining[:0]]
    while len(remaining):
        first, others = points[remaining[0]], points[remaining]
        kept.append(remaining[(others == first).all(axis=1)])
        remaining = remaining[(others < first).any(axis=1)]
    return np.sort(np.concatenate(kept))


def _find_lowest_so_far(points: np.ndarray) -> np.ndarray:
    """Return which points, sorted by two objectives, have a new minimum in the second and are thus non-dominated."""
    new = np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]  # differs from the previous point
    second = points[new, 1]
    lower = np.append(True, second[1:] < np.minimum.accumulate(second)[:-1])
    return np.asarray(lower[np.cumsum(new) - 1])


def find_dominated(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return which points are dominated by at least one of the points ``by``: bool [points]."""
    nowhere_worse = np.ones((len(points), len(by)), bool)
    somewhere_better = np.zeros_like(nowhere_worse)
    for value, other in zip(points.T, by.T):
        nowhere_worse &= other <= value[:, None]
        somewhere_better |= other < value[:, None]
    return np.asarray((nowhere_worse & somewhere_better).any(axis=1))


def select_first_fronts(points: np.ndarray, size: int) -> np.ndarray:
    """Return the ascending indices of the first non-dominated fronts that together have at least ``size`` points."""
    remaining = np.arange(len(points))
    selected = remaining[:0]
    while len(remaining) and len(selected) < size:
        front = find_nondominated(points[remaining])
        selected = np.concatenate([selected, remaining[front]])
        remaining = np.delete(remaining, front)
    return np.sort(selected)
