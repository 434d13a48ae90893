"""NSGA-II over a search space, as ask and tell.

What sets it apart from the stock loop:

- Nothing is scored twice. A child that is in the archive already is drawn again, and where the operators find nothing
  new, an architecture is drawn at random; when none is left, the search is over.
- With an architecture, all that differ from it in flow outputs alone are scored, as one convolution computes these
  anyway. They are archived, and compete to survive. Then a few children are asked for, of which ``screening`` promises
  most; the first generation begins with the architectures that are best in a cost, which no other can dominate.
- Predicted costs steer; those of a generation's front are compiled before the generation is over.
- Whether an architecture fits the SRAM cap is known from its cost before it is scored: one that does not is never
  asked for. If it is scored along, it survives only where too few that fit are known, and never beats one that fits.

All that the next generation depends on is the archive, the last ``Generation``, and the configuration.
"""

import random
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.config import EvolutionConfig
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from search.nsga2.archive import Archive
from search.nsga2.competition import Competition, resolve_sram_cap
from search.nsga2.objectives import Objectives, select_first_fronts
from search.nsga2.operators import Fitness, Individual, Variation, dump_rng, load_rng, select
from search.nsga2.scoring import (
    COST_SOURCES,
    CompileCosts,
    CompileProgress,
    CostModel,
    Score,
    compute_all_costs,
    find_cost_error,
)
from search.nsga2.screening import Screening, keep_one_per_trunk

_ROUNDS = 10  # of tournament and variation in which a generation's children are looked for


class Generation(NamedTuple):
    """What a generation leaves.

    Attributes:
        number: from 0.
        genes: of its population, uint8 [P, genes].
        objectives: of its population, each in its own unit, [P, objectives].
        hypervolume: of the archive.
        rng_state: behind this generation, JSON.
        evaluations: architectures asked for so far.
        backbones: distinct backbones scored so far.
        duplicates: children so far that were drawn again, as they were scored already.
    """

    number: int
    genes: np.ndarray
    objectives: np.ndarray
    hypervolume: float
    rng_state: str
    evaluations: int
    backbones: int
    duplicates: int


class Evolution:
    """The state of a search.

    Attributes:
        archive: everything scored so far.
        config: of the search.
        number: of the generation to come.
        duplicates: children so far that were drawn again, as they were scored already.
    """

    def __init__(
        self,
        space: Space,
        config: EvolutionConfig,
        table: CostModel,
        seed: int,
        archive: Optional[Archive] = None,
        last: Optional[Generation] = None,
        compile_costs: Optional[CompileCosts] = None,
    ) -> None:
        """Begins a search, or goes on behind a generation.

        Args:
            space: of the architectures.
            config: of the search.
            table: the architectures' costs.
            seed: of a new search.
            archive: that the search has filled so far.
            last: generation of the search so far.
            compile_costs: asks the compiler; None: the front's costs stay as the table predicts them.

        Raises:
            InputError: no architecture fits the SRAM cap, or a cost cannot be right.
        """
        self.space = space
        self.config = config
        self.archive = Archive(space) if archive is None else archive
        self._compile_costs = compile_costs
        self._objectives = Objectives(config.objectives, config.reference_point)
        mutation = 1 / len(space.genes) if config.mutation is None else config.mutation
        self._variation = Variation(space.counts, config.crossover, mutation)
        self._cap = resolve_sram_cap(config, table.sram_cap_kib)
        self._competition = Competition(self.archive, self._objectives, self._cap)
        self._table = table
        costs = compute_all_costs(space, table)
        self._screening = Screening(space, self._objectives, costs)
        # By place in the space: whether it may be asked for, fitting the cap and never scored.
        self._open = self._fitting(costs["sram_kib"])
        self._fitting_count = self.unscored
        self._open[space.indices(self.archive.column("genes"))] = False
        self._rng = random.Random(seed)
        self._population = np.empty(0, int)
        self.number = self.duplicates = 0
        if last is not None:
            self._rng = load_rng(last.rng_state)
            self._population = self.archive.rows(last.genes)
            self.number, self.duplicates = last.number + 1, last.duplicates

    @property
    def unscored(self) -> int:
        """Number of architectures that could still be asked for."""
        return int(np.count_nonzero(self._open))

    def stop_reason(self) -> Optional[str]:
        """Why the search is over; None if it is not."""
        if self.number and not self._open.any():
            return f"the space is used up: all {self._fitting_count} architectures that may be asked for are scored"
        if self.number >= self.config.generations:
            return f"{self.number} generations are done"
        patience = self.config.patience
        if not patience or self.number <= patience:
            return None
        if self._competition.hypervolume_before(self.number - patience) < self.hypervolume():
            return None
        return f"the hypervolume has stood still for {patience} generations"

    def ask(self) -> List[Architecture]:
        """Architectures to score next: distinct, never scored before, fitting the cap; at least one unless finished."""
        if not self.config.complete_outputs:
            return self._varied(self.config.population)
        if not len(self.archive):
            return self._screening.first(self._open, self._drawn(_ROUNDS * self.config.population, []))
        candidates = keep_one_per_trunk(self.space, self._varied(_ROUNDS * self.config.population))
        return self._screening.most_promising(self.archive, self.front(), self._open, candidates)

    def expand_outputs(self, requested: Sequence[Architecture]) -> List[Architecture]:
        """What is to be scored when some are asked for, each once and sorted."""
        if not self.config.complete_outputs:
            return sorted(requested)
        every = self.space.expand_outputs(requested).reshape(-1, len(self.space.genes))
        return sorted(set(map(tuple, every.tolist())))

    def tell(
        self,
        requested: Sequence[Architecture],
        scores: Sequence[Score],
        on_compiled: CompileProgress = lambda done, total: None,
    ) -> Generation:
        """Archives what was scored, in an order that does not depend on the evaluator's, and lets the fittest survive.

        Args:
            requested: what ``ask`` gave.
            scores: of these and of what was scored along; an EPE that is not finite is a failure.
            on_compiled: Called after each compiled architecture of the front.

        Returns:
            The generation that this makes.
        """
        scores = sorted(scores)
        architectures = [architecture for architecture, _ in scores]
        new = np.arange(len(self.archive), len(self.archive) + len(scores))
        self.archive.append(scores, list(map(self._table.cost, architectures)), self.number, frozenset(requested))
        self._open[self.space.indices(architectures)] = False
        self.compile_front(on_compiled)
        self._population = self._survivors(np.concatenate([self._population, new]))
        self.number += 1
        self._competition.remember(self.number, self.config.patience)
        return Generation(
            number=self.number - 1,
            genes=self.archive.column("genes")[self._population],
            objectives=self._objectives.values(self.archive, self._population),
            hypervolume=self.hypervolume(),
            rng_state=dump_rng(self._rng),
            evaluations=self.archive.evaluations,
            backbones=self.archive.backbones,
            duplicates=self.duplicates,
        )

    def compile_front(self, on_compiled: CompileProgress = lambda done, total: None) -> None:
        """Puts the compiler's word in the place of predictions, until the front holds nothing else.

        An architecture of which the compiler says what cannot be has failed.
        """
        while self._compile_costs is not None:
            rows = self.front()
            rows = rows[self.archive.column("cost_source")[rows] == COST_SOURCES.index("predicted")]
            if not len(rows):
                break
            costs = self._compile_costs(self.archive.architectures(rows), on_compiled)
            wrong = [find_cost_error(cost) for cost in costs]
            for row, reason in zip(rows, wrong):
                if reason is not None:
                    name = self.space.format(self.archive.column("genes")[row])
                    say(f"architecture {name} has failed: {reason}, by the compiler's word")
            self._competition.forget()
            self.archive.fail(rows[[reason is not None for reason in wrong]])
            good = [index for index, reason in enumerate(wrong) if reason is None]
            self.archive.replace_costs(rows[good], [costs[index] for index in good])

    def front(self) -> np.ndarray:
        """Rows of the archive that fit the cap and are dominated by none that does, best first objective first."""
        return self._competition.front()

    def hypervolume(self) -> float:
        """Of all that was scored and fits the cap."""
        return self._competition.hypervolume()

    def best_epe(self) -> float:
        """The lowest EPE among all that fit the cap, pixels; infinite if there is none."""
        return self._competition.best_epe()

    def _fitting(self, sram_kib: np.ndarray) -> np.ndarray:
        """Which architectures of the space fit the cap, bool, by place in the space as their SRAM peaks are."""
        if self._cap is None:
            return np.ones(len(sram_kib), bool)
        if sram_kib.min() > self._cap:
            (least,) = self.space.architectures_at(sram_kib.argmin()[None])
            raise InputError(
                f"evolution.max_sram_kib: no architecture fits {self._cap:g} KiB; the smallest SRAM peak in the space "
                f"is {sram_kib.min():g} KiB (architecture {self.space.format(least)}): raise the cap, or make "
                f"network.width or the images smaller"
            )
        return sram_kib <= self._cap

    def _survivors(self, rows: np.ndarray) -> np.ndarray:
        """The next population, of these rows."""
        rows = rows[np.isfinite(self.archive.column("epe")[rows])]
        violations = self._competition.violations(rows)
        fitting, others = rows[violations == 0], rows[np.argsort(violations, kind="stable")][(violations == 0).sum() :]
        # Selection is slow on thousands, so it is shown only those that can survive.
        size = self.config.population
        fitting = fitting[select_first_fronts(self._objectives.points(self.archive, fitting), size)]
        contenders = np.concatenate([fitting, others[: max(size - len(fitting), 0)]])
        return self.archive.rows(select(self._individuals(contenders), size))

    def _individuals(self, rows: np.ndarray) -> List[Individual]:
        """Rows as DEAP's operators want them."""
        points = self._objectives.points(self.archive, rows).tolist()
        fitnesses = map(Fitness, points, self._competition.violations(rows).tolist())
        return [Individual(*each) for each in zip(self.archive.architectures(rows), fitnesses)]

    def _varied(self, size: int) -> List[Architecture]:
        """So many children that were never scored and fit the cap; drawn where the operators find nothing new."""
        found: Dict[Architecture, None] = {}
        population = select(self._individuals(self._population), self.config.population)
        for _ in range(_ROUNDS if self.unscored > size else 0):
            for child in self._variation.children(population, self._rng):
                if child in self.archive or child in found:
                    self.duplicates += 1
                elif self._open[self.space.index(child)]:
                    found[child] = None
                if len(found) == size:
                    return list(found)
        return list(found) + self._drawn(size - len(found), list(found))

    def _drawn(self, count: int, without: Sequence[Architecture]) -> List[Architecture]:
        """Architectures drawn uniformly from those that could still be asked for; fewer if there are no more."""
        free = self._open.copy()
        free[self.space.indices(without)] = False
        places = np.flatnonzero(free)
        return self.space.architectures_at(places[self._rng.sample(range(len(places)), min(count, len(places)))])
