from itertools import combinations
from typing import Any, List, Tuple

import numpy as np
import pytest
from deap.tools.indicator import hv
from hypothesis import given, settings
from hypothesis import strategies as st

from search.queue.selection import RULES, Front, Rule, fps_targets, hypervolume, knee
from search.queue.selection import spread as spread_along

Numbers = st.floats(-1e6, 1e6, width=32)


def front_of(points: Any, reference: Any = (1e9, 1e9)) -> Front:
    """A front whose objectives are EPE and FPS."""
    points = np.asarray(points, float)
    return Front(points, np.asarray(reference, float), points[:, 0], -points[:, 1])


def spread(points: np.ndarray, size: int) -> List[int]:
    return spread_along(front_of(points), size)


@st.composite
def fronts(draw: st.DrawFn) -> Tuple[np.ndarray, int]:
    """A front of two objectives, best first objective first, and how many to choose."""
    count = draw(st.integers(1, 30))
    first = sorted(draw(st.lists(Numbers, min_size=count, max_size=count)))
    second = sorted(draw(st.lists(Numbers, min_size=count, max_size=count)), reverse=True)
    return np.array([first, second]).T, draw(st.integers(1, count))


@settings(deadline=None)
@given(fronts())
def test_as_many_as_asked_distinct_in_order_and_with_both_ends(case: Tuple[np.ndarray, int]) -> None:
    points, size = case
    chosen = spread(points, size)
    assert len(chosen) == size
    assert all(before < after for before, after in zip(chosen, chosen[1:]))
    assert chosen[0] == 0 and chosen[-1] == (len(points) - 1 if size > 1 else 0)


@settings(deadline=None)
@given(fronts(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_units_of_the_objectives_do_not_matter(case: Tuple[np.ndarray, int], factor: float) -> None:
    points, size = case
    assert spread(points * [factor, 1.0], size) == spread(points, size)


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(1, 6))
def test_on_an_even_front_the_choices_are_evenly_apart(size: int, stride: int) -> None:
    line = np.arange((size - 1) * stride + 1, dtype=float)
    assert spread(np.array([line, -line]).T, size) == list(range(0, len(line), stride))


@pytest.mark.parametrize(
    "first, size, chosen",
    [
        ([0, 1, 2, 3, 4, 100], 3, [0, 4, 5]),  # 50 is next to 4, though half of the points lie before 2
        ([0, 96, 97, 98, 99, 100], 3, [0, 1, 5]),
        ([0, 40, 60, 100], 3, [0, 1, 3]),  # equally near: the first
        ([0, 1, 99, 100], 4, [0, 1, 2, 3]),
        ([0, 97, 98, 100], 3, [0, 1, 3]),
        ([0, 1, 2, 100], 1, [0]),
        ([5, 5, 5, 5, 5], 3, [0, 2, 4]),
    ],
)
def test_choices_are_next_to_even_places_along_the_line(first: List[float], size: int, chosen: List[int]) -> None:
    """Worked out by hand; the second objective is constant, so the place along the line is the first."""
    assert spread(np.array([first, np.ones(len(first))], float).T, size) == chosen


@settings(deadline=None)
@given(fronts(), st.sampled_from(sorted(RULES)))
def test_every_rule_gives_as_many_as_asked_distinct_in_order_and_always_the_same(
    case: Tuple[np.ndarray, int], name: str
) -> None:
    front, size = front_of(case[0]), case[1]
    chosen = RULES[name](front, size)
    assert len(chosen) == size and chosen == sorted(set(chosen)) and set(chosen) <= set(range(len(front.points)))
    assert RULES[name](front, size) == chosen


@pytest.mark.parametrize("size, chosen", [(1, [2]), (2, [2, 4])])
def test_knees_are_where_a_little_of_one_objective_costs_much_of_the_other(size: int, chosen: List[int]) -> None:
    """The front bends sharply at point 2, and at 4."""
    front = front_of([[0, 100], [4, 60], [10, 25], [30, 17], [45, 4], [70, 2], [100, 0]])
    assert knee(front, size) == chosen


def test_knee_of_a_dense_cluster_is_chosen_once() -> None:
    """Two almost equal points are not missed for each other; so they do not use up the choices."""
    cluster = [[10 + 1e-6 * i, 10 - 1e-6 * i] for i in range(5)]
    assert sum(1 <= index <= 5 for index in knee(front_of([[0, 100], *cluster, [50, 5], [100, 0]]), 4)) <= 2


@pytest.mark.parametrize("objectives", [1, 3, 4, 5])
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_rules_know_any_number_of_objectives(rule: Rule, objectives: int) -> None:
    points = np.random.default_rng(0).random((12, objectives))
    front = Front(points, np.full(objectives, 2.0), points[:, 0], points[:, 0])
    assert len(rule(front, 5)) == 5


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=7), st.integers(1, 4))
def test_choice_has_at_least_63_percent_of_the_largest_volume(points: List[Tuple[int, int]], size: int) -> None:
    """Against all choices of that size."""
    front = front_of(points, (51, 51))
    size = min(size, len(points))
    volumes = {
        choice: hv.hypervolume(front.points[list(choice)], front.reference)
        for choice in combinations(range(len(points)), size)
    }
    chosen = hypervolume(front, size)
    assert volumes[tuple(chosen)] >= (1 - 1 / np.e) * max(volumes.values())
    if size == 1:
        assert volumes[tuple(chosen)] == max(volumes.values())


def test_volume_counts_what_others_do_not_dominate() -> None:
    """1 and 2 are almost the same; with 1 taken, 2 adds less than the small corner of 0."""
    front = front_of([[1, 9], [4, 4], [4.1, 3.95], [11, 1]], (10, 10))
    assert hypervolume(front, 2) == [0, 1], "3 lies outside the reference and adds nothing"
    assert len(hypervolume(front, 4)) == 4


def test_target_is_met_by_the_best_epe_that_is_fast_enough(capfd: pytest.CaptureFixture[str]) -> None:
    front = front_of([[1.0, -10], [1.2, -25], [1.5, -25], [2.0, -40]])
    assert fps_targets(front, [10]) == [0], "as many frames as asked for are enough"
    assert fps_targets(front, [10.01, 30, 25]) == [1, 3]
    assert fps_targets(front, [60, 5]) == [0]
    assert "nothing on the front reaches 60 FPS, but at most 40.00" in capfd.readouterr().err
    assert fps_targets(front, [60]) == []
