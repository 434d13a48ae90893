"""The operators of NSGA-II: DEAP's selections, and variation with a random generator that the caller owns.

Individuals are lists of ints, one option per gene. Reference: Deb et al., "A fast and elitist multiobjective genetic
algorithm: NSGA-II", 2002.
"""

import base64
import contextlib
import json
import random
from typing import Iterator, List, MutableSequence, Sequence

import numpy as np
from deap import base, tools

from edgeflownas.network.space import Architecture

_SWAPPED = 0.5  # probability that uniform crossover swaps a gene


class Fitness(base.Fitness):
    """Objectives and the violation of a constraint; a feasible individual dominates every infeasible one.

    A penalty on the objectives would have the same effect, but an infinite one makes crowding distances NaN.
    """

    def __init__(self, point: Sequence[float], violation: float) -> None:
        """Initialise the fitness from a point (lower is better in each objective) and a violation; 0: feasible."""
        self.weights = (-1.0,) * len(point)
        self.violation = violation
        super().__init__(tuple(point))

    def dominates(self, other: "Fitness", obj: slice = slice(None)) -> bool:
        """Return whether this fitness is better: by feasibility first, then by Pareto dominance."""
        if self.violation or other.violation:
            return self.violation < other.violation
        return bool(super().dominates(other, obj))


class Individual(List[int]):
    """A genotype with its fitness."""

    def __init__(self, genes: Sequence[int], fitness: Fitness) -> None:
        super().__init__(genes)
        self.fitness = fitness


@contextlib.contextmanager
def lend_to_deap(rng: random.Random) -> Iterator[None]:
    """Make DEAP, which uses the global random generator, draw from the given one while the block runs."""
    outside = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        rng.setstate(random.getstate())
        random.setstate(outside)


def dump_rng(rng: random.Random) -> str:
    """Return the state of a generator as JSON: version, words (32-bit little-endian, base64), pending Gaussian."""
    version, words, gaussian = rng.getstate()
    return json.dumps([version, base64.b64encode(np.array(words, "<u4").tobytes()).decode(), gaussian])


def load_rng(text: str) -> random.Random:
    """Create a generator from a dumped state.

    Raises:
        ValueError: The text is not a state.
    """
    rng = random.Random()
    try:
        version, words, gaussian = json.loads(text)
        rng.setstate((version, tuple(np.frombuffer(base64.b64decode(words), "<u4").tolist()), gaussian))
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not a state of a random generator: {error}") from None
    return rng


def select(individuals: Sequence[Individual], size: int) -> List[Individual]:
    """Select survivors, feasible ones by NSGA-II, then infeasible ones by violation; set their crowding distances."""
    feasible = [individual for individual in individuals if not individual.fitness.violation]
    # DEAP's faster sort fails with a single objective.
    several = any(len(individual.fitness.wvalues) > 1 for individual in feasible)
    selected: List[Individual] = tools.selNSGA2(feasible, size, nd="log" if several else "standard") if feasible else []
    infeasible = [individual for individual in individuals if individual.fitness.violation]
    for individual in infeasible:
        individual.fitness.crowding_dist = 0.0
    return selected + sorted(infeasible, key=lambda individual: individual.fitness.violation)[: size - len(selected)]


def mutate(
    individual: MutableSequence[int], options: Sequence[Sequence[int]], probability: float, rng: random.Random
) -> None:
    """Change genes to a different one of their ``options``, in place."""
    for gene, own in enumerate(options):
        if rng.random() < probability and len(own) > 1:
            others = [option for option in own if option != individual[gene]]
            individual[gene] = others[rng.randrange(len(others))]


def cross(first: MutableSequence[int], second: MutableSequence[int], rng: random.Random) -> None:
    """Apply uniform crossover: swap some of the genes of two individuals, in place."""
    for gene in range(len(first)):
        if rng.random() < _SWAPPED:
            first[gene], second[gene] = second[gene], first[gene]


class Variation:
    """Generates children."""

    def __init__(self, options: Sequence[Sequence[int]], crossover: float, mutation: float) -> None:
        """Initialise the variation.

        Args:
            options: Options of each gene.
            crossover: Probability that a pair of parents is crossed.
            mutation: Probability that a gene is changed.
        """
        self._options, self._crossover, self._mutation = options, crossover, mutation

    def generate_children(self, population: List[Individual], rng: random.Random) -> Iterator[Architecture]:
        """Generate children by crowded binary tournament, crossover and mutation.

        Their number is that of the population, rounded down to a multiple of four.
        """
        with lend_to_deap(rng):
            parents = tools.selTournamentDCD(population, len(population) // 4 * 4)
        for mother, father in zip(parents[::2], parents[1::2]):
            pair = list(mother), list(father)
            if rng.random() < self._crossover:
                cross(*pair, rng)
            for child in pair:
                mutate(child, self._options, self._mutation, rng)
                yield tuple(child)
