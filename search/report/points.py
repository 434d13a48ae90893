"""All architectures of a run whose score is known, from the search or from an enumeration, as columns."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from edgeflownas.network.space import Space
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.scoring import COST_SOURCES
from search.report.chart import Table
from search.report.contents import Contents

ORIGINS = ("requested", "scored in addition", "enumerated only")


@dataclass(frozen=True)
class Points:
    """Scored architectures, one per row.

    Attributes:
        space: Space of the architectures.
        genes: Genes, uint8, shape [N, genes].
        columns: Columns of an archive without ``requested``, shape [N]; ``generation`` is -1 if the search did not
            score the architecture.
        origin: Reason for scoring, as an index into ``ORIGINS``, uint8, shape [N].
        front: Membership in the front of the search, or of the space if there was no search, bool, shape [N].
        exact: Membership in the exact front, all False if that is not known, bool, shape [N].
    """

    space: Space
    genes: np.ndarray
    columns: Dict[str, np.ndarray]
    origin: np.ndarray
    front: np.ndarray
    exact: np.ndarray

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(self.genes)

    def name(self, row: int) -> str:
        """Return the digits of an architecture."""
        return self.space.format(self.genes[row])

    def sort_by_fps(self, rows: np.ndarray) -> np.ndarray:
        """Return rows sorted by FPS."""
        return rows[np.argsort(self.columns["fps"][rows], kind="stable")]

    def most_informative_gene(self) -> int:
        """Return the gene with the largest share of the variance of EPE between its options."""
        epe, shares = self.columns["epe"], []
        for options in self.genes.T:
            means = [epe[options == option].mean() for option in np.unique(options)]
            sizes = [(options == option).sum() for option in np.unique(options)]
            shares.append(np.average((np.array(means) - epe.mean()) ** 2, weights=sizes))
        return int(np.argmax(shares))

    def table(self) -> Table:
        """Return all columns as a table, for the CSV file."""
        figures = [name for name in COLUMNS if name not in ("requested", "cost_source")]
        headings = ("architecture", *figures, "cost_source", "origin", "on_front", "on_exact_front")
        columns = [self.columns[name].tolist() for name in figures]
        rows = zip(
            [self.space.format(genes) for genes in self.genes],
            *columns,
            [COST_SOURCES[source] for source in self.columns["cost_source"]],
            [ORIGINS[origin] for origin in self.origin],
            self.front.astype(int).tolist(),
            self.exact.astype(int).tolist(),
        )
        return Table("All architectures with a score", headings, tuple(rows))


def collect_points(contents: Contents) -> Points:
    """Collect the architectures of a run that have an EPE: those of the search, then those only enumerated."""
    space = contents.run.space
    parts: List[Tuple[Archive, np.ndarray, np.ndarray]] = []  # archive, its rows, their origin
    front = exact = np.zeros(0, bool)
    if contents.archive is not None:
        archive = contents.archive
        rows = np.flatnonzero(np.isfinite(archive.column("epe")))
        parts.append((archive, rows, np.where(archive.column("requested")[rows], 0, 1)))
        front = np.isin(rows, contents.front(archive))
    if contents.exact is not None:
        archive = contents.exact
        searched = contents.archive
        rows = np.array(
            [
                row
                for row, architecture in enumerate(archive.architectures(range(len(archive))))
                if (searched is None or architecture not in searched) and np.isfinite(archive.column("epe")[row])
            ],
            int,
        )
        parts.append((archive, rows, np.full(len(rows), 2)))
    columns = {
        name: np.concatenate([archive.column(name)[rows] for archive, rows, _ in parts])
        for name in ("genes", *COLUMNS)
        if name != "requested"
    }
    origin = np.concatenate([origins for _, _, origins in parts]).astype(np.uint8)
    columns["generation"] = np.where(origin == ORIGINS.index("enumerated only"), -1, columns["generation"])
    genes = columns.pop("genes")
    exact = _is_on_front(genes, contents.exact, contents)
    front = np.concatenate([front, np.zeros(len(genes) - len(front), bool)]) if len(front) else exact
    return Points(space, genes, columns, origin, front, exact)


def _is_on_front(genes: np.ndarray, archive: Optional[Archive], contents: Contents) -> np.ndarray:
    """Mark the architectures that are on the front of an archive."""
    if archive is None:
        return np.zeros(len(genes), bool)
    members = set(archive.architectures(contents.front(archive)))
    return np.array([tuple(architecture) in members for architecture in genes.tolist()], bool)
