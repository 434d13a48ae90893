import itertools
from typing import Any, List

import numpy as np
import pytest
from deap import base, tools
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from search.nsga2.archive import Archive
from search.nsga2.objectives import (
    SIGNS,
    Objectives,
    find_dominated,
    find_nondominated,
    find_worst_point,
    hypervolume,
    select_first_fronts,
)
from tests.search.stand_ins import SMALL, Table, brute_force_front, epe_of

# A small number of values makes many ties.
points_strategy = st.integers(1, 5).flatmap(
    lambda dimensions: st.lists(st.tuples(*[st.integers(0, 5)] * dimensions), min_size=0, max_size=30).map(
        lambda rows: np.array(rows, float).reshape(-1, dimensions)
    )
)


@settings(deadline=None, max_examples=300)
@given(points_strategy)
def test_nondominated_points_match_the_definition(points: np.ndarray) -> None:
    assert find_nondominated(points).tolist() == brute_force_front(points)


@settings(deadline=None, max_examples=200)
@given(points_strategy, st.integers(0, 30))
def test_dominated_points_match_the_definition(points: np.ndarray, split: int) -> None:
    some, others = points[:split], points[split:]
    expected = [any((by <= point).all() and (by < point).any() for by in others) for point in some]
    assert find_dominated(some, others).tolist() == expected


@settings(deadline=None, max_examples=200)
@given(points_strategy, st.integers(0, 40))
def test_first_fronts_equal_those_of_deap(points: np.ndarray, size: int) -> None:
    class Fitness(base.Fitness):
        weights = (-1.0,) * points.shape[1]

    class Row:
        def __init__(self, index: int) -> None:
            self.index, self.fitness = index, Fitness(points[index].tolist())

    fronts = tools.sortNondominated([Row(i) for i in range(len(points))], size) if len(points) else []
    assert select_first_fronts(points, size).tolist() == sorted(row.index for front in fronts for row in front)


def count_cubes(points: np.ndarray, side: int) -> int:
    """Return the volume that integer points dominate in a box [0, side]^M, in unit cubes."""
    cells = itertools.product(range(side), repeat=points.shape[1])
    return sum(any((point <= cell).all() for point in points) for cell in cells)


@settings(deadline=None, max_examples=150)
@given(points_strategy)
def test_hypervolume_equals_the_number_of_dominated_cubes(points: np.ndarray) -> None:
    names: List[Any] = ["epe", "latency_ms", "sram_kib", "npu_cycles", "fps"][: points.shape[1]]
    # More FPS is better: the point is -fps, and its reference 0 corresponds to the side of the box.
    reference = {name: 4.0 if name != "fps" else -4.0 for name in names}
    assert Objectives(names, reference).hypervolume(points) == pytest.approx(count_cubes(points, 4))


def test_hypervolume_matches_closed_forms() -> None:
    two = Objectives(["epe", "fps"], {"epe": 8.0, "fps": 2.0})
    assert two.hypervolume(np.array([[3.0, -10.0]])) == 5 * 8
    # Two boxes and their intersection.
    assert two.hypervolume(np.array([[3.0, -4.0], [5.0, -10.0]])) == pytest.approx(5 * 2 + 3 * 8 - 3 * 2)
    # The integral of 1 - x over [0, 1], from below, in n steps.
    n = 1000
    x = np.arange(n) / n
    line = Objectives(["epe", "latency_ms"], {"epe": 1.0, "latency_ms": 1.0})
    assert line.hypervolume(np.stack([x, 1 - x], 1)) == pytest.approx(0.5 - 0.5 / n)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_hypervolume_above_a_simplex_matches_its_closed_form(dimensions: int) -> None:
    """A cube of the box is dominated if the coordinates of its corner add up to at least n."""
    side, n = 5, 4
    cells = list(itertools.product(range(side), repeat=dimensions))
    simplex = np.array([cell for cell in cells if sum(cell) == n], float)
    names: List[Any] = ["epe", "latency_ms", "sram_kib", "npu_cycles"][:dimensions]
    below = special.comb(n + dimensions - 1, dimensions, exact=True)
    assert Objectives(names, dict.fromkeys(names, 5.0)).hypervolume(simplex) == pytest.approx(side**dimensions - below)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_fronts_of_a_lattice_match_their_closed_form(dimensions: int) -> None:
    """In a full lattice, the rank of a point is the sum of its coordinates."""
    lattice = np.random.default_rng(0).permutation(list(itertools.product(range(4), repeat=dimensions))).astype(float)
    ranks = lattice.sum(axis=1)
    for rank in range(int(ranks.max()) + 1):
        within = np.flatnonzero(ranks <= rank)
        assert select_first_fronts(lattice, len(within)).tolist() == within.tolist()
    assert find_nondominated(lattice).tolist() == np.flatnonzero(ranks == 0).tolist()


def test_points_outside_the_reference_have_no_hypervolume() -> None:
    two = Objectives(["epe", "fps"], {"epe": 8.0, "fps": 2.0})
    assert two.hypervolume(np.empty((0, 2))) == 0
    assert two.hypervolume(np.array([[8.0, -10.0], [1.0, -1.0], [9.0, -50.0]])) == 0
    assert two.hypervolume(np.array([[9.0, -50.0], [7.0, -3.0]])) == 1


@settings(deadline=None, max_examples=100)
@given(points_strategy, st.randoms(use_true_random=False))
def test_hypervolume_depends_only_on_the_set_of_points_bit_for_bit(points: np.ndarray, random: Any) -> None:
    names: List[Any] = list(SIGNS)[: points.shape[1]]
    objectives = Objectives(names, {name: 5 * SIGNS[name] for name in names})
    points = points * 0.1 + 1 / 3
    order = list(range(len(points))) * 2
    random.shuffle(order)
    shuffled = np.concatenate([points[order], np.full((1, points.shape[1]), 9.0)])
    assert objectives.hypervolume(points) == objectives.hypervolume(shuffled)


@pytest.mark.parametrize("name, better", [(name, "more" if name == "fps" else "less") for name in SIGNS])
def test_objective_is_optimised_in_its_direction(name: Any, better: str) -> None:
    archive = Archive(SMALL)
    rows = list(SMALL.all())
    archive.append([(row, epe_of(row)) for row in rows], [Table().cost(row) for row in rows], 0, set())
    objectives = Objectives([name], {name: 1.0})
    values = objectives.values(archive, np.arange(len(rows)))
    best = values[find_nondominated(objectives.points(archive, np.arange(len(rows))))]
    assert (best == (values.max() if better == "more" else values.min())).all()
    assert (values[:, 0] == archive.column(name)).all()


def test_worst_point_is_the_worst_value_of_each_objective() -> None:
    points = np.array([[1.0, -5.0, 7.0], [3.0, -9.0, 7.0]])
    assert find_worst_point(points).tolist() == [3.0, -5.0, 7.07]  # a constant objective must not make the volume 0
    assert hypervolume(points, find_worst_point(points)) == 0
    assert hypervolume(np.array([[1.0, -9.0, 7.0]]), find_worst_point(points)) == pytest.approx(2 * 4 * 0.07)


def test_unknown_reference_point_gives_no_hypervolume() -> None:
    objectives = Objectives(["epe", "fps"])
    assert objectives.hypervolume(np.array([[1.0, -9.0]])) == 0
    assert all(np.isnan(list(objectives.reference_point.values())))
