"""The searches of the benchmark as streams of requests; pymoo and Optuna are installed in .venv-peers."""

import random
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence

import numpy as np

from edgeflownas.config import EvolutionConfig
from edgeflownas.network.space import Architecture
from search.nsga2.archive import Archive
from search.nsga2.evolution import Evolution
from search.nsga2.objectives import Objectives
from search.nsga2.scoring import COST_FIGURES, CostFigures, Score

_BATCH = 52  # architectures that random search requests at once
_PEER_POPULATION = 20  # the best of 12, 20, 40, 52 and 100 for pymoo, on the supernet that the settings were tuned on


class TableCost(NamedTuple):
    """Cost of an architecture."""

    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    source: str = "predicted"


class KnownSpace:
    """A space whose scores and costs are all known.

    Attributes:
        space: Search space.
        objectives: Objectives of the search.
        points: Points of all architectures in the order of ``Space.all``; lower is better, shape [size, objectives].
    """

    sram_cap_kib = None

    def __init__(self, archive: Archive, objectives: Objectives) -> None:
        """Initialise the table from an archive of the whole space."""
        self.space, self.objectives = archive.space, objectives
        rows = np.array([archive.row(architecture) for architecture in archive.space.all()])
        self.points = objectives.points(archive, rows)
        self._epe = archive.column("epe")[rows]
        figures = zip(*(archive.column(name)[rows].tolist() for name in COST_FIGURES))
        self._costs = [TableCost(*row) for row in figures]

    def index(self, architecture: Sequence[int]) -> int:
        """Return the index of an architecture in ``Space.all``."""
        return int(np.ravel_multi_index(tuple(architecture), self.space.counts))

    def cost(self, architecture: Architecture) -> CostFigures:
        """Return the cost of an architecture."""
        return self._costs[self.index(architecture)]

    def scores(self, architectures: Sequence[Architecture]) -> List[Score]:
        """Return the scores of architectures."""
        return [(architecture, float(self._epe[self.index(architecture)])) for architecture in architectures]


Search = Callable[[KnownSpace, EvolutionConfig, int], Iterator[List[Architecture]]]


def search_ours(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run this project's evolution."""
    evolution = Evolution(table.space, config, table, seed)
    while evolution.stop_reason() is None:
        requested = evolution.ask()
        yield requested
        evolution.tell(requested, table.scores(evolution.expand_outputs(requested)))


def search_ours_plain(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run this project's evolution without completed outputs: plain NSGA-II without repeated requests."""
    yield from search_ours(table, config.model_copy(update={"complete_outputs": False}), seed)


def search_randomly(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run random search without replacement."""
    order = list(table.space.all())
    random.Random(seed).shuffle(order)
    for start in range(0, len(order), _BATCH):
        yield order[start : start + _BATCH]


def search_pymoo_nsga2(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run pymoo's NSGA-II with the operators that its guide recommends for integers, and duplicate elimination."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    counts = np.array(table.space.counts)
    algorithm = NSGA2(
        pop_size=_PEER_POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    problem = Problem(n_var=len(counts), n_obj=table.points.shape[1], xl=0, xu=counts - 1, vtype=int)
    algorithm.setup(problem, termination=("n_gen", 10**6), seed=seed, verbose=False)
    while algorithm.has_next():
        children = algorithm.ask()
        if not len(children):
            return
        architectures = [tuple(genes) for genes in children.get("X").astype(int).tolist()]
        yield architectures
        children.set("F", table.points[list(map(table.index, architectures))])
        for child in children:
            child.evaluated.update(("F", "G", "H"))
        algorithm.tell(infills=children)


def _search_optuna(table: KnownSpace, sampler: object) -> Iterator[List[Architecture]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * table.points.shape[1], sampler=sampler)
    while True:
        trial = study.ask()
        options = enumerate(table.space.counts)
        architecture = tuple(trial.suggest_int(f"gene{i}", 0, count - 1) for i, count in options)
        yield [architecture]
        study.tell(trial, table.points[table.index(architecture)].tolist())


def search_optuna_nsga2(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run Optuna's NSGA-II."""
    import optuna

    yield from _search_optuna(table, optuna.samplers.NSGAIISampler(population_size=_PEER_POPULATION, seed=seed))


def search_optuna_tpe(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run Optuna's multi-objective tree-structured Parzen estimator."""
    import optuna

    yield from _search_optuna(table, optuna.samplers.TPESampler(seed=seed))


def search_optuna_joint_tpe(table: KnownSpace, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Run TPE that draws all genes of an architecture from one joint estimate; it takes a ninth of the time."""
    import optuna

    yield from _search_optuna(table, optuna.samplers.TPESampler(seed=seed, multivariate=True))


class Entry(NamedTuple):
    """A search of the benchmark.

    Attributes:
        search: The search as a stream of requests.
        by_tree: Whether its requests are scored through the tree of the supernet.
        complete: Whether all flow outputs of a request are scored.
        most: Number of requests, including repeated ones, after which the search is stopped.
    """

    search: Search
    by_tree: bool
    complete: bool
    most: int


SEARCHES: Dict[str, Entry] = {
    "ours": Entry(search_ours, True, True, 10**6),
    "ours, outputs not completed": Entry(search_ours_plain, True, False, 10**6),
    "pymoo NSGA-II": Entry(search_pymoo_nsga2, False, False, 20_000),
    "Optuna NSGA-II": Entry(search_optuna_nsga2, False, False, 3_000),
    "Optuna TPE": Entry(search_optuna_tpe, False, False, 300),
    "Optuna TPE, multivariate": Entry(search_optuna_joint_tpe, False, False, 600),
    "random": Entry(search_randomly, False, False, 10**6),
}
