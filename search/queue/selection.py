"""Which architectures of a front are retrained: rules by name, each a function of the front alone."""

from typing import Callable, Dict, List

import numpy as np

# Takes points [N, objectives], less being better in each, best first objective first; and how many to choose, at most
# N. Gives ascending indices.
Rule = Callable[[np.ndarray, int], List[int]]


def spread(points: np.ndarray, size: int) -> List[int]:
    """Equally spread along the front, both its ends included.

    Each objective is scaled to the front's own range, and the front is the line through its points in their order. The
    first and the last of K choices are its ends. The k-th in between is the point next to k / (K - 1) of the line's
    length, among those that lie behind the choice before and leave enough points for the choices to come; of two
    equally near ones the first. A single choice is the point with the best first objective.
    """
    extent = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    steps = np.linalg.norm(np.diff(scaled, axis=0), axis=1)
    place = np.concatenate([[0.0], np.cumsum(steps)])
    if place[-1] == 0.0:  # all points are equal
        place = np.arange(len(points), dtype=float)
    chosen = [0]
    for k in range(1, size - 1):
        first, end = chosen[-1] + 1, len(points) - (size - 1 - k)
        distance = np.abs(place[first:end] - place[-1] * k / (size - 1))
        chosen.append(first + int(distance.argmin()))
    return [*chosen, len(points) - 1][:size]


RULES: Dict[str, Rule] = {"spread": spread}
