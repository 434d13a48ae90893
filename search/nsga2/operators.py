"""The operators of NSGA-II: DEAP's selections, and variation that draws from a generator that the caller owns.

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
    """Objectives, and by how much a constraint is violated: the feasible dominates the infeasible, whatever else.

    A penalty would do the same to the objectives, but an infinite one makes crowding distances NaN.
    """

    def __init__(self, point: Sequence[float], violation: float) -> None:
        """Takes a point, less being better in each objective, and a violation, 0 being none."""
        self.weights = (-1.0,) * len(point)
        self.violation = violation
        super().__init__(tuple(point))

    def dominates(self, other: "Fitness", obj: slice = slice(None)) -> bool:
        """Whether this is better: feasibility first, then Pareto dominance."""
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
    """Lets DEAP, which draws from the global generator, draw from this one."""
    outside = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        rng.setstate(random.getstate())
        random.setstate(outside)


def dump_rng(rng: random.Random) -> str:
    """The state of a generator as JSON: version, words (base64 of 32-bit little-endian), pending Gaussian."""
    version, words, gaussian = rng.getstate()
    return json.dumps([version, base64.b64encode(np.array(words, "<u4").tobytes()).decode(), gaussian])


def load_rng(text: str) -> random.Random:
    """The generator of a dumped state.

    Raises:
        ValueError: the text is no state.
    """
    rng = random.Random()
    try:
        version, words, gaussian = json.loads(text)
        rng.setstate((version, tuple(np.frombuffer(base64.b64decode(words), "<u4").tolist()), gaussian))
    except (TypeError, OverflowError) as error:
        raise ValueError(f"no state of a random generator: {error}") from None
    return rng


def select(individuals: Sequence[Individual], size: int) -> List[Individual]:
    """The survivors, with their crowding distances: the feasible by NSGA-II, then those that violate least."""
    feasible = [each for each in individuals if not each.fitness.violation]
    # DEAP's faster sort fails on a single objective.
    several = any(len(each.fitness.wvalues) > 1 for each in feasible)
    chosen: List[Individual] = tools.selNSGA2(feasible, size, nd="log" if several else "standard") if feasible else []
    violating = [each for each in individuals if each.fitness.violation]
    for each in violating:
        each.fitness.crowding_dist = 0.0
    return chosen + sorted(violating, key=lambda each: each.fitness.violation)[: size - len(chosen)]


def mutate(individual: MutableSequence[int], counts: Sequence[int], probability: float, rng: random.Random) -> None:
    """Gives genes another option than they have, in place; ``counts`` are the numbers of options."""
    for gene, count in enumerate(counts):
        if rng.random() < probability:
            other = rng.randrange(count - 1)
            individual[gene] = other + (other >= individual[gene])


def cross(first: MutableSequence[int], second: MutableSequence[int], rng: random.Random) -> None:
    """Uniform crossover: swaps each gene of two individuals, in place, or leaves it."""
    for gene in range(len(first)):
        if rng.random() < _SWAPPED:
            first[gene], second[gene] = second[gene], first[gene]


class Variation:
    """Makes children."""

    def __init__(self, counts: Sequence[int], crossover: float, mutation: float) -> None:
        """Takes the genes' numbers of options, and the probabilities that a pair is crossed and a gene changed."""
        self._counts, self._crossover, self._mutation = counts, crossover, mutation

    def children(self, population: List[Individual], rng: random.Random) -> Iterator[Architecture]:
        """As many children as the population holds fours of parents: crowded binary tournament, crossover, mutation."""
        with lend_to_deap(rng):
            parents = tools.selTournamentDCD(population, len(population) // 4 * 4)
        for mother, father in zip(parents[::2], parents[1::2]):
            pair = list(mother), list(father)
            if rng.random() < self._crossover:
                cross(*pair, rng)
            for child in pair:
                mutate(child, self._counts, self._mutation, rng)
                yield tuple(child)
