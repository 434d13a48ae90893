"""The archive: every architecture ever scored, with its EPE, its cost and its origin.

The archive is the single source of truth: population, front and hypervolume are read from it. Rows are never removed,
and never changed, except that a compiled cost replaces a predicted one. An architecture has failed if its EPE or
its compiled cost is invalid. It is kept with EPE NaN, so that it is not requested again, and is ignored
otherwise.
"""

from typing import AbstractSet, Dict, Iterable, List, Mapping, Sequence, Set, Union

import numpy as np

from edgeflownas.network.space import Architecture, Space
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES, CostFigures, Score

LARGEST_EPE = 1e6  # pixels; even a finite larger EPE would spoil every mean and prediction that it contributes to

# The columns besides the genes, as they are stored in files.
COLUMNS: Dict[str, type] = {
    "epe": np.float64,  # pixels; NaN: failed
    "fps": np.float64,
    "latency_ms": np.float64,
    "sram_kib": np.float64,
    "npu_cycles": np.float64,
    "generation": np.int32,  # in which the architecture was scored
    "requested": np.bool_,  # requested by the evolution, or scored together with a requested architecture
    "cost_source": np.uint8,  # index in COST_SOURCES
}


class Archive:
    """Rows of architectures of one space, found by row number or by architecture.

    Attributes:
        space: Space of the architectures.
        changed: Rows that were changed since they were last saved; the code that saves them clears the set.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.changed: Set[int] = set()
        self._length = 0
        self._rows: Dict[bytes, int] = {}  # by the genes
        self._backbones: Set[bytes] = set()
        self._columns: Dict[str, np.ndarray] = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        self._columns["genes"] = np.empty((0, len(space.genes)), np.uint8)

    @classmethod
    def restore(cls, space: Space, columns: Mapping[str, np.ndarray]) -> "Archive":
        """Create an archive from its columns.

        Raises:
            ValueError: The columns are not those of a valid archive of the space.
        """
        archive = cls(space)
        genes = columns["genes"]
        for name, empty in archive._columns.items():
            if columns[name].dtype != empty.dtype or columns[name].shape != (len(genes),) + empty.shape[1:]:
                raise ValueError(f"archive/{name} has a wrong type or shape")
        if (genes >= np.array(space.counts)).any():
            raise ValueError("archive/genes contains an option that its gene does not have")
        for name in COST_FIGURES:
            if not (np.isfinite(columns[name]) & (columns[name] > 0)).all():
                raise ValueError(f"archive/{name} is not finite and positive")
        if (columns["cost_source"] >= len(COST_SOURCES)).any() or not _is_valid_epe(columns["epe"]).all():
            raise ValueError("archive/cost_source or archive/epe contains an invalid value")
        archive._columns = {name: columns[name].copy() for name in archive._columns}
        archive._register(genes)
        if len(archive._rows) != len(genes):
            raise ValueError("archive/genes contains an architecture twice")
        return archive

    def __len__(self) -> int:
        """Return the number of architectures ever scored."""
        return self._length

    def __contains__(self, architecture: Architecture) -> bool:
        """Return whether an architecture was ever scored."""
        try:
            return bytes(architecture) in self._rows
        except ValueError:  # not the options of genes
            return False

    def row(self, architecture: Architecture) -> int:
        """Return the row of an architecture.

        Raises:
            KeyError: The architecture was never scored.
        """
        if architecture not in self:
            raise KeyError(architecture)
        return self._rows[bytes(architecture)]

    def rows(self, genes: Union[np.ndarray, Sequence[Sequence[int]]]) -> np.ndarray:
        """Return the rows of architectures that were scored.

        Raises:
            KeyError: An architecture was never scored.
        """
        return np.array([self._rows[key] for key in _list_keys(np.array(genes, np.uint8))], int)

    def column(self, name: str) -> np.ndarray:
        """Return a read-only column: ``genes``, uint8 [N, genes], or one of ``COLUMNS``, [N]."""
        view = self._columns[name][: len(self)]
        view.flags.writeable = False
        return view

    def architectures(self, rows: Iterable[int]) -> List[Architecture]:
        """Return the architectures in the given rows."""
        genes = self._columns["genes"]
        return [tuple(genes[row].tolist()) for row in rows]

    @property
    def evaluations(self) -> int:
        """Number of architectures that the evolution requested."""
        return int(np.count_nonzero(self.column("requested")))

    @property
    def backbones(self) -> int:
        """Number of distinct backbones ever scored."""
        return len(self._backbones)

    @property
    def failed(self) -> int:
        """Number of architectures that failed."""
        return int(np.isnan(self.column("epe")).sum())

    def append(
        self,
        scores: Sequence[Score],
        costs: Sequence[CostFigures],
        generation: int,
        requested: AbstractSet[Architecture],
    ) -> None:
        """Add architectures that were never scored before.

        Args:
            scores: Architectures with their EPEs. A non-finite, negative or enormous EPE is a failure.
            costs: Cost of each architecture.
            generation: Generation in which the architectures were scored.
            requested: Architectures that the evolution requested.

        Raises:
            ValueError: An architecture is not in the space, is already in the archive, or occurs twice in the scores;
                nothing is added.
        """
        architectures = [architecture for architecture, _ in scores]
        genes = np.array(architectures, int).reshape(len(scores), len(self.space.genes))
        if (genes < 0).any() or (genes >= np.array(self.space.counts, int)).any():
            raise ValueError("an architecture is not in the space")
        for architecture in architectures:
            if architecture in self:
                raise ValueError(f"architecture {self.space.format(architecture)} is already in the archive")
        if len(set(architectures)) != len(architectures):
            raise ValueError("an architecture occurs twice in the scores")
        start, end = len(self), len(self) + len(scores)
        self._reserve(end)
        epe = np.array([epe for _, epe in scores], np.float64)
        added = {
            "genes": genes,
            "epe": np.where(_is_valid_epe(epe), epe, np.nan),
            "generation": generation,
            "requested": [architecture in requested for architecture in architectures],
            "cost_source": [COST_SOURCES.index(cost.source) for cost in costs],
            **{name: [getattr(cost, name) for cost in costs] for name in COST_FIGURES},
        }
        for name, values in added.items():
            self._columns[name][start:end] = values
        self._register(self._columns["genes"][start:end])

    def replace_costs(self, rows: np.ndarray, costs: Sequence[CostFigures]) -> None:
        """Replace the costs in the given rows, for example by compiled ones."""
        for name in COST_FIGURES:
            self._columns[name][rows] = [getattr(cost, name) for cost in costs]
        self._columns["cost_source"][rows] = [COST_SOURCES.index(cost.source) for cost in costs]
        self.changed.update(rows.tolist())

    def mark_failed(self, rows: np.ndarray) -> None:
        """Set the EPE of architectures to NaN."""
        self._columns["epe"][rows] = np.nan
        self.changed.update(rows.tolist())

    def _register(self, genes: np.ndarray) -> None:
        """Assign the next rows to architectures, uint8 [N, genes]."""
        for row, key in enumerate(_list_keys(genes), self._length):
            self._rows[key] = row
            self._backbones.add(key[: self.space.backbone])
        self._length += len(genes)

    def _reserve(self, length: int) -> None:
        """Make room for a number of rows; the capacity doubles, so that the cost of a row is constant."""
        for name, column in self._columns.items():
            if len(column) < length:
                larger = np.empty((max(length, 2 * len(column), 1024),) + column.shape[1:], column.dtype)
                larger[: len(self)] = column[: len(self)]
                self._columns[name] = larger


def _list_keys(genes: np.ndarray) -> List[bytes]:
    """Return the bytes of architectures, uint8 [N, genes], which identify them."""
    digits, length = genes.tobytes(), genes.shape[-1]
    return [digits[row * length : (row + 1) * length] for row in range(len(genes))]


def _is_valid_epe(epe: np.ndarray) -> np.ndarray:
    """Return which values are valid in the EPE column: from 0 to ``LARGEST_EPE``, and NaN."""
    with np.errstate(invalid="ignore"):
        return np.isnan(epe) | ((epe >= 0) & (epe <= LARGEST_EPE))
