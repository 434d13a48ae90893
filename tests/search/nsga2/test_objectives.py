import itertools
from typing import Any, List

import numpy as np
import pytest
from deap import base, tools
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from search.nsga2.archive import Archive
from search.nsga2.objectives import SIGNS, Objectives, find_dominated, find_nondominated, select_first_fronts
from tests.search.stand_ins import SMALL, Table, brute_force_front, epe_of

# Few values make many ties.
points_strategy = st.integers(1, 5).flatmap(
    lambda dimensions: st.lists(st.tuples(*[st.integers(0, 5)] * dimensions), min_size=0, max_size=30).map(
        lambda rows: np.array(rows, float).reshape(-1, dimensions)
    )
)


@settings(deadline=None, max_examples=300)
@given(points_strategy)
def test_front_is_that_of_the_definition(points: np.ndarray) -> None:
    assert find_nondominated(points).tolist() == brute_force_front(points)


@settings(deadline=None, max_examples=200)
@given(points_strategy, st.integers(0, 30))
def test_dominated_is_what_the_definition_says(points: np.ndarray, parted: int) -> None:
    some, others = points[:parted], points[parted:]
    expected = [any((by <= each).all() and (by < each).any() for by in others) for each in some]
    assert find_dominated(some, others).tolist() == expected


@settings(deadline=None, max_examples=200)
@given(points_strategy, st.integers(0, 40))
def test_first_fronts_are_those_of_deap(points: np.ndarray, size: int) -> None:
    class Fitness(base.Fitness):
        weights = (-1.0,) * points.shape[1]

    class Row:
        def __init__(self, index: int) -> None:
            self.index, self.fitness = index, Fitness(points[index].tolist())

    fronts = tools.sortNondominated([Row(i) for i in range(len(points))], size) if len(points) else []
    assert select_first_fronts(points, size).tolist() == sorted(row.index for front in fronts for row in front)


def cubes(points: np.ndarray, side: int) -> int:
    """The volume that integer points dominate in a box [0, side]^M, counted in unit cubes."""
    cells = itertools.product(range(side), repeat=points.shape[1])
    return sum(any((point <= cell).all() for point in points) for cell in cells)


@settings(deadline=None, max_examples=150)
@given(points_strategy)
def test_hypervolume_counts_the_dominated_cubes(points: np.ndarray) -> None:
    names: List[Any] = ["epe", "latency_ms", "sram_kib", "npu_cycles", "fps"][: points.shape[1]]
    # fps is better when it is more: its point is -fps, its reference 0 stands for the side of the box.
    reference = {name: 4.0 if name != "fps" else -4.0 for name in names}
    assert Objectives(names, reference).hypervolume(points) == pytest.approx(cubes(points, 4))


def test_hypervolume_in_closed_form() -> None:
    two = Objectives(["epe", "fps"], {"epe": 8.0, "fps": 2.0})
    assert two.hypervolume(np.array([[3.0, -10.0]])) == 5 * 8
    # Two boxes and what they share.
    assert two.hypervolume(np.array([[3.0, -4.0], [5.0, -10.0]])) == pytest.approx(5 * 2 + 3 * 8 - 3 * 2)
    # The integral of 1 - x over [0, 1], from below, in n steps.
    n = 1000
    x = np.arange(n) / n
    line = Objectives(["epe", "latency_ms"], {"epe": 1.0, "latency_ms": 1.0})
    assert line.hypervolume(np.stack([x, 1 - x], 1)) == pytest.approx(0.5 - 0.5 / n)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_hypervolume_above_a_simplex_in_closed_form(dimensions: int) -> None:
    """Of the cubes of a box those are dominated whose corner's coordinates add up to n or more."""
    side, n = 5, 4
    cells = list(itertools.product(range(side), repeat=dimensions))
    simplex = np.array([cell for cell in cells if sum(cell) == n], float)
    names: List[Any] = ["epe", "latency_ms", "sram_kib", "npu_cycles"][:dimensions]
    below = special.comb(n + dimensions - 1, dimensions, exact=True)
    assert Objectives(names, dict.fromkeys(names, 5.0)).hypervolume(simplex) == pytest.approx(side**dimensions - below)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_fronts_of_a_lattice_in_closed_form(dimensions: int) -> None:
    """In a full lattice the front of a point is the sum of its coordinates."""
    lattice = np.random.default_rng(0).permutation(list(itertools.product(range(4), repeat=dimensions))).astype(float)
    ranks = lattice.sum(axis=1)
    for rank in range(int(ranks.max()) + 1):
        within = np.flatnonzero(ranks <= rank)
        assert select_first_fronts(lattice, len(within)).tolist() == within.tolist()
    assert find_nondominated(lattice).tolist() == np.flatnonzero(ranks == 0).tolist()


def test_points_outside_the_reference_and_no_points_at_all_count_nothing() -> None:
    two = Objectives(["epe", "fps"], {"epe": 8.0, "fps": 2.0})
    assert two.hypervolume(np.empty((0, 2))) == 0
    assert two.hypervolume(np.array([[8.0, -10.0], [1.0, -1.0], [9.0, -50.0]])) == 0
    assert two.hypervolume(np.array([[9.0, -50.0], [7.0, -3.0]])) == 1


@settings(deadline=None, max_examples=100)
@given(points_strategy, st.randoms(use_true_random=False))
def test_hypervolume_depends_on_the_set_alone_to_the_last_bit(points: np.ndarray, random: Any) -> None:
    names: List[Any] = list(SIGNS)[: points.shape[1]]
    objectives = Objectives(names, {name: 5 * SIGNS[name] for name in names})
    points = points * 0.1 + 1 / 3
    order = list(range(len(points))) * 2
    random.shuffle(order)
    shuffled = np.concatenate([points[order], np.full((1, points.shape[1]), 9.0)])
    assert objectives.hypervolume(points) == objectives.hypervolume(shuffled)


@pytest.mark.parametrize("name, better", [(name, "more" if name == "fps" else "less") for name in SIGNS])
def test_directions(name: Any, better: str) -> None:
    archive = Archive(SMALL)
    rows = list(SMALL.all())
    archive.append([(row, epe_of(row)) for row in rows], [Table().cost(row) for row in rows], 0, set())
    objectives = Objectives([name], {name: 1.0})
    values = objectives.values(archive, np.arange(len(rows)))
    best = values[find_nondominated(objectives.points(archive, np.arange(len(rows))))]
    assert (best == (values.max() if better == "more" else values.min())).all()
    assert (values[:, 0] == archive.column(name)).all()
