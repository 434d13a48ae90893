import math
import random
import time
from typing import Any, List, Optional, Set

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from search.nsga2.archive import COLUMNS
from search.nsga2.evolution import Evolution, Generation
from search.nsga2.objectives import SIGNS
from search.nsga2.operators import Fitness, Individual
from tests.search.stand_ins import (
    MEDIUM,
    SMALL,
    Cost,
    Oracle,
    Table,
    brute_force_front,
    epe_of,
    evolution_config,
    space_of,
    step,
)


def run(evolution: Evolution, oracle: Oracle) -> List[Generation]:
    generations = []
    while evolution.stop_reason() is None:
        generations.append(step(evolution, oracle)[1])
    return generations


def begin(space: Space = MEDIUM, table: Optional[Table] = None, seed: int = 1, **changes: Any) -> Evolution:
    return Evolution(space, evolution_config(**changes), table or Table(), seed)


def content(evolution: Evolution) -> List[bytes]:
    return [evolution.archive.column(name).tobytes() for name in ("genes", *COLUMNS)]


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("space", [SMALL, MEDIUM, space_of((2,), 1), space_of((10, 2, 2), 0)])
def test_nothing_is_asked_twice_until_the_space_is_used_up(space: Space, complete: bool) -> None:
    evolution, oracle = begin(space, generations=10**6, complete_outputs=complete), Oracle(space)
    run(evolution, oracle)
    assert len(oracle.asked) == len(set(oracle.asked))
    assert sorted(oracle.answered) == sorted(space.all())
    assert f"all {space.size} architectures" in (evolution.stop_reason() or "")
    assert evolution.unscored == 0
    assert evolution.archive.evaluations == len(oracle.asked)


def test_a_generation_asks_for_a_population_of_distinct_architectures() -> None:
    evolution, oracle = begin(), Oracle(MEDIUM)
    for _ in range(20):
        requested, generation = step(evolution, oracle)
        assert len(set(requested)) == 8
        assert generation.genes.shape == (8, 6) and generation.objectives.shape == (8, 2)
        assert generation.evaluations == len(oracle.asked)
        assert generation.backbones == len({each[:3] for each in oracle.answered})
    assert generation.duplicates > 0


def test_duplicates_are_drawn_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    evolution, oracle = begin(population=4), Oracle(MEDIUM)
    old = step(evolution, oracle)[0]
    new = [each for each in MEDIUM.all() if each not in evolution.archive]
    children = [[new[0], old[1], new[0], new[1]], [new[1], old[0], old[0], new[2]], [new[3], old[0], old[0], old[0]]]
    rounds = iter(children)
    monkeypatch.setattr(evolution._variation, "children", lambda population, rng: iter(next(rounds)))
    assert evolution.ask() == new[:4]
    assert evolution.duplicates == 5  # and not those that were not needed any more


def test_where_the_operators_find_nothing_new_architectures_are_drawn_at_random() -> None:
    evolution, oracle = begin(crossover=0.0, mutation=1e-12), Oracle(MEDIUM)
    step(evolution, oracle)
    requested, generation = step(evolution, oracle)
    assert len(set(requested)) == 8
    assert generation.duplicates == 80  # ten rounds of eight
    firsts: Set[int] = set()
    for seed in range(60):
        evolution = begin(crossover=0.0, mutation=1e-12, seed=seed)
        step(evolution, oracle)
        firsts.update(each[0] for each in evolution.ask())
    assert firsts == {0, 1, 2}


@pytest.mark.parametrize("objectives", [["epe"], ["epe", "fps"], ["epe", "sram_kib", "fps", "npu_cycles"]])
@pytest.mark.parametrize("complete", [False, True])
def test_survivors_are_those_of_stock_nsga2(objectives: List[Any], complete: bool) -> None:
    """Of parents and all that was scored, DEAP's slow way picks the same population in the same order."""
    evolution = begin(objectives=objectives, complete_outputs=complete, generations=12)
    oracle = Oracle(MEDIUM)
    before: List[Architecture] = []
    while evolution.stop_reason() is None:
        known = len(evolution.archive)
        _, generation = step(evolution, oracle)
        archive = evolution.archive
        new = archive.architectures(range(known, len(archive)))
        candidates = [
            Individual(each, Fitness([archive.column(o)[archive.row(each)] * SIGNS[o] for o in objectives], 0.0))
            for each in before + new
        ]
        points = np.array([each.fitness.values for each in tools.selNSGA2(candidates, 8)])
        mine = generation.objectives * [SIGNS[o] for o in objectives]
        assert sorted(map(tuple, points)) == pytest.approx(sorted(map(tuple, mine)))
        before = [tuple(each) for each in generation.genes.tolist()]


def test_front_hypervolume_and_population_are_read_from_the_archive() -> None:
    evolution = begin(complete_outputs=True, generations=3)
    generations = run(evolution, Oracle(MEDIUM))
    archive = evolution.archive
    points = np.stack([archive.column("epe"), -archive.column("fps")], 1)
    assert sorted(evolution.front()) == brute_force_front(points)
    assert (np.diff(archive.column("epe")[evolution.front()]) >= 0).all()
    assert evolution.best_epe() == archive.column("epe").min()
    assert generations[-1].hypervolume == evolution.hypervolume()
    assert all(a.hypervolume <= b.hypervolume for a, b in zip(generations, generations[1:]))
    for genes, objectives in zip(generations[-1].genes.tolist(), generations[-1].objectives):
        row = archive.row(tuple(genes))
        assert objectives.tolist() == [archive.column("epe")[row], archive.column("fps")[row]]


def test_what_is_scored_along_is_archived_as_such_and_competes() -> None:
    evolution, oracle = begin(complete_outputs=True, generations=2), Oracle(MEDIUM)
    requested, generation = step(evolution, oracle)
    archive = evolution.archive
    assert len(archive) > len(requested)
    assert {archive.architectures([row])[0] for row in np.flatnonzero(archive.column("requested"))} == set(requested)
    survivors = {tuple(each) for each in generation.genes.tolist()}
    assert survivors - set(requested)


def test_a_plain_search_scores_what_it_asks_for_and_nothing_else() -> None:
    evolution, oracle = begin(complete_outputs=False, generations=5), Oracle(MEDIUM)
    run(evolution, oracle)
    assert sorted(oracle.asked) == sorted(oracle.answered)
    assert evolution.archive.column("requested").all()


def test_the_evaluators_order_does_not_matter() -> None:
    forth, back = begin(complete_outputs=True, generations=4), begin(complete_outputs=True, generations=4)
    run(forth, Oracle(MEDIUM))
    run(back, Oracle(MEDIUM, backwards=True))
    assert content(forth) == content(back)


def test_a_seed_repeats_a_search_and_another_gives_another() -> None:
    searches = [begin(seed=seed) for seed in (1, 1, 2)]
    for evolution in searches:
        run(evolution, Oracle(MEDIUM))
    assert content(searches[0]) == content(searches[1]) != content(searches[2])


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    random.seed(7)
    state, numpy_state = random.getstate(), str(np.random.get_state())
    first = begin()
    run(first, Oracle(MEDIUM))
    assert random.getstate() == state
    assert str(np.random.get_state()) == numpy_state
    random.seed(8)
    second = begin()
    run(second, Oracle(MEDIUM))
    assert content(first) == content(second)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("complete", [False, True])
def test_going_on_behind_any_generation_gives_the_search_that_was_never_interrupted(complete: bool, ties: bool) -> None:
    def epe(architecture: Architecture) -> float:
        return round(epe_of(architecture)) if ties else epe_of(architecture)

    changes: Any = {"complete_outputs": complete, "generations": 8, "objectives": ["epe"] if ties else ["epe", "fps"]}
    whole = begin(**changes)
    generations = run(whole, Oracle(MEDIUM, epe))
    part = begin(**changes)
    for expected in generations:
        part = Evolution(MEDIUM, part.config, Table(), 999, part.archive, step(part, Oracle(MEDIUM, epe))[1])
        assert part.number == expected.number + 1
    assert content(part) == content(whole)
    assert part.stop_reason() == whole.stop_reason()
    assert part.duplicates == whole.duplicates


def test_the_search_is_better_than_chance() -> None:
    """Medians over seeds: as many architectures at random leave more of the hypervolume undiscovered."""
    exact = begin(generations=10**6)
    run(exact, Oracle(MEDIUM))
    share, chance = [], []
    for seed in range(11):
        evolution = begin(seed=seed, generations=12)
        run(evolution, Oracle(MEDIUM))
        share.append(evolution.hypervolume() / exact.hypervolume())
        lottery = begin(seed=seed, generations=12)
        drawn = random.Random(seed).sample(list(MEDIUM.all()), len(evolution.archive))
        lottery.tell(drawn, [(each, epe_of(each)) for each in drawn])
        chance.append(lottery.hypervolume() / exact.hypervolume())
    assert np.median(share) > np.median(chance) + 0.01


# Failures


def test_a_failed_architecture_is_never_asked_again_and_is_part_of_nothing() -> None:
    def epe(architecture: Architecture) -> float:
        return math.nan if sum(architecture) % 3 == 0 else epe_of(architecture)

    evolution, oracle = begin(SMALL, generations=10**6), Oracle(SMALL, epe)
    generations = run(evolution, oracle)
    assert len(oracle.asked) == len(set(oracle.asked)) == SMALL.size
    failed = {each for each in SMALL.all() if sum(each) % 3 == 0}
    assert evolution.archive.failed == len(failed)
    for generation in generations:
        assert not failed & {tuple(each) for each in generation.genes.tolist()}
        assert np.isfinite(generation.objectives).all() and math.isfinite(generation.hypervolume)
    assert not failed & set(evolution.archive.architectures(evolution.front()))
    good = begin(SMALL)
    good.tell([], [(each, epe_of(each)) for each in SMALL.all() if each not in failed])
    assert evolution.hypervolume() == good.hypervolume()


def test_a_search_in_which_everything_fails_ends() -> None:
    evolution = begin(SMALL, generations=10**6)
    generations = run(evolution, Oracle(SMALL, lambda _: math.inf))
    assert len(evolution.archive) == SMALL.size and evolution.archive.failed == SMALL.size
    assert len(evolution.front()) == 0 and generations[-1].hypervolume == 0
    assert generations[-1].genes.shape == (0, 4) and generations[-1].objectives.shape == (0, 2)


def test_an_impossible_cost_is_refused_before_anything_is_scored() -> None:
    with pytest.raises(InputError, match="2031.*fps is nan"):
        begin(SMALL, Table(wrong={(2, 0, 3, 1): Cost(math.nan, 1.0, 1.0, 1.0)}))


# The SRAM cap


def fits(architecture: Architecture, cap: float) -> bool:
    return Table().cost(architecture).sram_kib <= cap


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([500.0, 520.0, 545.0, 560.0, 9999.0]), st.booleans(), st.integers(0, 1000))
def test_what_exceeds_the_cap_is_never_asked_for_and_never_wins(cap: float, complete: bool, seed: int) -> None:
    oracle = Oracle(SMALL, lambda architecture: epe_of(architecture) - 4 * (not fits(architecture, cap)))
    evolution = begin(SMALL, seed=seed, max_sram_kib=cap, complete_outputs=complete, generations=10**6)
    while evolution.stop_reason() is None:
        _, generation = step(evolution, oracle)
        known = [each for each in oracle.answered if fits(each, cap)]
        survivors = [tuple(each) for each in generation.genes.tolist()]
        assert sum(fits(each, cap) for each in survivors) == min(len(known), 8)
        assert len(survivors) == min(len(oracle.answered), 8)
    assert all(fits(each, cap) for each in oracle.asked)
    assert {each for each in SMALL.all() if fits(each, cap)} <= set(oracle.answered)
    archive = evolution.archive
    assert all(fits(each, cap) for each in archive.architectures(evolution.front()))
    alone = begin(SMALL, max_sram_kib=cap)
    alone.tell([], [(each, oracle.epe(each)) for each in SMALL.all() if fits(each, cap)])
    assert evolution.hypervolume() == alone.hypervolume()
    assert evolution.best_epe() == alone.best_epe()


@pytest.mark.parametrize("cap, table", [(499.9, Table()), (None, Table(sram_cap_kib=499.9))])
def test_a_cap_that_nothing_fits_is_refused_before_anything_is_scored(cap: Optional[float], table: Table) -> None:
    with pytest.raises(InputError, match=r"max_sram_kib.*499\.9 KiB.*500 KiB.*000000"):
        begin(table=table, max_sram_kib=cap)


def test_the_configured_cap_comes_before_the_boards() -> None:
    assert begin(SMALL, Table(sram_cap_kib=500.0)).unscored == 1
    assert begin(SMALL, Table(sram_cap_kib=500.0), max_sram_kib=510.0).unscored == 5
    assert begin(SMALL).unscored == 60


# The end


def test_the_search_ends_after_its_generations() -> None:
    evolution = begin(generations=3)
    assert len(run(evolution, Oracle(MEDIUM))) == 3
    assert evolution.stop_reason() == "3 generations are done"


@pytest.mark.parametrize("patience", [1, 3])
def test_the_search_ends_when_the_hypervolume_stands_still(patience: int) -> None:
    evolution = begin(generations=10**6, patience=patience)
    volumes = [generation.hypervolume for generation in run(evolution, Oracle(MEDIUM))]
    assert evolution.stop_reason() == f"the hypervolume has stood still for {patience} generations"
    still = [volumes[i] == volumes[i - patience] for i in range(patience, len(volumes))]
    assert still[-1] and not any(still[:-1])


def test_a_generation_costs_little_beside_the_evaluation() -> None:
    space = space_of((3,) * 9, backbone=4)
    evolution = begin(space, population=52, generations=10**6)
    drawn = random.Random(0).sample(list(space.all()), 19000)
    evolution.tell(drawn, [(each, epe_of(each)) for each in drawn])
    seconds = []
    for _ in range(7):
        begun = time.process_time()
        requested = evolution.ask()
        evolution.tell(requested, [(each, epe_of(each)) for each in requested])
        evolution.stop_reason()
        seconds.append(time.process_time() - begun)
    assert np.median(seconds) < 0.2
