"""NSGA-II over a search space, with an ask-and-tell interface.

It differs from the standard algorithm in the following points:

- No architecture is scored twice. A child that is already in the archive is drawn again. If the operators produce
  nothing new, architectures are drawn at random; if none are left, the search ends.
- All architectures that differ from a requested one only in their flow outputs are scored together with it, because one
  convolution computes all of these outputs anyway. They are archived and compete for survival. Therefore only a few
  children are requested: those that ``screening`` finds most promising. The first generation starts with the
  architectures that are best in one of the costs, which no other architecture can dominate.
- Predicted costs guide the search; those of a generation's front are compiled before the generation ends.
- Without a configured reference point, the hypervolume is measured from the worst point: the worst cost of all feasible
  architectures, and the worst EPE of the first generation, or of the first ``population`` architectures if it is
  smaller. It is fixed from then on.
- An architecture is feasible if its costs satisfy all limits, which is known before it is scored. An infeasible
  architecture is never requested. If it is scored together with a requested one, it survives only if too few feasible
  ones are known, and it never dominates a feasible one.

The next generation depends only on the archive, the last ``Generation`` and the configuration.
"""

import random
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.config import EvolutionConfig, Objective
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from edgeflownas.wording import format_count
from search.nsga2.archive import Archive
from search.nsga2.candidates import Candidates, find_feasible
from search.nsga2.competition import Competition
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives, find_worst_point, select_first_fronts
from search.nsga2.operators import Fitness, Individual, Variation, dump_rng, load_rng, select
from search.nsga2.scoring import (
    COST_SOURCES,
    CompileCosts,
    CompileProgress,
    CostModel,
    Score,
    find_cost_error,
)
from search.nsga2.screening import Screening, keep_one_per_trunk
from search.nsga2.subspace import Subspace

# Trunks that a generation requests: one for each worker, within these bounds. More than 32 take longer, even with 64
# workers: see results/reference/many_workers.
_TRUNKS = 4
_MOST_TRUNKS = 32
_ROUNDS = 10  # rounds of tournament and variation in which the children of a generation are searched for


class Generation(NamedTuple):
    """The result of a generation.

    Attributes:
        number: Number of the generation, from 0.
        genes: Genes of its population, uint8 [P, genes].
        objectives: Objectives of its population, each in its own unit, [P, objectives].
        hypervolume: Hypervolume of the archive.
        reference_point: Reference point of the hypervolume, each objective in its own unit.
        rng_state: State of the random generator after this generation, JSON.
        evaluations: Number of architectures requested so far.
        backbones: Number of distinct backbones scored so far.
        duplicates: Number of children that were drawn again so far because they were already scored.
    """

    number: int
    genes: np.ndarray
    objectives: np.ndarray
    hypervolume: float
    reference_point: Dict[Objective, float]
    rng_state: str
    evaluations: int
    backbones: int
    duplicates: int


class Evolution:
    """The state of a search.

    Attributes:
        space: Search space.
        config: Configuration of the search.
        archive: All architectures scored so far.
        objectives: Objectives with the reference point.
        number: Number of the next generation.
        duplicates: Number of children that were drawn again so far because they were already scored.
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
        initial: Sequence[Architecture] = (),
        workers: int = 1,
    ) -> None:
        """Start a search, or resume it after a generation.

        Args:
            space: Search space.
            config: Configuration of the search.
            table: Cost model of the architectures.
            seed: Seed of a new search.
            archive: Archive that the search has filled so far.
            last: Last generation of the search so far.
            compile_costs: Compiler of the front; if None, the front keeps the predicted costs.
            initial: Architectures that are requested first unless they are scored; infeasible ones are left out.
            workers: Number of workers that score at the same time, for which ``ask`` returns enough trunks.

        Raises:
            InputError: No architecture is feasible, a cost is invalid, or the configured options do not exist.
        """
        self.space = space
        self.config = config
        self.archive = Archive(space) if archive is None else archive
        self._compile_costs = compile_costs
        self.objectives = Objectives(config.objectives, config.reference_point)
        subspace = Subspace.of(space, config.options)
        mutation = 1 / max(len(space.genes), 1) if config.mutation is None else config.mutation
        self._variation = Variation(subspace.options, config.crossover, mutation)
        self._feasibility = Feasibility.of(config, table.sram_cap_kib)
        self._competition = Competition(self.archive, self.objectives, self._feasibility)
        self._table = table
        self._workers = workers
        self._candidates = Candidates(subspace, find_feasible(subspace, table, self._feasibility), self.archive)
        self._screening = Screening(self._candidates, self.objectives)
        self._initial = self._check_initial(initial)
        self._set_reference(last)
        self._rng = random.Random(seed)
        self._population = np.empty(0, int)
        self.number = self.duplicates = 0
        if last is not None:
            self._rng = load_rng(last.rng_state)
            self._population = self.archive.rows(last.genes)
            self.number, self.duplicates = last.number + 1, last.duplicates

    @property
    def unscored(self) -> int:
        """Number of architectures that can still be requested."""
        return self._candidates.count

    def stop_reason(self) -> Optional[str]:
        """Return why the search has ended; None if it has not."""
        if self.number and not self.unscored:
            feasible = format_count(self._candidates.feasible.size, "architecture")
            return f"the space is exhausted: all {feasible} within all limits scored"
        if self._list_initial():
            return None
        if self.number >= self.config.generations:
            return f"{format_count(self.number, 'generation')} completed"
        patience = self.config.patience
        if not patience or self.number <= patience:
            return None
        if self._competition.hypervolume_before(self.number - patience) < self.hypervolume():
            return None
        return f"the hypervolume has not improved for {format_count(patience, 'generation')}"

    def ask(self) -> List[Architecture]:
        """Return the architectures to score next.

        They are distinct, feasible and were never scored; there is at least one unless the search has ended.
        """
        initial = self._list_initial()
        self._candidates.add_pending(self.expand_outputs(initial))
        requested = initial + self._choose()
        if self.config.complete_outputs:
            requested = keep_one_per_trunk(self.space, requested)
        self._candidates.add_pending(self.expand_outputs(requested))
        return requested

    def _choose(self) -> List[Architecture]:
        """Return the architectures to request by the rules of the search."""
        if not self.config.complete_outputs:
            return self._generate_children(self.config.population)
        if not len(self.archive):
            drawn = self._draw(_ROUNDS * self.config.population, [])
            return self._screening.select_first(drawn, (self._trunks - _TRUNKS) // 2) if drawn else []
        candidates = keep_one_per_trunk(self.space, self._generate_children(_ROUNDS * self.config.population))
        return self._screening.select_most_promising(self.archive, self.front(), candidates, self._trunks)

    @property
    def _trunks(self) -> int:
        """Number of trunks per generation: more keep more workers busy, fewer are chosen with more knowledge."""
        return self.config.trunks or min(max(self._workers, _TRUNKS), _MOST_TRUNKS)

    def expand_outputs(self, requested: Sequence[Architecture]) -> List[Architecture]:
        """Return all architectures to score for a request, distinct and sorted."""
        if not self.config.complete_outputs:
            return sorted(requested)
        combinations = self._candidates.subspace.expand_outputs(requested).reshape(-1, len(self.space.genes))
        return sorted(set(map(tuple, combinations.tolist())))

    def tell(
        self,
        requested: Sequence[Architecture],
        scores: Sequence[Score],
        on_compiled: CompileProgress = lambda done, total: None,
    ) -> Generation:
        """Archive the scores, in an order that does not depend on the evaluator's, and select the survivors.

        Args:
            requested: Architectures that ``ask`` returned.
            scores: Scores of ``requested`` and of the architectures scored together with them. A non-finite EPE is a
                failure.
            on_compiled: Callback that is called after each compiled architecture of the front.

        Returns:
            The generation that results.
        """
        scores = sorted(scores)
        architectures = [architecture for architecture, _ in scores]
        new = np.arange(len(self.archive), len(self.archive) + len(scores))
        bound_is_open = len(self.archive) < self.config.population
        self.archive.append(scores, list(map(self._table.cost, architectures)), self.number, frozenset(requested))
        self._candidates.remove_pending(self.expand_outputs(requested))
        if bound_is_open and self.config.reference_point is None:
            self._set_epe_bound()
        self.compile_front(on_compiled)
        self._population = self._select_survivors(np.concatenate([self._population, new]))
        self.number += 1
        self._competition.record_hypervolume(self.number, self.config.patience)
        return Generation(
            number=self.number - 1,
            genes=self.archive.column("genes")[self._population],
            objectives=self.objectives.values(self.archive, self._population),
            hypervolume=self.hypervolume(),
            reference_point=self.objectives.reference_point,
            rng_state=dump_rng(self._rng),
            evaluations=self.archive.evaluations,
            backbones=self.archive.backbones,
            duplicates=self.duplicates,
        )

    def compile_front(self, on_compiled: CompileProgress = lambda done, total: None) -> None:
        """Replace predicted costs by compiled ones until the front has no predicted costs left.

        An architecture with invalid compiled costs has failed.

        Args:
            on_compiled: Callback that is called after each compiled architecture.
        """
        while self._compile_costs is not None:
            rows = self.front()
            rows = rows[self.archive.column("cost_source")[rows] == COST_SOURCES.index("predicted")]
            if not len(rows):
                break
            costs = self._compile_costs(self.archive.architectures(rows), on_compiled)
            errors = [find_cost_error(cost) for cost in costs]
            for row, error in zip(rows, errors):
                if error is not None:
                    name = self.space.format(self.archive.column("genes")[row])
                    say(f"architecture {name} has failed: its compiled figures are invalid: {error}")
            self.archive.mark_failed(rows[[error is not None for error in errors]])
            valid = [index for index, error in enumerate(errors) if error is None]
            self.archive.replace_costs(rows[valid], [costs[index] for index in valid])
            self.costs_changed()

    def costs_changed(self) -> None:
        """Determine the front again, after costs of the archive were replaced."""
        self._competition.reset()

    def front(self) -> np.ndarray:
        """Return the rows of the non-dominated feasible architectures, sorted by the first objective, best first."""
        return self._competition.front()

    def hypervolume(self) -> float:
        """Return the hypervolume of all feasible architectures in the archive."""
        return self._competition.hypervolume()

    def best_epe(self) -> float:
        """Return the lowest EPE of all feasible architectures, in pixels; infinity if there are none."""
        return self._competition.best_epe()

    def _set_reference(self, last: Optional[Generation]) -> None:
        """Set the reference point: the configured one, that of a resumed search (``last``), or the worst point."""
        objectives = self.objectives
        if self.config.reference_point is not None:
            return
        if last is not None:
            objectives.reference = Objectives(objectives.names, last.reference_point).reference
        elif len(self.archive):  # scores of the space rather than of a search
            worst = self._competition.worst_point()
            objectives.reference = objectives.reference if worst is None else worst
        else:
            feasible = self._candidates.feasible
            ends = [(np.nan, np.nan) if name == "epe" else feasible.cost_range(name) for name in objectives.names]
            objectives.reference = find_worst_point(np.transpose(ends) * objectives.signs)

    def _set_epe_bound(self) -> None:
        """Set the reference value of the EPE to the worst of the competitors, as long as there are few of them."""
        worst = self._competition.worst_point()
        if worst is not None and "epe" in self.objectives.names:
            self.objectives.reference = np.where(
                [name == "epe" for name in self.objectives.names], worst, self.objectives.reference
            )
            self._competition.reset()

    def _check_initial(self, initial: Sequence[Architecture]) -> List[Architecture]:
        """Return the initial architectures that are feasible, and name the others."""
        distinct = list(dict.fromkeys(initial))
        feasible = self._candidates.feasible.contains(np.array(distinct, np.uint8).reshape(-1, len(self.space.genes)))
        left_out = [self.space.format(architecture) for architecture, fits in zip(distinct, feasible) if not fits]
        if left_out:
            count = format_count(len(left_out), "architecture is", "architectures are")
            say(f"evolution.initial: {count} left out because of the limits or the options: {', '.join(left_out)}")
        return [architecture for architecture, fits in zip(distinct, feasible) if fits]

    def _list_initial(self) -> List[Architecture]:
        """Return the initial architectures that can still be requested."""
        return [architecture for architecture in self._initial if architecture in self._candidates]

    def _select_survivors(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of the next population, out of the given rows."""
        rows = rows[np.isfinite(self.archive.column("epe")[rows])]
        violations = self._competition.violations(rows)
        feasible_count = (violations == 0).sum()
        feasible, infeasible = rows[violations == 0], rows[np.argsort(violations, kind="stable")][feasible_count:]
        # Selection is slow for thousands of individuals, so it gets only those that can survive.
        size = self.config.population
        feasible = feasible[select_first_fronts(self.objectives.points(self.archive, feasible), size)]
        contenders = np.concatenate([feasible, infeasible[: max(size - len(feasible), 0)]])
        return self.archive.rows(select(self._make_individuals(contenders), size))

    def _make_individuals(self, rows: np.ndarray) -> List[Individual]:
        """Return DEAP individuals for the given rows."""
        points = self.objectives.points(self.archive, rows).tolist()
        fitnesses = map(Fitness, points, self._competition.violations(rows).tolist())
        return [Individual(genes, fitness) for genes, fitness in zip(self.archive.architectures(rows), fitnesses)]

    def _generate_children(self, size: int) -> List[Architecture]:
        """Return feasible children that were never scored, drawn at random if the operators produce nothing new."""
        children: Dict[Architecture, None] = {}
        population = select(self._make_individuals(self._population), self.config.population)
        for _ in range(_ROUNDS if self.unscored > size else 0):
            for child in self._variation.generate_children(population, self._rng):
                if child in self.archive or child in children:
                    self.duplicates += 1
                elif child in self._candidates:
                    children[child] = None
                if len(children) == size:
                    return list(children)
        return list(children) + self._draw(size - len(children), list(children))

    def _draw(self, count: int, excluded: Sequence[Architecture]) -> List[Architecture]:
        return self._candidates.draw(count, excluded, self._rng)
