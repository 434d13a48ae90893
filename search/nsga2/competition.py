"""Who competes in an archive, which of these are on the front, and how much volume they dominate, kept up to date."""

from typing import Dict, Optional

import numpy as np

from edgeflownas.config import EvolutionConfig
from search.nsga2.archive import Archive
from search.nsga2.objectives import Objectives, find_dominated, find_nondominated


def resolve_sram_cap(config: EvolutionConfig, board_kib: Optional[float]) -> Optional[float]:
    """Return the largest SRAM peak allowed, in KiB: the configured one, or what the board has; None: no limit."""
    return board_kib if config.max_sram_kib is None else config.max_sram_kib


class Competition:
    """The architectures of an archive that did not fail and fit the cap.

    What is dominated stays so: of the rows before, only the front is looked at again, until ``forget`` is called.
    """

    def __init__(self, archive: Archive, objectives: Objectives, cap_kib: Optional[float]) -> None:
        """Takes an archive, which may grow, the objectives, and the largest SRAM peak; None: any fits."""
        self._archive, self._objectives, self._cap = archive, objectives, cap_kib
        self.forget()

    def forget(self) -> None:
        """Is to be called when costs or scores have changed."""
        self._front, self._seen = np.empty(0, int), 0  # the front among the first rows, and how many these are
        self._volume: Optional[float] = None  # of that front
        self._volumes: Dict[int, float] = {}  # before a generation

    def violations(self, rows: np.ndarray) -> np.ndarray:
        """By how many KiB the architectures of some rows exceed the cap."""
        sram = self._archive.column("sram_kib")[rows]
        return np.zeros(len(rows)) if self._cap is None else np.maximum(sram - self._cap, 0)

    def front(self) -> np.ndarray:
        """Rows of the archive that compete and are dominated by none that does, best first objective first."""
        self._update()
        return self._front[np.lexsort(self._points(self._front).T[::-1])]

    def hypervolume(self) -> float:
        """Of all that compete."""
        self._update()
        if self._volume is None:
            self._volume = self._objectives.hypervolume(self._points(self._front))
        return self._volume

    def hypervolume_before(self, generation: int) -> float:
        """Of all that was scored before a generation, by what is known of it now."""
        if generation not in self._volumes:
            rows = self._competing(0)
            rows = rows[self._archive.column("generation")[rows] < generation]
            self._volumes[generation] = self._objectives.hypervolume(self._points(rows))
        return self._volumes[generation]

    def remember(self, generation: int, patience: int) -> None:
        """Notes the hypervolume before the generation to come, and drops one that is out of date."""
        self._volumes[generation] = self.hypervolume()
        self._volumes.pop(generation - patience - 1, None)

    def best_epe(self) -> float:
        """The lowest EPE among all that compete, pixels; infinite if there is none."""
        return float(self._archive.column("epe")[self._competing(0)].min(initial=np.inf))

    def _update(self) -> None:
        """Lets the rows that are new since the last time compete with the front."""
        new = self._competing(self._seen)
        self._seen = len(self._archive)
        new = new[find_nondominated(self._points(new))]
        new = new[~find_dominated(self._points(new), self._points(self._front))]
        if len(new):
            beaten = find_dominated(self._points(self._front), self._points(new))
            self._front, self._volume = np.concatenate([self._front[~beaten], new]), None

    def _competing(self, first: int) -> np.ndarray:
        """Rows, from the first on, that did not fail and fit the cap."""
        rows = first + np.flatnonzero(np.isfinite(self._archive.column("epe")[first:]))
        return rows[self.violations(rows) == 0]

    def _points(self, rows: np.ndarray) -> np.ndarray:
        return self._objectives.points(self._archive, rows)
