"""The architectures that a search can still request: they are feasible, and were neither requested nor scored."""

import random
import sys
from typing import Dict, Iterable, List, Sequence, Set, Union

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from search.nsga2.archive import Archive
from search.nsga2.counted import CountedSet
from search.nsga2.feasibility import Feasibility
from search.nsga2.listed import LARGEST, ListedSet
from search.nsga2.scoring import COST_FIGURES, CostModel, SummedCostModel, compute_costs, look_up_cost
from search.nsga2.subspace import Subspace, choose_integers

_DRAWS = 100  # times that architectures are drawn again in place of infeasible ones

FeasibleSet = Union[ListedSet, CountedSet]


class Candidates:
    """The architectures that can still be requested.

    Attributes:
        subspace: Architectures that are searched.
        feasible: The feasible ones of them.
    """

    def __init__(self, subspace: Subspace, feasible: FeasibleSet, archive: Archive) -> None:
        """Initialise the candidates; architectures may be added to the archive later."""
        self.subspace, self.feasible = subspace, feasible
        self._archive = archive
        self._pending: Set[Architecture] = set()
        self._taken = np.empty(0, int)  # sorted ranks of the first architectures of the archive
        self._seen = 0  # number of these architectures

    @property
    def count(self) -> int:
        """Number of architectures that can still be requested."""
        return self.feasible.size - len(self._take(self._pending))

    def __contains__(self, architecture: Architecture) -> bool:
        """Return whether an architecture can still be requested."""
        return bool(self.contains(np.array([architecture], np.uint8))[0])

    def contains(self, genes: np.ndarray) -> np.ndarray:
        """Return which architectures [N, genes] can still be requested, bool [N]."""
        found = self.feasible.contains(genes)
        for row in np.flatnonzero(found).tolist():
            architecture = tuple(genes[row].tolist())
            found[row] = architecture not in self._archive and architecture not in self._pending
        return found

    def add_pending(self, architectures: Iterable[Architecture]) -> None:
        """Exclude architectures that are being scored."""
        self._pending.update(architectures)

    def remove_pending(self, architectures: Iterable[Architecture]) -> None:
        """End the exclusion of architectures; those that were scored are in the archive."""
        self._pending.difference_update(architectures)

    def draw(self, count: int, excluded: Sequence[Architecture], rng: random.Random) -> List[Architecture]:
        """Draw architectures uniformly; fewer if there are not enough.

        Args:
            count: Number of architectures.
            excluded: Architectures that are not drawn.
            rng: Random generator.
        """
        taken = self._take({*self._pending, *excluded})
        drawn: List[Architecture] = []
        for _ in range(_DRAWS):
            free = self.feasible.size - len(taken)
            wanted = min(count - len(drawn), free)
            if wanted <= 0:
                break
            ranks = _skip(taken, _sample(free, wanted, rng))
            genes = self.feasible.genes_at(ranks)
            drawn += map(tuple, genes[self.feasible.contains(genes)].tolist())
            taken = _insert(taken, ranks)
        return drawn

    def _take(self, architectures: Set[Architecture]) -> np.ndarray:
        """Return the sorted ranks of the feasible architectures that are in the archive or given."""
        new = self._archive.column("genes")[self._seen :]
        self._seen += len(new)
        self._taken = _insert(self._taken, self._find_ranks(new))
        others = [architecture for architecture in architectures if architecture not in self._archive]
        return _insert(self._taken, self._find_ranks(np.array(others, np.uint8)))

    def _find_ranks(self, genes: np.ndarray) -> np.ndarray:
        ranks = self.feasible.ranks(genes.reshape(-1, len(self.subspace.options)))
        return np.sort(ranks[ranks >= 0])


def find_feasible(subspace: Subspace, table: CostModel, feasibility: Feasibility) -> FeasibleSet:
    """Find the feasible architectures of a subspace: listed if they are few enough, otherwise counted.

    Raises:
        InputError: No architecture is feasible, a cost is invalid, or the subspace is too large for its costs.
    """
    space = subspace.space
    if subspace.size <= LARGEST:
        genes = subspace.all()
        feasible: FeasibleSet = ListedSet(space, genes, compute_costs(space, table, genes), feasibility)
    elif isinstance(table, SummedCostModel):
        feasible = CountedSet(subspace, table.sums(), feasibility)
        if 0 < feasible.size <= LARGEST:
            genes = feasible.genes_at(np.arange(feasible.size))
            genes = genes[np.lexsort(genes.T[::-1])]
            feasible = ListedSet(space, genes, compute_costs(space, table, genes), feasibility)
    else:
        raise InputError(f"a space of {subspace.size:,} architectures needs a cost table whose costs are sums")
    if not feasible.size:
        nearest = feasible.nearest()
        cost = look_up_cost(space, table, nearest)
        figures = feasibility.describe_figures({name: getattr(cost, name) for name in COST_FIGURES})
        raise InputError(
            f"evolution.constraints: no architecture of the space has {feasibility.describe()}; the nearest, "
            f"{space.format(nearest)}, has {figures}: relax a constraint, or make network.width or the images smaller"
        )
    return feasible


def _sample(size: int, count: int, rng: random.Random) -> np.ndarray:
    """Draw different integers below a size."""
    if size <= sys.maxsize:
        return np.array(rng.sample(range(size), count), choose_integers(size))
    drawn: Dict[int, None] = {}
    while len(drawn) < count:
        drawn[rng.randrange(size)] = None
    return np.array(list(drawn), object)


def _skip(taken: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the ranks with the given numbers among those that are not in ``taken``, which is sorted."""
    return numbers + np.searchsorted(taken - np.arange(len(taken)), numbers, side="right")


def _insert(ranks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Merge sorted ranks."""
    return np.sort(np.concatenate([ranks, others]), kind="stable") if len(others) else ranks
