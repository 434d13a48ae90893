import json
import random
from typing import List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.nsga2.operators import Fitness, Individual, Variation, dump_rng, lend_to_deap, load_rng, mutate, select

counts_strategy = st.lists(st.integers(2, 6), min_size=1, max_size=12)


@settings(deadline=None)
@given(counts_strategy, st.integers(0, 2**32))
def test_mutated_gene_has_a_different_valid_option(counts: List[int], seed: int) -> None:
    rng = random.Random(seed)
    before = [rng.randrange(count) for count in counts]
    after = list(before)
    options = list(map(range, counts))
    mutate(after, options, 1.0, rng)
    assert all(a != b and 0 <= a < count for a, b, count in zip(after, before, counts))
    mutate(after, options, 0.0, rng)
    assert all(a != b for a, b in zip(after, before))


def test_mutation_draws_all_other_options_equally_often() -> None:
    rng = random.Random(0)
    drawn = [0] * 5
    for _ in range(8000):
        gene = [2]
        mutate(gene, [range(5)], 1.0, rng)
        drawn[gene[0]] += 1
    assert drawn[2] == 0
    assert all(abs(drawn[option] - 2000) < 200 for option in (0, 1, 3, 4))


def test_mutation_changes_genes_with_its_probability() -> None:
    rng = random.Random(0)
    genes = [0] * 20000
    mutate(genes, [range(3)] * 20000, 0.25, rng)
    assert sum(gene != 0 for gene in genes) == pytest.approx(5000, abs=250)


def make_individuals(points: List[Tuple[float, ...]], violations: List[float]) -> List[Individual]:
    return [Individual([i], Fitness(point, v)) for i, (point, v) in enumerate(zip(points, violations))]


def test_lending_restores_the_global_generator() -> None:
    random.seed(5)
    outside = random.getstate()
    own = random.Random(1)
    with lend_to_deap(own):
        inside = [random.random() for _ in range(3)]
    assert random.getstate() == outside
    twin = random.Random(1)
    assert inside == [twin.random() for _ in range(3)]
    assert own.getstate() == twin.getstate()
    with pytest.raises(KeyError), lend_to_deap(own):
        random.random()
        raise KeyError
    assert random.getstate() == outside
    assert own.random() == [twin.random(), twin.random()][1]


@given(st.integers(0, 2**32), st.integers(0, 700), st.booleans())
def test_generator_is_restored_from_its_dump(seed: int, draws: int, gaussian: bool) -> None:
    rng = random.Random(seed)
    for _ in range(draws):
        rng.random()
    if gaussian:
        rng.gauss(0, 1)  # leaves a second value pending
    text = dump_rng(rng)
    json.loads(text)
    twin = load_rng(text)
    assert twin.getstate() == rng.getstate()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[3, 5, null]", '[3, "AAAA", null]', '[2, "", null]', '["3", "!", null]', "[3]", "null"]
)
def test_invalid_state_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):
        load_rng(text)


def test_feasible_fitness_dominates_every_infeasible_one() -> None:
    good, bad, worse = Fitness((9.0, 9.0), 0.0), Fitness((0.0, 0.0), 1.0), Fitness((0.0, 0.0), 2.0)
    assert good.dominates(bad) and bad.dominates(worse) and good.dominates(worse)
    assert not bad.dominates(good) and not worse.dominates(bad) and not bad.dominates(bad)
    assert Fitness((0.0, 1.0), 0.0).dominates(Fitness((0.0, 2.0), 0.0))
    assert not Fitness((0.0, 2.0), 0.0).dominates(Fitness((1.0, 1.0), 0.0))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.0, 1.0, 2.0])), max_size=24),
    st.integers(0, 24),
)
def test_selection_prefers_feasible_individuals_and_has_no_nan(rows: List[Tuple[int, int, float]], size: int) -> None:
    candidates = make_individuals([row[:2] for row in rows], [row[2] for row in rows])
    selected = select(candidates, size)
    feasible = sum(row[2] == 0 for row in rows)
    violations = [individual.fitness.violation for individual in selected]
    assert len(selected) == min(size, len(rows))
    assert violations[:feasible] == [0.0] * min(size, feasible)
    assert violations[feasible:] == sorted(row[2] for row in rows if row[2])[: max(size - feasible, 0)]
    assert all(individual.fitness.crowding_dist >= 0 for individual in selected)


@settings(deadline=None)
@given(counts_strategy, st.integers(0, 30), st.integers(0, 2**32))
def test_children_are_valid_architectures(counts: List[int], size: int, seed: int) -> None:
    rng = random.Random(seed)
    fitnesses = [Fitness((rng.random(), rng.random()), rng.choice((0.0, 1.0))) for _ in range(size)]
    parents = [Individual([rng.randrange(count) for count in counts], fitness) for fitness in fitnesses]
    state = random.getstate()
    children = list(Variation(list(map(range, counts)), 0.9, 0.3).generate_children(select(parents, size), rng))
    assert random.getstate() == state
    assert len(children) == size // 4 * 4
    assert all(0 <= option < count for child in children for option, count in zip(child, counts))


def test_without_crossover_and_mutation_children_are_copies_of_the_better_parents() -> None:
    parents = make_individuals([(float(i), float(i)) for i in range(8)], [0.0] * 8)
    children = list(Variation([range(8)], 0.0, 0.0).generate_children(select(parents, 8), random.Random(0)))
    assert children.count((0,)) == 2 and (7,) not in children
    assert [list(parent) for parent in parents] == [[i] for i in range(8)]


def test_crossover_mixes_the_genes_of_two_parents() -> None:
    parents = [Individual([i] * 40, Fitness((0.0, 0.0), 0.0)) for i in (0, 1, 2, 3)]
    children = list(Variation([range(4)] * 40, 1.0, 0.0).generate_children(select(parents, 4), random.Random(3)))
    for first, second in zip(children[::2], children[1::2]):
        assert len(set(first) | set(second)) == 2
        assert 8 < sum(option == first[0] for option in first) < 32
