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
from search.nsga2.archive import COLUMNS, Archive
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


def start(space: Space = MEDIUM, table: Optional[Table] = None, seed: int = 1, **changes: Any) -> Evolution:
    return Evolution(space, evolution_config(**changes), table or Table(), seed)


def archive_bytes(evolution: Evolution) -> List[bytes]:
    return [evolution.archive.column(name).tobytes() for name in ("genes", *COLUMNS)]


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("space", [SMALL, MEDIUM, space_of((2,), 1), space_of((10, 2, 2), 0)])
def test_nothing_is_requested_twice_until_the_space_is_exhausted(space: Space, complete: bool) -> None:
    evolution, oracle = start(space, generations=10**6, complete_outputs=complete), Oracle(space)
    run(evolution, oracle)
    assert len(oracle.requested) == len(set(oracle.requested))
    assert sorted(oracle.scored) == sorted(space.all())
    assert f"all {space.size} architectures" in (evolution.stop_reason() or "")
    assert evolution.unscored == 0
    assert evolution.archive.evaluations == len(oracle.requested)


def test_generation_requests_a_population_of_distinct_architectures() -> None:
    evolution, oracle = start(), Oracle(MEDIUM)
    for _ in range(20):
        requested, generation = step(evolution, oracle)
        assert len(set(requested)) == 8
        assert generation.genes.shape == (8, 6) and generation.objectives.shape == (8, 2)
        assert generation.evaluations == len(oracle.requested)
        assert generation.backbones == len({architecture[:3] for architecture in oracle.scored})
    assert generation.duplicates > 0


def test_duplicates_are_drawn_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    evolution, oracle = start(population=4), Oracle(MEDIUM)
    old = step(evolution, oracle)[0]
    new = [architecture for architecture in MEDIUM.all() if architecture not in evolution.archive]
    children = [[new[0], old[1], new[0], new[1]], [new[1], old[0], old[0], new[2]], [new[3], old[0], old[0], old[0]]]
    rounds = iter(children)
    monkeypatch.setattr(evolution._variation, "generate_children", lambda population, rng: iter(next(rounds)))
    assert evolution.ask() == new[:4]
    assert evolution.duplicates == 5  # without those that were no longer needed


def test_architectures_are_drawn_at_random_where_the_operators_produce_nothing_new() -> None:
    evolution, oracle = start(crossover=0.0, mutation=1e-12), Oracle(MEDIUM)
    step(evolution, oracle)
    requested, generation = step(evolution, oracle)
    assert len(set(requested)) == 8
    assert generation.duplicates == 80  # ten rounds of eight
    firsts: Set[int] = set()
    for seed in range(60):
        evolution = start(crossover=0.0, mutation=1e-12, seed=seed)
        step(evolution, oracle)
        firsts.update(architecture[0] for architecture in evolution.ask())
    assert firsts == {0, 1, 2}


@pytest.mark.parametrize("objectives", [["epe"], ["epe", "fps"], ["epe", "sram_kib", "fps", "npu_cycles"]])
@pytest.mark.parametrize("complete", [False, True])
def test_survivors_equal_those_of_standard_nsga2(objectives: List[Any], complete: bool) -> None:
    """From parents and all scored architectures, DEAP's selection picks the same population in the same order."""
    evolution = start(objectives=objectives, complete_outputs=complete, generations=12)
    oracle = Oracle(MEDIUM)
    before: List[Architecture] = []
    while evolution.stop_reason() is None:
        known = len(evolution.archive)
        _, generation = step(evolution, oracle)
        archive = evolution.archive
        new = archive.architectures(range(known, len(archive)))
        candidates = [
            Individual(genes, Fitness([archive.column(o)[archive.row(genes)] * SIGNS[o] for o in objectives], 0.0))
            for genes in before + new
        ]
        points = np.array([survivor.fitness.values for survivor in tools.selNSGA2(candidates, 8)])
        actual = generation.objectives * [SIGNS[o] for o in objectives]
        np.testing.assert_allclose(sorted(map(tuple, points)), sorted(map(tuple, actual)), rtol=1e-6)
        before = list(map(tuple, generation.genes.tolist()))


def test_front_hypervolume_and_population_agree_with_the_archive() -> None:
    evolution = start(complete_outputs=True, generations=3)
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


def test_architectures_scored_with_a_requested_one_are_archived_and_compete() -> None:
    evolution, oracle = start(complete_outputs=True, generations=2), Oracle(MEDIUM)
    requested, generation = step(evolution, oracle)
    archive = evolution.archive
    assert len(archive) > len(requested)
    rows = np.flatnonzero(archive.column("requested")).tolist()
    assert set(archive.architectures(rows)) == set(requested)
    survivors = {tuple(genes) for genes in generation.genes.tolist()}
    assert survivors - set(requested)


def test_search_without_completed_outputs_scores_only_requested_architectures() -> None:
    evolution, oracle = start(complete_outputs=False, generations=5), Oracle(MEDIUM)
    run(evolution, oracle)
    assert sorted(oracle.requested) == sorted(oracle.scored)
    assert evolution.archive.column("requested").all()


def test_archive_does_not_depend_on_the_order_of_the_evaluator() -> None:
    forward, backward = start(complete_outputs=True, generations=4), start(complete_outputs=True, generations=4)
    run(forward, Oracle(MEDIUM))
    run(backward, Oracle(MEDIUM, backwards=True))
    assert archive_bytes(forward) == archive_bytes(backward)


def test_search_depends_on_its_seed_only() -> None:
    searches = [start(seed=seed) for seed in (1, 1, 2)]
    for evolution in searches:
        run(evolution, Oracle(MEDIUM))
    assert archive_bytes(searches[0]) == archive_bytes(searches[1]) != archive_bytes(searches[2])


def test_global_random_generators_are_not_used() -> None:
    random.seed(7)
    state, numpy_state = random.getstate(), str(np.random.get_state())
    first = start()
    run(first, Oracle(MEDIUM))
    assert random.getstate() == state
    assert str(np.random.get_state()) == numpy_state
    random.seed(8)
    second = start()
    run(second, Oracle(MEDIUM))
    assert archive_bytes(first) == archive_bytes(second)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("complete", [False, True])
def test_resuming_after_any_generation_gives_the_uninterrupted_search(complete: bool, ties: bool) -> None:
    def epe(architecture: Architecture) -> float:
        return round(epe_of(architecture)) if ties else epe_of(architecture)

    changes: Any = {"complete_outputs": complete, "generations": 8, "objectives": ["epe"] if ties else ["epe", "fps"]}
    whole = start(**changes)
    generations = run(whole, Oracle(MEDIUM, epe))
    resumed = start(**changes)
    for expected in generations:
        generation = step(resumed, Oracle(MEDIUM, epe))[1]
        resumed = Evolution(MEDIUM, resumed.config, Table(), 999, resumed.archive, generation)
        assert resumed.number == expected.number + 1
    assert archive_bytes(resumed) == archive_bytes(whole)
    assert resumed.stop_reason() == whole.stop_reason()
    assert resumed.duplicates == whole.duplicates


def test_search_is_better_than_chance() -> None:
    """Compares the median hypervolume over seeds with that of equally many random architectures."""
    exact = start(generations=10**6)
    run(exact, Oracle(MEDIUM))
    share, chance = [], []
    for seed in range(11):
        evolution = start(seed=seed, generations=12)
        run(evolution, Oracle(MEDIUM))
        share.append(evolution.hypervolume() / exact.hypervolume())
        random_search = start(seed=seed, generations=12)
        drawn = random.Random(seed).sample(list(MEDIUM.all()), len(evolution.archive))
        random_search.tell(drawn, [(architecture, epe_of(architecture)) for architecture in drawn])
        chance.append(random_search.hypervolume() / exact.hypervolume())
    assert np.median(share) > np.median(chance) + 0.01


# Failures


def test_failed_architectures_are_never_requested_again_and_ignored() -> None:
    def epe(architecture: Architecture) -> float:
        return math.nan if sum(architecture) % 3 == 0 else epe_of(architecture)

    evolution, oracle = start(SMALL, generations=10**6), Oracle(SMALL, epe)
    generations = run(evolution, oracle)
    assert len(oracle.requested) == len(set(oracle.requested)) == SMALL.size
    failed = {architecture for architecture in SMALL.all() if sum(architecture) % 3 == 0}
    assert evolution.archive.failed == len(failed)
    for generation in generations:
        assert not failed & set(map(tuple, generation.genes.tolist()))
        assert np.isfinite(generation.objectives).all() and math.isfinite(generation.hypervolume)
    assert not failed & set(evolution.archive.architectures(evolution.front()))
    good = start(SMALL)
    good.tell([], [(architecture, epe_of(architecture)) for architecture in SMALL.all() if architecture not in failed])
    assert evolution.hypervolume() == good.hypervolume()


def test_search_ends_if_all_architectures_fail() -> None:
    evolution = start(SMALL, generations=10**6)
    generations = run(evolution, Oracle(SMALL, lambda _: math.inf))
    assert len(evolution.archive) == SMALL.size and evolution.archive.failed == SMALL.size
    assert len(evolution.front()) == 0 and generations[-1].hypervolume == 0
    assert generations[-1].genes.shape == (0, 4) and generations[-1].objectives.shape == (0, 2)


def test_invalid_cost_is_rejected_before_scoring() -> None:
    with pytest.raises(InputError, match="2031.*fps is nan"):
        start(SMALL, Table(wrong={(2, 0, 3, 1): Cost(math.nan, 1.0, 1.0, 1.0)}))


# The SRAM cap


def fits(architecture: Architecture, cap: float) -> bool:
    return Table().cost(architecture).sram_kib <= cap


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([500.0, 520.0, 545.0, 560.0, 9999.0]), st.booleans(), st.integers(0, 1000))
def test_infeasible_architectures_are_never_requested_and_never_win(cap: float, complete: bool, seed: int) -> None:
    oracle = Oracle(SMALL, lambda architecture: epe_of(architecture) - 4 * (not fits(architecture, cap)))
    limits = {"sram_kib": {"max": cap}}
    evolution = start(SMALL, seed=seed, constraints=limits, complete_outputs=complete, generations=10**6)
    while evolution.stop_reason() is None:
        _, generation = step(evolution, oracle)
        known = [architecture for architecture in oracle.scored if fits(architecture, cap)]
        survivors = [tuple(genes) for genes in generation.genes.tolist()]
        assert sum(fits(survivor, cap) for survivor in survivors) == min(len(known), 8)
        assert len(survivors) == min(len(oracle.scored), 8)
    assert all(fits(architecture, cap) for architecture in oracle.requested)
    assert {architecture for architecture in SMALL.all() if fits(architecture, cap)} <= set(oracle.scored)
    archive = evolution.archive
    assert all(fits(architecture, cap) for architecture in archive.architectures(evolution.front()))
    alone = start(SMALL, constraints={"sram_kib": {"max": cap}})
    feasible = [architecture for architecture in SMALL.all() if fits(architecture, cap)]
    alone.tell([], [(architecture, oracle.epe(architecture)) for architecture in feasible])
    assert evolution.hypervolume() == alone.hypervolume()
    assert evolution.best_epe() == alone.best_epe()


@pytest.mark.parametrize("cap, table", [({"sram_kib": {"max": 499.9}}, Table()), ({}, Table(sram_cap_kib=499.9))])
def test_cap_that_no_architecture_fits_is_rejected_before_scoring(cap: Any, table: Table) -> None:
    with pytest.raises(InputError, match=r"constraints: .*at most 499\.9 KiB.*000000, has 500 KiB"):
        start(table=table, constraints=cap)


def test_configured_cap_overrides_the_boards() -> None:
    assert start(SMALL, Table(sram_cap_kib=500.0)).unscored == 1
    assert start(SMALL, Table(sram_cap_kib=500.0), constraints={"sram_kib": {"max": 510.0}}).unscored == 5
    assert start(SMALL).unscored == 60


@pytest.mark.parametrize("name", ["fps", "latency_ms", "sram_kib", "npu_cycles"])
def test_every_cost_can_be_limited(name: str) -> None:
    costs = [getattr(Table().cost(architecture), name) for architecture in SMALL.all()]
    middle = float(np.median(costs))
    assert start(SMALL, constraints={name: {"max": middle}}).unscored == sum(cost <= middle for cost in costs)
    assert start(SMALL, constraints={name: {"min": middle}}).unscored == sum(cost >= middle for cost in costs)


def test_constraints_apply_together_and_the_nearest_is_named() -> None:
    everything = [Table().cost(architecture) for architecture in SMALL.all()]
    slowest, largest = np.quantile([(cost.fps, cost.sram_kib) for cost in everything], [0.3, 0.7], axis=0).diagonal()
    limits = {"fps": {"min": float(slowest)}, "sram_kib": {"max": float(largest)}}
    evolution = start(SMALL, constraints=limits, complete_outputs=True, generations=10**6)
    count = sum(cost.fps >= slowest and cost.sram_kib <= largest for cost in everything)
    assert 0 < count < len(everything) and evolution.unscored == count
    run(evolution, Oracle(SMALL))
    costs = [Table().cost(architecture) for architecture in evolution.archive.architectures(evolution.front())]
    assert costs and all(cost.fps >= slowest and cost.sram_kib <= largest for cost in costs)
    fastest = max(SMALL.all(), key=lambda architecture: Table().cost(architecture).fps)
    with pytest.raises(InputError) as caught:
        start(SMALL, constraints={"fps": {"min": 9e9}, "sram_kib": {"max": 9e9}})
    assert f"the nearest, {SMALL.format(fastest)}, has {Table().cost(fastest).fps:g} FPS and" in str(caught.value)


# The end of a search


def test_search_ends_after_its_generations() -> None:
    evolution = start(generations=3)
    assert len(run(evolution, Oracle(MEDIUM))) == 3
    assert evolution.stop_reason() == "3 generations completed"


@pytest.mark.parametrize("patience", [1, 3])
def test_search_ends_when_the_hypervolume_does_not_improve(patience: int) -> None:
    evolution = start(generations=10**6, patience=patience)
    volumes = [generation.hypervolume for generation in run(evolution, Oracle(MEDIUM))]
    period = "1 generation" if patience == 1 else f"{patience} generations"
    assert evolution.stop_reason() == f"the hypervolume has not improved for {period}"
    unchanged = [volumes[i] == volumes[i - patience] for i in range(patience, len(volumes))]
    assert unchanged[-1] and not any(unchanged[:-1])


def test_generation_takes_little_time_compared_with_the_evaluation() -> None:
    space = space_of((3,) * 9, backbone=4)
    evolution = start(space, population=52, generations=10**6)
    drawn = random.Random(0).sample(list(space.all()), 19000)
    evolution.tell(drawn, [(architecture, epe_of(architecture)) for architecture in drawn])
    seconds = []
    for _ in range(7):
        start_time = time.process_time()
        requested = evolution.ask()
        evolution.tell(requested, [(architecture, epe_of(architecture)) for architecture in requested])
        evolution.stop_reason()
        seconds.append(time.process_time() - start_time)
    assert np.median(seconds) < 0.2


# The worst point as reference point


def worst_of(evolution: Evolution, rows: np.ndarray) -> float:
    return float(evolution.archive.column("epe")[rows].max())


def test_reference_point_is_the_worst_cost_of_all_and_the_worst_epe_of_the_first_generation() -> None:
    evolution = start(reference_point=None, complete_outputs=True, generations=6)
    assert evolution.hypervolume() == 0
    generations = run(evolution, Oracle(MEDIUM))
    first = np.flatnonzero(evolution.archive.column("generation") == 0)
    slowest = min(Table().cost(architecture).fps for architecture in MEDIUM.all())
    for generation in generations:
        assert generation.reference_point == {"epe": worst_of(evolution, first), "fps": slowest}
    volumes = [generation.hypervolume for generation in generations]
    assert 0 < volumes[0] < volumes[-1] and volumes == sorted(volumes)


def test_infeasible_architectures_do_not_set_the_reference_point() -> None:
    cap = float(np.median([Table().cost(architecture).sram_kib for architecture in MEDIUM.all()]))
    limits = {"sram_kib": {"max": cap}}
    evolution = start(reference_point=None, complete_outputs=True, generations=3, constraints=limits)
    point = run(evolution, Oracle(MEDIUM))[-1].reference_point
    feasible = [Table().cost(architecture) for architecture in MEDIUM.all()]
    assert point["fps"] == min(cost.fps for cost in feasible if cost.sram_kib <= cap)
    rows = np.flatnonzero(evolution.archive.column("generation") == 0)
    rows = rows[evolution.archive.column("sram_kib")[rows] <= cap]
    assert point["epe"] == worst_of(evolution, rows)


def test_reference_point_is_open_until_a_population_is_scored() -> None:
    """As with children that are trained one by one."""
    evolution = start(reference_point=None, population=4, generations=99)
    epes = {(0, 0, 0, 0, 0, 0): 3.0, (1, 0, 0, 0, 0, 0): 5.0, (0, 1, 0, 0, 0, 0): 2.0, (0, 0, 1, 0, 0, 0): 1.0}
    bounds = [
        evolution.tell([architecture], [(architecture, epe)]).reference_point["epe"]
        for architecture, epe in {**epes, (0, 0, 0, 1, 0, 0): 9.0}.items()
    ]
    assert bounds == pytest.approx([3.03, 5.0, 5.0, 5.0, 5.0])  # a single value is moved, so that there is a volume


@pytest.mark.parametrize("complete", [False, True])
def test_resumed_search_keeps_the_reference_point(complete: bool) -> None:
    whole = start(reference_point=None, complete_outputs=complete, generations=6, patience=3)
    generations = run(whole, Oracle(MEDIUM))
    resumed = start(reference_point=None, complete_outputs=complete, generations=6, patience=3)
    for expected in generations:
        generation = step(resumed, Oracle(MEDIUM))[1]
        assert (generation.reference_point, generation.hypervolume) == (expected.reference_point, expected.hypervolume)
        resumed = Evolution(MEDIUM, resumed.config, Table(), 999, resumed.archive, generation)
    assert archive_bytes(resumed) == archive_bytes(whole) and resumed.stop_reason() == whole.stop_reason()


def test_reference_point_of_a_scored_space_is_its_worst_point() -> None:
    archive = Archive(MEDIUM)
    scores = [(architecture, epe_of(architecture)) for architecture in MEDIUM.all()]
    archive.append(scores, [Table().cost(architecture) for architecture, _ in scores], 0, set())
    exact = Evolution(MEDIUM, evolution_config(reference_point=None), Table(), 1, archive)
    worst = {"epe": max(epe for _, epe in scores), "fps": float(archive.column("fps").min())}
    assert exact.objectives.reference_point == worst
    explicit = Evolution(MEDIUM, evolution_config(reference_point=worst), Table(), 1, archive)
    assert exact.hypervolume() == explicit.hypervolume() > 0


# Initial architectures

OWN = [(2, 2, 1, 3, 2, 2), (0, 1, 0, 2, 1, 1)]


@pytest.mark.parametrize("complete", [False, True])
def test_initial_architectures_join_the_first_generation(complete: bool) -> None:
    config = evolution_config(complete_outputs=complete)
    evolution, oracle = Evolution(MEDIUM, config, Table(), 1, initial=[*OWN, OWN[0]]), Oracle(MEDIUM)
    requested, _ = step(evolution, oracle)
    assert requested[:2] == OWN and len(requested) > 4
    assert len(set(map(MEDIUM.trunk, requested) if complete else requested)) == len(requested)
    assert not set(OWN) & set(step(evolution, oracle)[0])


@pytest.mark.parametrize("complete", [False, True])
def test_initial_architectures_are_scored_at_the_next_start_even_after_the_end(complete: bool) -> None:
    config, oracle = evolution_config(complete_outputs=complete, generations=2), Oracle(MEDIUM)
    ended = Evolution(MEDIUM, config, Table(), 1)
    last = run(ended, oracle)[-1]
    new = [architecture for architecture in MEDIUM.all() if architecture not in ended.archive][-1]
    resumed = Evolution(MEDIUM, config, Table(), 1, ended.archive, last, initial=[oracle.requested[0], new])
    assert resumed.stop_reason() is None
    requested, generation = step(resumed, oracle)
    assert requested[0] == new and oracle.requested.count(oracle.requested[0]) == 1
    again = Evolution(MEDIUM, config, Table(), 1, resumed.archive, generation, initial=[new])
    assert again.stop_reason() == "3 generations completed"


def test_search_with_initial_architectures_is_resumed_exactly() -> None:
    config = evolution_config(complete_outputs=True, generations=5)
    whole = Evolution(MEDIUM, config, Table(), 1, initial=OWN)
    resumed = Evolution(MEDIUM, config, Table(), 1, initial=OWN)
    for expected in run(whole, Oracle(MEDIUM)):
        generation = step(resumed, Oracle(MEDIUM))[1]
        assert generation.rng_state == expected.rng_state
        resumed = Evolution(MEDIUM, config, Table(), 9, resumed.archive, generation, initial=OWN)
    assert archive_bytes(resumed) == archive_bytes(whole)


@pytest.mark.parametrize("complete", [False, True])
def test_space_is_exhausted_with_all_of_it_as_initial_architectures(complete: bool) -> None:
    config = evolution_config(complete_outputs=complete, generations=99)
    evolution, oracle = Evolution(SMALL, config, Table(), 1, initial=list(SMALL.all())), Oracle(SMALL)
    run(evolution, oracle)
    assert sorted(oracle.scored) == sorted(SMALL.all())


def test_infeasible_initial_architectures_are_left_out_and_named(capsys: pytest.CaptureFixture) -> None:
    config = evolution_config(constraints={"sram_kib": {"max": 560.0}}, options={"G5": ["0", "1"]})
    evolution = Evolution(MEDIUM, config, Table(), 1, initial=[*OWN, (0, 0, 0, 0, 0, 2)])
    assert "2 architectures are left out" in capsys.readouterr().err
    assert evolution.ask()[0] == OWN[1]


# Some options


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("options", [{"G3": ["1", "3"], "G0": ["2"]}, {"G5": ["0", "1"], "G1": ["1", "2"]}])
def test_only_the_given_options_are_searched(complete: bool, options: Any) -> None:
    searched = [
        architecture
        for architecture in MEDIUM.all()
        if all(str(architecture[int(gene[1])]) in kept for gene, kept in options.items())
    ]
    evolution, oracle = start(options=options, complete_outputs=complete, generations=10**6), Oracle(MEDIUM)
    assert evolution.unscored == len(searched)
    generations = run(evolution, oracle)
    assert sorted(oracle.scored) == searched
    assert f"all {len(searched)} architectures" in (evolution.stop_reason() or "")
    exact = start()
    exact.tell([], [(architecture, epe_of(architecture)) for architecture in searched])
    assert generations[-1].hypervolume == exact.hypervolume()


def test_all_options_are_the_whole_space() -> None:
    everything = {f"G{gene}": [str(option) for option in range(count)] for gene, count in enumerate(MEDIUM.counts)}
    searches = [start(complete_outputs=True, generations=4, options=options) for options in ({}, everything)]
    for evolution in searches:
        run(evolution, Oracle(MEDIUM))
    assert archive_bytes(searches[0]) == archive_bytes(searches[1])


@pytest.mark.parametrize("options, message", [({"G9": ["0"]}, "no gene G9"), ({"G0": ["7"]}, "no option 7.*0, 1, 2")])
def test_unknown_genes_and_options_are_rejected(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        start(options=options)
