"""Rules that select the architectures of a front to retrain, as functions of the front and the settings only."""

from typing import Callable, Dict, List, NamedTuple, Sequence

import numpy as np
from deap.tools import uniform_reference_points

from edgeflownas.progress import say
from search.nsga2 import objectives

# Number of steps between each pair of objectives in the grid of weightings that the rule knee uses.
_STEPS = {1: 1, 2: 200, 3: 40, 4: 16, 5: 10}


class Front(NamedTuple):
    """A front, sorted by the first objective from best to worst.

    Attributes:
        points: Objectives to minimise, shape [N, objectives].
        reference: Reference point of the hypervolume, shape [objectives].
        epe: End-point error, in pixels, shape [N].
        fps: Inferences per second, shape [N].
    """

    points: np.ndarray
    reference: np.ndarray
    epe: np.ndarray
    fps: np.ndarray


# A function of a front and the number of architectures to select, at most N. Returns indices in ascending order.
Rule = Callable[[Front, int], List[int]]


def select_spread(front: Front, size: int) -> List[int]:
    """Select points equally spaced along the front, including both ends.

    Each objective is scaled to the range of the front, and the front is treated as the line through its points in their
    order. The first and the last of K selected points are the ends. The k-th in between is the point nearest to
    k / (K - 1) of the line's length, among the points after the previous selected one that leave enough points for the
    remaining ones; ties go to the first point. A single selected point is the one with the best first objective.
    """
    points = _scale(front.points)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    place = np.concatenate([[0.0], np.cumsum(steps)])
    if place[-1] == 0.0:  # all points are equal
        place = np.arange(len(points), dtype=float)
    chosen = [0]
    for k in range(1, size - 1):
        first, end = chosen[-1] + 1, len(points) - (size - 1 - k)
        distance = np.abs(place[first:end] - place[-1] * k / (size - 1))
        chosen.append(first + int(distance.argmin()))
    return [*chosen, len(points) - 1][:size]


def select_knees(front: Front, size: int) -> List[int]:
    """Select the knees: the points with the largest expected marginal utility.

    Marginal utility follows Branke, Deb, Dierolf and Osswald ("Finding knees in multi-objective optimization", PPSN
    2004). The objectives are scaled to the range of the front and weighted in evenly spaced ways. For each weighting
    under which a point is the best, its utility grows by the distance to the second best. Ties go to the first point,
    so if fewer points than requested are ever the best, further points follow in their order.
    """
    points = _scale(front.points)
    count = points.shape[1]
    cost = uniform_reference_points(count, _STEPS[count]) @ points.T  # [weightings, N]
    utility = np.zeros(len(points))
    if len(points) > 1:
        best = cost.argmin(axis=1)
        first, second = np.partition(cost, 1, axis=1)[:, :2].T
        np.add.at(utility, best, second - first)
    return _find_largest(utility, size)


def select_by_hypervolume(front: Front, size: int) -> List[int]:
    """Select greedily the points that add the most hypervolume to those already selected; ties go to the first.

    The selection has at least 1 - 1/e = 63 % of the hypervolume of the best selection of this size, because
    hypervolume is submodular (Nemhauser, Wolsey and Fisher 1978).
    """
    chosen: List[int] = []
    while len(chosen) < size:
        volumes = [
            -1.0 if index in chosen else objectives.hypervolume(front.points[[*chosen, index]], front.reference)
            for index in range(len(front.points))
        ]
        chosen.append(int(np.argmax(volumes)))
    return sorted(chosen)


def select_by_fps(front: Front, targets: Sequence[float]) -> List[int]:
    """Select, for each target, the point with the best EPE at no fewer frames per second.

    A target that no point reaches is reported and left out. A point that several targets select is returned once.
    """
    chosen = set()
    for target in targets:
        fast = np.flatnonzero(front.fps >= target)
        if len(fast):
            chosen.add(int(fast[np.argmin(front.epe[fast])]))
        else:
            say(f"queue.fps_targets: no architecture reaches {target:g} FPS; the fastest has {front.fps.max():.2f} FPS")
    return sorted(chosen)


def _scale(points: np.ndarray) -> np.ndarray:
    """Scale each objective to the range from 0 to 1."""
    extent = np.ptp(points, axis=0)
    scaled: np.ndarray = (points - points.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    return scaled


def _find_largest(values: np.ndarray, size: int) -> List[int]:
    """Return the indices of the largest values in ascending order; ties go to the first."""
    return sorted(int(index) for index in np.argsort(-values, kind="stable")[:size])


# Rules that select a given number of points.
RULES: Dict[str, Rule] = {"spread": select_spread, "knee": select_knees, "hypervolume": select_by_hypervolume}
