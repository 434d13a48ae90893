"""The feasible architectures of a space as a list, for spaces that are small enough."""

from typing import Dict, Tuple

import numpy as np

from edgeflownas.config import Objective
from edgeflownas.network.space import Architecture, Space
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import DEFINITIONS, compute_points
from search.nsga2.subspace import number_architectures

LARGEST = 1 << 20  # architectures that may be listed


class ListedSet:
    """The feasible ones of some architectures, each with its costs.

    Attributes:
        size: Number of feasible architectures.
    """

    def __init__(self, space: Space, genes: np.ndarray, costs: Dict[str, np.ndarray], feasibility: Feasibility) -> None:
        """List the feasible architectures.

        Args:
            space: Space of the architectures.
            genes: Architectures in the order of their digits, uint8 [N, genes].
            costs: Costs of all of them by name, each [N].
            feasibility: Limits that the costs must satisfy.
        """
        violations = feasibility.violations(costs.__getitem__, len(genes))
        feasible = violations == 0
        self._space = space
        self._genes = genes[feasible]
        self._costs = {name: values[feasible] for name, values in costs.items()}
        self._numbers = number_architectures(self._genes, space.counts)
        self.size = len(self._genes)
        # The architecture that comes nearest to the limits.
        nearest = int(violations.argmin())
        self._nearest = tuple(genes[nearest].tolist())

    def ranks(self, genes: np.ndarray) -> np.ndarray:
        """Return the places of architectures [N, genes] in the list, -1 for those that are not feasible: [N]."""
        if not self.size:
            return np.full(len(genes), -1)
        numbers = number_architectures(genes, self._space.counts)
        places = np.searchsorted(self._numbers, numbers)
        places[places == self.size] = 0
        return np.where(self._numbers[places] == numbers, places, -1)

    def contains(self, genes: np.ndarray) -> np.ndarray:
        """Return which architectures [N, genes] are feasible, bool [N]."""
        return self.ranks(genes) >= 0

    def genes_at(self, ranks: np.ndarray) -> np.ndarray:
        """Return the architectures at places in the list, uint8 [N, genes]."""
        return self._genes[ranks]

    def costs(self, genes: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the costs of feasible architectures [N, genes] by name, each [N]."""
        ranks = self.ranks(genes)
        return {name: values[ranks] for name, values in self._costs.items()}

    def best(self, objective: Objective) -> Architecture:
        """Return the first architecture that is best in an objective other than the EPE."""
        points = compute_points([objective], self._costs.__getitem__)
        return tuple(self._genes[points[:, 0].argmin()].tolist())

    def cost_range(self, objective: Objective) -> Tuple[float, float]:
        """Return the lowest and the highest value of an objective other than the EPE."""
        values = DEFINITIONS[objective].value(self._costs.__getitem__)
        return float(values.min()), float(values.max())

    def nearest(self) -> Architecture:
        """Return the architecture that comes nearest to the limits."""
        return self._nearest
