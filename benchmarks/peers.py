"""The searches that ours is compared with, as streams of requests. pymoo and Optuna live in .venv-peers."""

import random
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence

import numpy as np

from edgeflownas.config import EvolutionConfig
from edgeflownas.network.space import Architecture
from search.nsga2.archive import Archive
from search.nsga2.evolution import Evolution
from search.nsga2.objectives import Objectives
from search.nsga2.scoring import COST_FIGURES, Cost, Score

_BATCH = 52  # architectures that random search asks for at once
_PEER_POPULATION = 20  # the best of 12, 20, 40, 52 and 100 for pymoo on the supernet that settings were tuned on


class TableCost(NamedTuple):
    """An architecture's cost."""

    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    source: str = "predicted"


class Table:
    """A space in which everything is known.

    Attributes:
        space: of the architectures.
        objectives: of the search.
        points: of all architectures, in the order of ``Space.all``, less being better: [size, objectives].
    """

    sram_cap_kib = None

    def __init__(self, archive: Archive, objectives: Objectives) -> None:
        """Takes an archive that holds the whole space."""
        self.space, self.objectives = archive.space, objectives
        rows = np.array([archive.row(each) for each in archive.space.all()])
        self.points = objectives.points(archive, rows)
        self._epe = archive.column("epe")[rows]
        figures = zip(*(archive.column(name)[rows].tolist() for name in COST_FIGURES))
        self._costs = [TableCost(*each) for each in figures]

    def index(self, architecture: Sequence[int]) -> int:
        """Where an architecture stands in ``Space.all``."""
        return int(np.ravel_multi_index(tuple(architecture), self.space.counts))

    def cost(self, architecture: Architecture) -> Cost:
        """Its cost."""
        return self._costs[self.index(architecture)]

    def scores(self, architectures: Sequence[Architecture]) -> List[Score]:
        """Their EPE."""
        return [(each, float(self._epe[self.index(each)])) for each in architectures]


Search = Callable[[Table, EvolutionConfig, int], Iterator[List[Architecture]]]


def ours(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """This project's evolution."""
    evolution = Evolution(table.space, config, table, seed)
    while evolution.stop_reason() is None:
        requested = evolution.ask()
        yield requested
        evolution.tell(requested, table.scores(evolution.expand_outputs(requested)))


def ours_plain(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """The same without completed outputs: plain NSGA-II that asks for nothing twice."""
    yield from ours(table, config.model_copy(update={"complete_outputs": False}), seed)


def chance(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Random search without replacement."""
    order = list(table.space.all())
    random.Random(seed).shuffle(order)
    for begin in range(0, len(order), _BATCH):
        yield order[begin : begin + _BATCH]


def pymoo_nsga2(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """pymoo's NSGA-II with the operators that its guide names for integers, and its duplicate elimination."""
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
        found = [tuple(each) for each in children.get("X").astype(int).tolist()]
        yield found
        children.set("F", table.points[[table.index(each) for each in found]])
        for child in children:
            child.evaluated.update(("F", "G", "H"))
        algorithm.tell(infills=children)


def _optuna(table: Table, sampler: object) -> Iterator[List[Architecture]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * table.points.shape[1], sampler=sampler)
    while True:
        trial = study.ask()
        options = enumerate(table.space.counts)
        architecture = tuple(trial.suggest_int(f"gene{i}", 0, count - 1) for i, count in options)
        yield [architecture]
        study.tell(trial, table.points[table.index(architecture)].tolist())


def optuna_nsga2(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Optuna's NSGA-II."""
    import optuna

    yield from _optuna(table, optuna.samplers.NSGAIISampler(population_size=_PEER_POPULATION, seed=seed))


def optuna_tpe(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """Optuna's multi-objective tree-structured Parzen estimator."""
    import optuna

    yield from _optuna(table, optuna.samplers.TPESampler(seed=seed))


def optuna_joint_tpe(table: Table, config: EvolutionConfig, seed: int) -> Iterator[List[Architecture]]:
    """The same, which draws all genes of an architecture from one joint estimate: also a ninth of the time."""
    import optuna

    yield from _optuna(table, optuna.samplers.TPESampler(seed=seed, multivariate=True))


class Entry(NamedTuple):
    """A search, how its requests are scored, and after how many of them, repeated ones too, it is given up."""

    search: Search
    by_tree: bool
    complete: bool
    most: int


SEARCHES: Dict[str, Entry] = {
    "ours": Entry(ours, True, True, 10**6),
    "ours, outputs not completed": Entry(ours_plain, True, False, 10**6),
    "pymoo NSGA-II": Entry(pymoo_nsga2, False, False, 20_000),
    "Optuna NSGA-II": Entry(optuna_nsga2, False, False, 3_000),
    "Optuna TPE": Entry(optuna_tpe, False, False, 300),
    "Optuna TPE, multivariate": Entry(optuna_joint_tpe, False, False, 600),
    "random": Entry(chance, False, False, 10**6),
}
