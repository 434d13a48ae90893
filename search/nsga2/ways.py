"""Counting of the ways to make one choice after another so that the sums of their steps stay within limits.

A dynamic program counts, for each position and each state, the ways to complete the choices. A state is the sum of the
steps so far, on each axis.
"""

import heapq
import math
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

_TRIES = 1000  # rejected ways after which the search for the lowest value ends

Chosen = Tuple[int, ...]
Slices = Tuple[slice, ...]


class Figure(NamedTuple):
    """A figure of ways that is combined from the values of their choices.

    Attributes:
        values: Values of the choices at each position, [choices] each; inf for a choice that must not be made.
        start: Value that the others are combined with.
        combine: Function that combines two values: np.add, np.maximum or np.minimum.
        end: Value that the result is combined with.
    """

    values: List[np.ndarray]
    start: float
    combine: np.ufunc
    end: float


class Ways:
    """All ways whose sums are within the limits, numbered in the order of their choices.

    Attributes:
        count: Number of ways.
    """

    def __init__(self, steps: Sequence[np.ndarray], sizes: Sequence[int], lowest: Sequence[int], dtype: type) -> None:
        """Count the ways.

        Args:
            steps: Non-negative steps of the choices at each position, integers [choices, axes] each.
            sizes: Number of sums within the limit on each axis; sums count from 0.
            lowest: Lowest sum within the limits on each axis, at least 0.
            dtype: Type of the counts.
        """
        self._steps, self._dtype = list(steps), dtype
        self._shape = tuple(max(size, 0) for size in sizes)
        counts: np.ndarray = np.zeros(self._shape, dtype)
        counts[tuple(slice(first, None) for first in lowest)] = 1
        self._counts = [counts]  # by position, after the last choice at the end
        for position in reversed(self._steps):
            counts = np.zeros(self._shape, dtype)
            for before, after in self._shifts(position):
                counts[before] += self._counts[0][after]
            self._counts.insert(0, counts)
        self.count = int(counts[(0,) * len(sizes)]) if counts.size else 0

    def rank(self, chosen: np.ndarray) -> np.ndarray:
        """Return the numbers of ways [N, positions], -1 for those beyond the limits: integers [N]."""
        ranks: np.ndarray = np.zeros(len(chosen), self._dtype)
        states = self._first_states(len(chosen))
        for place, (steps, counts) in enumerate(zip(self._steps, self._counts[1:])):
            for choice in range(len(steps)):
                ranks += np.where(choice < chosen[:, place], self._look_up(counts, states + steps[choice]), 0)
            states += steps[chosen[:, place]]
        return np.where(self._look_up(self._counts[-1], states) > 0, ranks, -1)

    def unrank(self, ranks: np.ndarray) -> np.ndarray:
        """Return the ways with the given numbers [N]: integers [N, positions]."""
        chosen, states = np.full((len(ranks), len(self._steps)), -1), self._first_states(len(ranks))
        left: np.ndarray = ranks.astype(self._dtype)
        for place, (steps, counts) in enumerate(zip(self._steps, self._counts[1:])):
            for choice in range(len(steps)):
                count = self._look_up(counts, states + steps[choice])
                is_open = chosen[:, place] < 0
                chosen[is_open & (left < count), place] = choice
                left = np.where(chosen[:, place] < 0, left - count, left)
            states += steps[chosen[:, place]]
        return chosen

    def find_lowest(self, figure: Figure, accept: Callable[[Chosen], bool]) -> Tuple[float, Optional[Chosen]]:
        """Find the way with the lowest figure, and the first of several, by a best-first search.

        Args:
            figure: The figure.
            accept: Function that returns whether a way is accepted.

        Returns:
            The figure and the way. Without a way, no accepted one has a lower figure than the one returned.
        """
        bounds = self._bound(figure)
        root = (0,) * len(self._shape)
        heap: List[Tuple[float, Chosen, Tuple[int, ...], float]] = [(-math.inf, (), root, figure.start)]
        tries = 0
        while heap and self.count:
            value, chosen, state, total = heapq.heappop(heap)
            place = len(chosen)
            if place < len(self._steps):
                for choice, steps in enumerate(self._steps[place].tolist()):
                    after = tuple(before + added for before, added in zip(state, steps))
                    if not all(a < size for a, size in zip(after, self._shape)):
                        continue
                    rest, own = bounds[place + 1][after], figure.values[place][choice]
                    if rest < math.inf and own < math.inf:
                        combined = float(figure.combine(total, own))
                        bound = float(figure.combine(combined, rest))
                        heapq.heappush(heap, (bound, (*chosen, choice), after, combined))
            elif accept(chosen):
                return value, chosen
            else:
                tries += 1
                if tries == _TRIES:
                    return value, None
        return math.inf, None

    def _bound(self, figure: Figure) -> List[np.ndarray]:
        """Return the lowest figure of the choices from each position on, by state; inf where there is no way."""
        bounds = [np.where(self._counts[-1] > 0, figure.end, np.inf)]
        for steps, values in zip(reversed(self._steps), reversed(figure.values)):
            lowest = np.full(self._shape, np.inf)
            for value, (before, after) in zip(values.tolist(), self._shifts(steps)):
                rest = bounds[0][after]
                if value < math.inf:
                    combined = np.where(rest < np.inf, figure.combine(value, rest), np.inf)
                    lowest[before] = np.minimum(lowest[before], combined)
            bounds.insert(0, lowest)
        return bounds

    def _first_states(self, count: int) -> np.ndarray:
        return np.zeros((count, len(self._shape)), np.intp)

    def _look_up(self, counts: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return the counts of states [N, axes], 0 for those beyond a limit: [N]."""
        inside = (states < self._shape).all(axis=1)
        found: np.ndarray = np.zeros(len(states), self._dtype)
        found[inside] = counts[tuple(states[inside].T)]
        return found

    def _shifts(self, steps: np.ndarray) -> Iterator[Tuple[Slices, Slices]]:
        """Yield, for each choice, the states before it and the same states after it."""
        for step in steps.tolist():
            yield (
                tuple(slice(0, max(size - added, 0)) for size, added in zip(self._shape, step)),
                tuple(slice(min(added, size), None) for size, added in zip(self._shape, step)),
            )
