"""Which architectures of a front are retrained: rules by name, each a function of the front and the settings alone."""

from typing import Callable, Dict, List, NamedTuple, Sequence

import numpy as np
from deap.tools import uniform_reference_points

from edgeflownas.progress import say
from search.nsga2 import objectives

# Directions in which a front is looked at for its knees: so many steps between each pair of objectives.
_STEPS = {1: 1, 2: 200, 3: 40, 4: 16, 5: 10}


class Front(NamedTuple):
    """A front as the rules see it, best first objective first.

    Attributes:
        points: objectives, less being better in each: [N, objectives].
        reference: the point that bounds the hypervolume, likewise: [objectives].
        epe: pixels [N].
        fps: inferences per second [N].
    """

    points: np.ndarray
    reference: np.ndarray
    epe: np.ndarray
    fps: np.ndarray


# Takes a front and how many to choose, at most N. Gives ascending indices.
Rule = Callable[[Front, int], List[int]]


def spread(front: Front, size: int) -> List[int]:
    """Equally spread along the front, both its ends included.

    Each objective is scaled to the front's own range, and the front is the line through its points in their order. The
    first and the last of K choices are its ends. The k-th in between is the point next to k / (K - 1) of the line's
    length, among those that lie behind the choice before and leave enough points for the choices to come; of two
    equally near ones the first. A single choice is the point with the best first objective.
    """
    points = _scaled(front.points)
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


def knee(front: Front, size: int) -> List[int]:
    """The knees: those that a user who weighs the objectives somehow would miss most.

    The expected marginal utility of Branke, Deb, Dierolf and Osswald ("Finding knees in multi-objective optimization",
    PPSN 2004): over evenly spread weightings of the objectives, each scaled to the front's own range, how much worse
    the second best point is than this one where this one is the best. Of equals the first; so where fewer points are
    best anywhere than are asked for, the others follow in their order.
    """
    points = _scaled(front.points)
    count = points.shape[1]
    cost = uniform_reference_points(count, _STEPS[count]) @ points.T  # [weightings, N]
    missed = np.zeros(len(points))
    if len(points) > 1:
        best = cost.argmin(axis=1)
        first, second = np.partition(cost, 1, axis=1)[:, :2].T
        np.add.at(missed, best, second - first)
    return _largest(missed, size)


def hypervolume(front: Front, size: int) -> List[int]:
    """The largest contributions to the hypervolume: each choice adds the most to those before; of equals the first.

    This greedy choice has at least 1 - 1/e = 63 % of the volume of the best one of this size, as the volume is
    submodular (Nemhauser, Wolsey and Fisher 1978).
    """
    chosen: List[int] = []
    while len(chosen) < size:
        volumes = [
            -1.0 if index in chosen else objectives.hypervolume(front.points[[*chosen, index]], front.reference)
            for index in range(len(front.points))
        ]
        chosen.append(int(np.argmax(volumes)))
    return sorted(chosen)


def fps_targets(front: Front, targets: Sequence[float]) -> List[int]:
    """For each target, the best EPE at no fewer frames per second; a target that nothing reaches is told and left out.

    Targets that have the same answer have it once, so there may be fewer than targets.
    """
    chosen = set()
    for target in targets:
        fast = np.flatnonzero(front.fps >= target)
        if len(fast):
            chosen.add(int(fast[front.epe[fast].argmin()]))
        else:
            say(f"queue.fps_targets: nothing on the front reaches {target:g} FPS, but at most {front.fps.max():.2f}")
    return sorted(chosen)


def _scaled(points: np.ndarray) -> np.ndarray:
    """Each objective from 0 to 1."""
    extent = np.ptp(points, axis=0)
    scaled: np.ndarray = (points - points.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    return scaled


def _largest(values: np.ndarray, size: int) -> List[int]:
    """Ascending indices of the largest values, of equals the first."""
    return sorted(int(index) for index in np.argsort(-values, kind="stable")[:size])


RULES: Dict[str, Rule] = {"spread": spread, "knee": knee, "hypervolume": hypervolume}  # that take a size
