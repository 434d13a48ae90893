"""The archive: every architecture ever scored, with its EPE, its cost, and how it came to be scored.

It is the one source of truth: population, front and hypervolume are read from it. Rows are never removed, and never
changed, save that a compiled cost takes the place of a predicted one. An architecture whose EPE is no number that an
EPE can be, or whose compiled cost cannot be, has failed: it is kept with EPE NaN, so that it is not asked again, and
is part of nothing else.
"""

from typing import AbstractSet, Dict, Iterable, List, Mapping, Sequence, Set, Union

import numpy as np

from edgeflownas.network.space import Architecture, Space
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES, Cost, Score

LARGEST_EPE = 1e6  # pixels; what is larger, though finite, spoils every mean and prediction that it is part of

# The columns beside the genes, as they are stored in files.
COLUMNS: Dict[str, type] = {
    "epe": np.float64,  # pixels; NaN: failed
    "fps": np.float64,
    "latency_ms": np.float64,
    "sram_kib": np.float64,
    "npu_cycles": np.float64,
    "generation": np.int32,  # in which it was scored
    "requested": np.bool_,  # asked for by the evolution, or scored along
    "cost_source": np.uint8,  # its number in COST_SOURCES
}


class Archive:
    """Rows of architectures of one space, found by row number or by architecture.

    Attributes:
        space: of the architectures.
        changed: rows that were changed since they were last saved; whoever saves them empties it.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.changed: Set[int] = set()
        self._length = 0
        # By place in the space: the row, or -1, and whether a backbone is scored. What a row takes is then its own.
        self._rows = np.full(space.size, -1, np.int32)
        self._backbones = np.zeros(int(np.prod(space.counts[: space.backbone])), bool)
        self._columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        self._columns["genes"] = np.empty((0, len(space.genes)), np.uint8)

    @classmethod
    def restore(cls, space: Space, columns: Mapping[str, np.ndarray]) -> "Archive":
        """The archive that has these columns.

        Raises:
            ValueError: no archive has them.
        """
        archive = cls(space)
        genes = columns["genes"]
        for name, empty in archive._columns.items():
            if columns[name].dtype != empty.dtype or columns[name].shape != (len(genes),) + empty.shape[1:]:
                raise ValueError(f"archive/{name} has another type or shape")
        if (genes >= np.array(space.counts)).any():
            raise ValueError("archive/genes holds an option that its gene has not")
        for name in COST_FIGURES:
            if not (np.isfinite(columns[name]) & (columns[name] > 0)).all():
                raise ValueError(f"archive/{name} is not finite and positive")
        if (columns["cost_source"] >= len(COST_SOURCES)).any() or not _possible(columns["epe"]).all():
            raise ValueError("archive/cost_source or archive/epe holds an impossible value")
        archive._columns = {name: columns[name].copy() for name in archive._columns}
        indices = space.indices(genes)
        if len(np.unique(indices)) != len(indices):
            raise ValueError("archive/genes holds an architecture twice")
        archive._note(indices)
        return archive

    def __len__(self) -> int:
        """Number of architectures ever scored."""
        return self._length

    def __contains__(self, architecture: Architecture) -> bool:
        """Whether an architecture was ever scored."""
        try:
            return bool(self._rows[self.space.index(architecture)] >= 0)
        except LookupError:
            return False

    def row(self, architecture: Architecture) -> int:
        """The row of an architecture; KeyError if it was never scored."""
        if architecture not in self:
            raise KeyError(architecture)
        return int(self._rows[self.space.index(architecture)])

    def rows(self, genes: Union[np.ndarray, Sequence[Sequence[int]]]) -> np.ndarray:
        """The rows of architectures that were scored."""
        return self._rows[self.space.indices(genes)].astype(int)

    def column(self, name: str) -> np.ndarray:
        """A column, read-only: ``genes`` uint8 [N, genes], or one of ``COLUMNS`` [N]."""
        view = self._columns[name][: len(self)]
        view.flags.writeable = False
        return view

    def architectures(self, rows: Iterable[int]) -> List[Architecture]:
        """The architectures in some rows."""
        genes = self._columns["genes"]
        return [tuple(genes[row].tolist()) for row in rows]

    @property
    def evaluations(self) -> int:
        """Number of architectures that the evolution asked for."""
        return int(np.count_nonzero(self.column("requested")))

    @property
    def backbones(self) -> int:
        """Number of distinct backbones ever scored."""
        return int(np.count_nonzero(self._backbones))

    @property
    def failed(self) -> int:
        """Number of architectures whose EPE was no finite number."""
        return int(np.isnan(self.column("epe")).sum())

    def append(
        self, scores: Sequence[Score], costs: Sequence[Cost], generation: int, requested: AbstractSet[Architecture]
    ) -> None:
        """Adds architectures that were never scored before.

        Args:
            scores: architectures with their EPE. One that is not finite, negative or enormous is a failure.
            costs: one per score.
            generation: that they are scored in.
            requested: those that the evolution asked for.

        Raises:
            ValueError: an architecture is in the archive already, or stands twice in the scores; nothing is added.
        """
        indices = self.space.indices([architecture for architecture, _ in scores])
        known = np.flatnonzero(self._rows[indices] >= 0)
        if len(known):
            raise ValueError(f"architecture {self.space.format(scores[known[0]][0])} is in the archive already")
        if len(np.unique(indices)) != len(indices):
            raise ValueError("an architecture is to be archived twice")
        start, end = len(self), len(self) + len(scores)
        self._reserve(end)
        epe = np.array([epe for _, epe in scores], np.float64)
        added = {
            "genes": [architecture for architecture, _ in scores] or np.empty((0, len(self.space.genes))),
            "epe": np.where(_possible(epe), epe, np.nan),
            "generation": generation,
            "requested": [architecture in requested for architecture, _ in scores],
            "cost_source": [COST_SOURCES.index(cost.source) for cost in costs],
            **{name: [getattr(cost, name) for cost in costs] for name in COST_FIGURES},
        }
        for name, values in added.items():
            self._columns[name][start:end] = values
        self._note(indices)

    def replace_costs(self, rows: np.ndarray, costs: Sequence[Cost]) -> None:
        """Puts other costs, such as compiled ones, in the place of those in some rows."""
        for name in COST_FIGURES:
            self._columns[name][rows] = [getattr(cost, name) for cost in costs]
        self._columns["cost_source"][rows] = [COST_SOURCES.index(cost.source) for cost in costs]
        self.changed.update(rows.tolist())

    def fail(self, rows: np.ndarray) -> None:
        """Takes the EPE of architectures that turn out to be wrong."""
        self._columns["epe"][rows] = np.nan
        self.changed.update(rows.tolist())

    def _note(self, indices: np.ndarray) -> None:
        """Makes the next rows known, which are of architectures at these places in the space."""
        self._rows[indices] = np.arange(len(self), len(self) + len(indices))
        self._backbones[indices // (len(self._rows) // len(self._backbones))] = True
        self._length += len(indices)

    def _reserve(self, length: int) -> None:
        """Makes room for so many rows; doubling keeps the cost of a row constant."""
        for name, column in self._columns.items():
            if len(column) < length:
                larger = np.empty((max(length, 2 * len(column), 1024),) + column.shape[1:], column.dtype)
                larger[: len(self)] = column[: len(self)]
                self._columns[name] = larger


def _possible(epe: np.ndarray) -> np.ndarray:
    """Which values a column of EPE may hold: lengths of motion, and NaN."""
    with np.errstate(invalid="ignore"):
        return np.isnan(epe) | ((epe >= 0) & (epe <= LARGEST_EPE))
