"""All architectures that a run knows the score of, as columns."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from edgeflownas.network.space import Space
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.scoring import COST_SOURCES
from search.report.chart import Table
from search.report.contents import Contents

ORIGINS = ("asked for", "scored along", "enumerated only")


@dataclass(frozen=True)
class Points:
    """Architectures in rows.

    Attributes:
        space: that they are of.
        genes: uint8 [N, genes].
        columns: those of an archive [N], without ``requested``; ``generation`` is -1 where the search did not score.
        origin: how each came to be scored, its number in ``ORIGINS``, uint8 [N].
        front: whether it is on the front of the search; of the space where there was no search, bool [N].
        exact: whether it is on the exact front; all False where that is not known, bool [N].
    """

    space: Space
    genes: np.ndarray
    columns: Dict[str, np.ndarray]
    origin: np.ndarray
    front: np.ndarray
    exact: np.ndarray

    def __len__(self) -> int:
        """Number of architectures."""
        return len(self.genes)

    def name(self, row: int) -> str:
        """An architecture's digits."""
        return self.space.format(self.genes[row])

    def along(self, rows: np.ndarray) -> np.ndarray:
        """Rows in the order of their FPS."""
        return rows[np.argsort(self.columns["fps"][rows], kind="stable")]

    def telling_gene(self) -> int:
        """The gene whose options tell EPEs apart best: the largest share of the variance is between its options."""
        epe, shares = self.columns["epe"], []
        for options in self.genes.T:
            means = [epe[options == option].mean() for option in np.unique(options)]
            sizes = [(options == option).sum() for option in np.unique(options)]
            shares.append(np.average((np.array(means) - epe.mean()) ** 2, weights=sizes))
        return int(np.argmax(shares))

    def table(self) -> Table:
        """Everything, for the CSV."""
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
        return Table("All scored architectures", headings, tuple(rows))


def points(contents: Contents) -> Points:
    """The architectures of a run that have an EPE: those of the search, then what the enumeration adds."""
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
        known = contents.archive
        rows = np.array(
            [
                row
                for row, architecture in enumerate(archive.architectures(range(len(archive))))
                if (known is None or architecture not in known) and np.isfinite(archive.column("epe")[row])
            ],
            int,
        )
        parts.append((archive, rows, np.full(len(rows), 2)))
    columns = {
        name: np.concatenate([archive.column(name)[rows] for archive, rows, _ in parts])
        for name in ("genes", *COLUMNS)
        if name != "requested"
    }
    origin = np.concatenate([each for _, _, each in parts]).astype(np.uint8)
    columns["generation"] = np.where(origin == ORIGINS.index("enumerated only"), -1, columns["generation"])
    genes = columns.pop("genes")
    exact = _members(genes, contents.exact, contents)
    front = np.concatenate([front, np.zeros(len(genes) - len(front), bool)]) if len(front) else exact
    return Points(space, genes, columns, origin, front, exact)


def _members(genes: np.ndarray, archive: Optional[Archive], contents: Contents) -> np.ndarray:
    """Which architectures are on the front of an archive."""
    if archive is None:
        return np.zeros(len(genes), bool)
    members = set(archive.architectures(contents.front(archive)))
    return np.array([tuple(each) in members for each in genes.tolist()], bool)
