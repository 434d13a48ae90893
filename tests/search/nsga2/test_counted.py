"""The feasible architectures of a space are the same whether they are listed or counted."""

import itertools
import random
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeflownas.config import Bound
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import CostTable
from search.nsga2 import candidates, counted, ways
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.candidates import Candidates, find_feasible
from search.nsga2.counted import CountedSet
from search.nsga2.evolution import Evolution
from search.nsga2.feasibility import Feasibility
from search.nsga2.listed import LARGEST, ListedSet
from search.nsga2.objectives import DEFINITIONS, SIGNS, Definition
from search.nsga2.scoring import COST_FIGURES, compute_costs
from search.nsga2.subspace import Subspace
from tests.edgeflownas.hardware.made_tables import draw_figures, make_table
from tests.search.stand_ins import Oracle, epe_of, evolution_config, space_of, step

OBJECTIVES: List[Any] = ["fps", "latency_ms", "sram_kib", "npu_cycles"]


def make_small_table(counts: Sequence[int], joined: Any, wrong: bool, seed: int) -> CostTable:
    """Make a table in which joined genes are neighbours; if ``wrong``, two predictions are wrong."""
    together = [genes for genes in joined if max(genes) < len(counts)]
    everything = list(itertools.product(*map(range, counts)))
    held_out = random.Random(seed).sample(everything, 2) if wrong else []
    return make_table(
        counts, draw_figures(counts, seed, [*together, *([(0, len(counts) - 1)] * wrong)]), together, held_out
    )


tables = st.builds(
    make_small_table,
    st.lists(st.integers(2, 4), min_size=2, max_size=5),
    st.sampled_from([(), ((0, 1),), ((0, 1), (1, 2))]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
searched = st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=5, max_size=5)
shares = st.dictionaries(
    st.sampled_from(COST_FIGURES), st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["low", "high", "both"]))
)


def make_subspace(table: CostTable, options: Sequence[Any]) -> Subspace:
    counts = [len(gene) for gene in table.content.network.genes.values()]
    kept = [sorted(gene & set(range(count))) or range(count) for gene, count in zip(options, counts)]
    return Subspace(space_of(counts, 1), kept)


def make_limits(costs: Dict[str, np.ndarray], limits: Dict[str, Tuple[float, float, str]]) -> Feasibility:
    """Return limits at quantiles of the costs, so that they are often met exactly."""
    bounds = {}
    for name, (first, second, sides) in limits.items():
        low, high = np.sort(costs[name])[
            [int(share * (len(costs[name]) - 1)) for share in sorted([first, second])]
        ].tolist()
        bounds[name] = Bound(min=None if sides == "high" else low, max=None if sides == "low" else high)
    return Feasibility(bounds)


def list_and_count(
    table: CostTable, options: Sequence[Any], limits: Dict[str, Tuple[float, float, str]]
) -> Tuple[np.ndarray, Feasibility, ListedSet, CountedSet]:
    subspace = make_subspace(table, options)
    genes = subspace.all()
    costs = compute_costs(subspace.space, table, genes)
    feasibility = make_limits(costs, limits)
    return (
        genes,
        feasibility,
        ListedSet(subspace.space, genes, costs, feasibility),
        CountedSet(subspace, table.sums(), feasibility),
    )


@settings(deadline=None, max_examples=60)
@given(tables, searched, shares)
def test_counted_architectures_are_the_listed_ones(table: CostTable, options: Any, limits: Any) -> None:
    genes, _, listed, counts = list_and_count(table, options, limits)
    feasible = listed.contains(genes)
    assert counts.contains(genes).tolist() == feasible.tolist()
    assert bool(listed.size) == bool(counts.size)
    ranks = counts.ranks(genes)
    assert ((ranks >= 0) == (feasible if counts.size else ranks >= 0)).all()
    assert len(set(ranks[ranks >= 0].tolist())) == listed.size
    assert counts.genes_at(ranks[ranks >= 0]).tolist() == genes[ranks >= 0].tolist()
    assert listed.size <= counts.size
    for objective in OBJECTIVES if listed.size else []:
        assert counts.cost_range(objective) == listed.cost_range(objective)
        best = np.array([listed.best(objective), counts.best(objective)])
        assert len(np.unique(listed.costs(best)[objective])) == 1


@settings(deadline=None, max_examples=40)
@given(tables, searched, shares)
def test_counts_and_ranks_are_exact_if_a_step_is_a_cycle(table: CostTable, options: Any, limits: Any) -> None:
    limits = {name: (low, high, "high" if name == "sram_kib" else sides) for name, (low, high, sides) in limits.items()}
    assume(not table.sums().exceptions)
    genes, feasibility, listed, counts = list_and_count(table, options, limits)
    assume("sram_kib" not in limits or feasibility.violations(lambda _: np.array([530.0]), 1)[0] == 0)
    assume(len({"fps", "npu_cycles"} & set(limits)) < 2)
    assert counts.size == listed.size
    assert counts.ranks(genes).tolist() == listed.ranks(genes).tolist()
    if listed.size:
        assert counts.genes_at(np.arange(listed.size)).tolist() == genes[listed.contains(genes)].tolist()
        assert [counts.best(objective) for objective in OBJECTIVES] == [listed.best(name) for name in OBJECTIVES]


@settings(deadline=None, max_examples=30)
@given(tables, searched, shares)
def test_objective_that_combines_costs_lies_within_its_bounds(table: CostTable, options: Any, limits: Any) -> None:
    energy = Definition(1.0, lambda figures: 0.3 * figures("latency_ms") + 2e-8 * figures("npu_cycles"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DEFINITIONS, "energy_mj", energy)  # type: ignore[misc]
        patch.setitem(SIGNS, "energy_mj", 1.0)  # type: ignore[misc]
        genes, _, listed, counts = list_and_count(table, options, limits)
        assume(listed.size)
        values = energy.value(listed.costs(genes[listed.contains(genes)]).__getitem__)
        assert listed.cost_range("energy_mj") == (values.min(), values.max())  # type: ignore[arg-type]
        low, high = counts.cost_range("energy_mj")  # type: ignore[arg-type]
        assert low <= values.min() * (1 + 1e-12) and values.max() * (1 - 1e-12) <= high
        assert counts.contains(np.array([counts.best("energy_mj")], np.uint8)).all()  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(tables, searched, shares, st.sampled_from([1, 4, 20]))
def test_coarse_steps_count_too_many_but_miss_none(table: CostTable, options: Any, limits: Any, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted, "_STEPS", steps)
        patch.setattr(ways, "_TRIES", 3)
        genes, feasibility, listed, counts = list_and_count(table, options, limits)
        feasible = listed.contains(genes)
        ranks = counts.ranks(genes)
        assert listed.size <= counts.size
        assert ((ranks >= 0) == feasible).all() or not counts.size
        for objective in OBJECTIVES if counts.size else []:
            assert counts.contains(np.array([counts.best(objective)], np.uint8)).all()
            low, high = counts.cost_range(objective)
            assert low <= listed.cost_range(objective)[0] <= listed.cost_range(objective)[1] <= high


@pytest.mark.parametrize("name", COST_FIGURES)
@pytest.mark.parametrize("side", ["min", "max"])
def test_space_without_feasible_architectures_names_the_nearest(name: Any, side: str, monkeypatch: Any) -> None:
    counts = (3, 2, 4, 3)
    table = make_table(counts, draw_figures(counts, 3), held_out=[(1, 1, 1, 1)])
    feasibility = Feasibility({name: Bound(**{side: {"min": 1e9, "max": 1e-4}[side]})})
    messages = []
    for largest in (1 << 20, 0):
        monkeypatch.setattr(candidates, "LARGEST", largest)
        with pytest.raises(InputError) as caught:
            find_feasible(Subspace(space_of(counts, 1)), table, feasibility)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"constraints": {"fps": {"min": 4.5e5}, "sram_kib": {"max": 545.0}}},
        {"constraints": {"latency_ms": {"max": 0.002, "min": 0.0012}}, "objectives": ["epe", "sram_kib", "npu_cycles"]},
    ],
)
def test_search_is_the_same_whether_architectures_are_listed_or_counted(
    complete: bool, changes: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = (3, 3, 2, 4, 3, 3)
    space = space_of(counts, backbone=3, outputs=(3, 5))
    table = make_table(counts, draw_figures(counts, 2, [(1, 2)]), [(1, 2)])
    config = evolution_config(complete_outputs=complete, generations=10**6, reference_point=None, **changes)
    results = []
    for largest in (1 << 20, 0):
        monkeypatch.setattr(candidates, "LARGEST", largest)
        evolution, oracle = Evolution(space, config, table, seed=4), Oracle(space)
        generations = []
        while evolution.stop_reason() is None:
            requested, generation = step(evolution, oracle)
            generations.append((requested, generation.rng_state, generation.hypervolume, evolution.unscored))
        columns = [evolution.archive.column(name).tobytes() for name in ("genes", *COLUMNS)]
        results.append((generations, columns, evolution.stop_reason()))
    assert results[0] == results[1] and len(results[0][0]) > 5


def test_few_feasible_architectures_of_a_large_space_are_listed() -> None:
    counts = (5,) * 15
    table = make_table(counts, draw_figures(counts, 1, step=997))
    genes = np.zeros((1, 15), np.uint8)
    lightest = table.sums().costs(genes)["npu_cycles"][0]
    limits = Feasibility({"npu_cycles": Bound(max=lightest * 1.15)})
    feasible = find_feasible(Subspace(space_of(counts, 8)), table, limits)
    assert isinstance(feasible, ListedSet) and 10 < feasible.size < LARGEST
    every = feasible.genes_at(np.arange(feasible.size))
    assert (table.sums().costs(every)["npu_cycles"] <= lightest * 1.15).all()
    # Whoever is feasible stays so with a lighter option, so that all are reached from the lightest one.
    reached, new = {tuple(genes[0].tolist())}, [tuple(genes[0].tolist())]
    while new:
        heavier = {(*a[:i], a[i] + 1, *a[i + 1 :]) for a in new for i in range(15) if a[i] < 4}
        inside = [a for a in sorted(heavier - reached) if table.cost(a).npu_cycles <= lightest * 1.15]
        reached.update(inside)
        new = inside
    assert set(map(tuple, every.tolist())) == reached


@pytest.mark.parametrize("counts", [(5,) * 15, (10,) * 24])
def test_large_spaces_are_searched(counts: Tuple[int, ...]) -> None:
    space = space_of(counts, backbone=8, outputs=(9, 11))
    table = make_table(counts, draw_figures(counts, 1, step=997))
    middle = float(np.median(table.sums().costs(np.random.default_rng(0).integers(5, size=(999, len(counts))))["fps"]))
    config = evolution_config(complete_outputs=False, constraints={"fps": {"min": middle}}, reference_point=None)
    evolution, oracle = (
        Evolution(space, config, table, seed=4),
        Oracle(space, lambda architecture: 99 + epe_of(architecture)),
    )
    assert 0 < evolution.unscored < space.size
    while evolution.number < 5:
        requested, generation = step(evolution, oracle)
        assert len(set(requested)) == 8
        assert all(table.cost(architecture).fps >= middle for architecture in requested)
    assert generation.reference_point["fps"] == pytest.approx(middle, rel=1e-3)
    assert generation.hypervolume > 0


def test_draws_are_uniform() -> None:
    counts = (3, 2, 4, 3)
    table = make_table(counts, draw_figures(counts, 3))
    subspace = Subspace(space_of(counts, 1))
    middle = float(np.median(table.sums().costs(subspace.all())["npu_cycles"]))
    feasible = CountedSet(subspace, table.sums(), Feasibility({"npu_cycles": Bound(max=middle)}))
    found = Candidates(subspace, feasible, Archive(subspace.space))
    rng, size = random.Random(0), feasible.size
    drawn = [architecture for _ in range(200 * size) for architecture in found.draw(1, [], rng)]
    times = np.unique(np.array(drawn), axis=0, return_counts=True)[1]
    assert len(times) == size and ((times - 200) ** 2 / 200).sum() < size + 5 * (2 * size) ** 0.5  # chi-squared
