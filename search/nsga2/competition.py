"""The architectures of an archive that compete, with their front and its hypervolume, updated as it grows."""

from typing import Dict, Optional

import numpy as np

from search.nsga2.archive import Archive
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives, find_dominated, find_nondominated, find_worst_point


class Competition:
    """The architectures of an archive that did not fail and are feasible, that is, satisfy all limits on their costs.

    A dominated architecture stays dominated: of the rows seen before, only the front is compared again, until
    ``reset`` is called.
    """

    def __init__(self, archive: Archive, objectives: Objectives, feasibility: Feasibility) -> None:
        """Initialise the competition.

        Args:
            archive: Archive of the search; architectures may be added to it later.
            objectives: Objectives of the search.
            feasibility: Limits of the search.
        """
        self._archive, self._objectives, self._feasibility = archive, objectives, feasibility
        self.reset()

    def reset(self) -> None:
        """Discard all results; must be called when costs or scores have changed."""
        self._front, self._seen = np.empty(0, int), 0  # the front of the first rows, and their number
        self._volume: Optional[float] = None  # hypervolume of that front
        self._volumes: Dict[int, float] = {}  # hypervolume before a generation

    def violations(self, rows: np.ndarray) -> np.ndarray:
        """Return how far the architectures in the given rows are from being feasible, 0 if they are, shape [rows]."""
        return self._feasibility.violations(lambda name: self._archive.column(name)[rows], len(rows))

    def front(self) -> np.ndarray:
        """Return the rows of the non-dominated competitors, sorted by the first objective, best first."""
        self._update()
        return self._front[np.lexsort(self._points(self._front).T[::-1])]

    def hypervolume(self) -> float:
        """Return the hypervolume of all competitors."""
        self._update()
        if self._volume is None:
            self._volume = self._objectives.hypervolume(self._points(self._front))
        return self._volume

    def worst_point(self) -> Optional[np.ndarray]:
        """Return the worst point of all competitors, shape [objectives]; None if there are none."""
        rows = self._find_competing(0)
        return find_worst_point(self._points(rows)) if len(rows) else None

    def hypervolume_before(self, generation: int) -> float:
        """Return the hypervolume of the architectures scored before a generation, based on their current costs."""
        if generation not in self._volumes:
            rows = self._find_competing(0)
            rows = rows[self._archive.column("generation")[rows] < generation]
            self._volumes[generation] = self._objectives.hypervolume(self._points(rows))
        return self._volumes[generation]

    def record_hypervolume(self, generation: int, patience: int) -> None:
        """Store the hypervolume before the next generation, and drop the hypervolume that is no longer needed."""
        self._volumes[generation] = self.hypervolume()
        self._volumes.pop(generation - patience - 1, None)

    def best_epe(self) -> float:
        """Return the lowest EPE of all competitors, in pixels; infinity if there are none."""
        return float(self._archive.column("epe")[self._find_competing(0)].min(initial=np.inf))

    def _update(self) -> None:
        """Compare the rows that are new since the last call with the front."""
        new = self._find_competing(self._seen)
        self._seen = len(self._archive)
        new = new[find_nondominated(self._points(new))]
        new = new[~find_dominated(self._points(new), self._points(self._front))]
        if len(new):
            beaten = find_dominated(self._points(self._front), self._points(new))
            self._front, self._volume = np.concatenate([self._front[~beaten], new]), None

    def _find_competing(self, first: int) -> np.ndarray:
        """Return the rows from ``first`` on that did not fail and that are feasible."""
        rows = first + np.flatnonzero(np.isfinite(self._archive.column("epe")[first:]))
        return rows[self.violations(rows) == 0]

    def _points(self, rows: np.ndarray) -> np.ndarray:
        return self._objectives.points(self._archive, rows)
