import math
import random
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflownas.network.space import Architecture, Space
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.candidates import Candidates, find_feasible
from search.nsga2.evolution import Evolution
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives
from search.nsga2.screening import Screening, keep_one_per_trunk
from search.nsga2.subspace import Subspace
from tests.search.stand_ins import MEDIUM, Oracle, Table, epe_of, evolution_config, noise, space_of, step

NINE = space_of((3,) * 6, backbone=3, outputs=(3, 5))  # 81 trunks of 9 combinations of flow outputs


def additive(architecture: Architecture) -> float:
    """Return an EPE that a prediction can learn, with some noise; a heavier option is not always better."""
    effects = ((3, 1, 2), (2, 3, 1), (1, 0, 2), (2, 0, 1), (3, 0, 1), (1, 0, 3))
    return 3 + 0.1 * sum(effects[i][option] for i, option in enumerate(architecture)) + 0.01 * noise(architecture)


def start_search(
    space: Space, epe: Callable[[Architecture], float], seed: int, **changes: Any
) -> Tuple[Evolution, Oracle]:
    config = evolution_config(complete_outputs=True, generations=10**6, **changes)
    return Evolution(space, config, Table(), seed), Oracle(space, epe)


def count_trunks_to(share: float, evolution: Evolution, oracle: Oracle) -> int:
    whole = Evolution(evolution.space, evolution.config, Table(), 0)
    whole.tell([], [(architecture, oracle.epe(architecture)) for architecture in evolution.space.all()])
    while evolution.hypervolume() < share * whole.hypervolume():
        step(evolution, oracle)
    return len(oracle.requested)


@pytest.mark.parametrize("space", [NINE, MEDIUM, space_of((5, 2, 3, 2), 2), space_of((4, 3), 0), space_of((2, 2), 2)])
@pytest.mark.parametrize("objectives", [["epe", "fps"], ["epe"], ["fps", "sram_kib", "epe"], ["fps"]])
def test_first_generation_has_the_best_in_each_cost_and_all_options(space: Space, objectives: List[Any]) -> None:
    evolution, _ = start_search(space, epe_of, seed=3, objectives=objectives)
    requested = evolution.ask()
    assert len(set(map(space.trunk, requested))) == len(requested)
    for gene, count in enumerate(space.counts):
        if gene not in space.outputs:
            assert {architecture[gene] for architecture in requested} == set(range(count))
    if objectives != ["epe"]:
        assert requested[0] == (0,) * len(space.counts)  # the cheapest in every cost
    if space is NINE:
        assert len(requested) in (3, 4)


@pytest.mark.parametrize("useless", [lambda architecture: 4 * noise(architecture), lambda _: 3.0, lambda _: math.nan])
@pytest.mark.parametrize("space", [NINE, MEDIUM])
def test_space_is_searched_completely_with_a_useless_prediction(space: Space, useless: Any) -> None:
    evolution, oracle = start_search(space, useless, seed=5)
    while evolution.stop_reason() is None:
        assert step(evolution, oracle)[0]
    assert len(set(map(space.trunk, oracle.requested))) == len(oracle.requested)
    assert sorted(oracle.scored) == sorted(space.all())


def test_later_generations_request_four_trunks_that_were_never_scored() -> None:
    evolution, oracle = start_search(NINE, additive, seed=2)
    step(evolution, oracle)
    for _ in range(10):
        known = set(map(NINE.trunk, oracle.scored))
        requested, _ = step(evolution, oracle)
        assert len(set(map(NINE.trunk, requested)) - known) == 4 == len(requested)


@pytest.mark.parametrize(
    "workers, trunks, count", [(1, None, 4), (4, None, 4), (6, None, 6), (64, None, 32), (8, 5, 5)]
)
def test_generation_has_a_trunk_for_each_of_many_workers(workers: int, trunks: Optional[int], count: int) -> None:
    config = evolution_config(complete_outputs=True, trunks=trunks)
    evolution, oracle = Evolution(MEDIUM, config, Table(), 1, workers=workers), Oracle(MEDIUM)
    assert len(step(evolution, oracle)[0]) >= (count - 4) // 2
    requested, _ = step(evolution, oracle)
    assert len(set(map(MEDIUM.trunk, requested))) == len(requested) == count


def test_search_with_many_workers_ends_with_the_space_and_is_resumed_exactly() -> None:
    config = evolution_config(complete_outputs=True, generations=10**6)
    whole, oracle = Evolution(MEDIUM, config, Table(), 1, workers=16), Oracle(MEDIUM)
    resumed = Evolution(MEDIUM, config, Table(), 1, workers=16)
    while whole.stop_reason() is None:
        requested, generation = step(whole, oracle)
        assert step(resumed, Oracle(MEDIUM))[0] == requested
        resumed = Evolution(MEDIUM, config, Table(), 9, resumed.archive, generation, workers=16)
    assert sorted(oracle.scored) == sorted(MEDIUM.all())


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.integers(0, 20))
def test_greedy_selection_is_that_of_computing_every_gain(seed: int, objectives: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    screening = _make_screening(MEDIUM)
    names: List[Any] = ["epe", "fps", "sram_kib"][:objectives]
    screening._objectives = Objectives(names, {"epe": 8.0, "fps": -9.0, "sram_kib": 9.0})
    reached = rng.integers(0, 12, (4, objectives)).astype(float)
    groups = [rng.integers(0, 12, (rng.integers(0, 4), objectives)).astype(float) for _ in range(15)]
    expected: List[int] = []
    remaining, union = list(range(15)), reached
    while remaining and len(expected) < count:
        volumes = [screening._objectives.hypervolume(np.concatenate([union, groups[i]])) for i in remaining]
        expected.append(remaining.pop(int(np.argmax(volumes))))
        union = np.concatenate([union, groups[expected[-1]]])
    assert screening._select_greedily(reached, groups, count) == expected


def test_good_trunks_are_found_early() -> None:
    guided, chance = [], []
    for seed in range(5):
        guided.append(count_trunks_to(0.999, *start_search(NINE, additive, seed)))
        shuffled, oracle = start_search(NINE, additive, seed)
        order = keep_one_per_trunk(NINE, random.Random(seed).sample(list(NINE.all()), NINE.size))
        asked = iter(order)
        shuffled.ask = lambda asked=asked: [next(asked)]  # type: ignore
        chance.append(count_trunks_to(0.999, shuffled, oracle))
    assert np.median(guided) <= np.median(chance) / 3


def test_selection_depends_on_the_archive_only() -> None:
    evolution, oracle = start_search(NINE, additive, seed=4)
    for _ in range(3):
        step(evolution, oracle)
    archive = Archive.restore(NINE, {name: evolution.archive.column(name) for name in ("genes", *COLUMNS)})
    candidates = keep_one_per_trunk(NINE, [architecture for architecture in NINE.all() if architecture not in archive])
    selected = []
    for copy in (archive, evolution.archive, archive):
        screening = _make_screening(NINE, copy)
        selected.append(screening.select_most_promising(copy, evolution.front(), candidates, 4))
    assert selected[0] == selected[1] == selected[2] and len(selected[0]) == 4


def test_prediction_learns_additive_effects() -> None:
    known = np.array(random.Random(1).sample(list(NINE.all()), 300), np.uint8)
    epe = np.array([additive(tuple(genes)) for genes in known.tolist()])
    groups = NINE.expand_outputs([(0, 1, 2, 0, 0, 0), (2, 2, 2, 0, 2, 0)])
    predicted = _make_screening(NINE).predict(known, epe, groups)
    for row, group in zip(predicted, groups.tolist()):
        truth = [additive(tuple(genes)) for genes in group]
        assert np.corrcoef(row, truth)[0, 1] > 0.99
        assert (row < np.array(truth) + 0.01).all()  # because of its optimism
        assert np.abs(row - truth).max() < 0.08


def test_unknown_architectures_are_predicted_with_more_optimism() -> None:
    groups = NINE.expand_outputs([(0,) * 6, (1,) * 6, (2,) * 6])
    known = groups[:2].reshape(-1, 6).astype(np.uint8)
    epe = np.array([3.0, 4.0] * (len(known) // 2))
    seen, unseen = _make_screening(NINE).predict(known, epe, groups[::2]).mean(axis=1)
    assert unseen < seen - 0.2


def test_infeasible_architectures_are_not_requested() -> None:
    evolution, oracle = start_search(NINE, additive, seed=1, constraints={"sram_kib": {"max": 530.0}})
    requested = [architecture for _ in range(8) for architecture in step(evolution, oracle)[0]]
    assert all(Table().cost(architecture).sram_kib <= 530 for architecture in requested)


def test_screening_is_not_used_without_completed_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("select_first", "select_most_promising", "predict"):
        monkeypatch.delattr(Screening, name)
    evolution = Evolution(MEDIUM, evolution_config(), Table(), 1)
    for _ in range(3):
        requested = evolution.ask()
        assert len(requested) == 8
        evolution.tell(requested, [(architecture, epe_of(architecture)) for architecture in requested])


def _make_screening(space: Space, archive: Optional[Archive] = None) -> Screening:
    objectives = Objectives(["epe", "fps"], {"epe": 8.0, "fps": 0.0})
    subspace = Subspace(space)
    feasible = find_feasible(subspace, Table(), Feasibility())
    return Screening(Candidates(subspace, feasible, archive or Archive(space)), objectives)
