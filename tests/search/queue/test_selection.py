import math
from itertools import combinations
from typing import Any, List, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.nsga2.objectives import hypervolume
from search.queue.selection import RULES, Front, Rule, select_by_fps, select_by_hypervolume, select_knees, select_spread

Numbers = st.floats(-1e6, 1e6, width=32)


def make_front(points: Any, reference: Any = (1e9, 1e9)) -> Front:
    """Return a front whose objectives are EPE and FPS."""
    points = np.asarray(points, float)
    return Front(points, np.asarray(reference, float), points[:, 0], -points[:, 1])


def spread(points: np.ndarray, size: int) -> List[int]:
    return select_spread(make_front(points), size)


@st.composite
def fronts(draw: st.DrawFn) -> Tuple[np.ndarray, int]:
    """Draw a front of two objectives, sorted by the first from best to worst, and a number of points to select."""
    count = draw(st.integers(1, 30))
    first = sorted(draw(st.lists(Numbers, min_size=count, max_size=count)))
    second = sorted(draw(st.lists(Numbers, min_size=count, max_size=count)), reverse=True)
    return np.array([first, second]).T, draw(st.integers(1, count))


@settings(deadline=None)
@given(fronts())
def test_spread_selects_distinct_sorted_points_including_both_ends(case: Tuple[np.ndarray, int]) -> None:
    points, size = case
    chosen = spread(points, size)
    assert len(chosen) == size
    assert all(before < after for before, after in zip(chosen, chosen[1:]))
    assert chosen[0] == 0 and chosen[-1] == (len(points) - 1 if size > 1 else 0)


@settings(deadline=None)
@given(fronts(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_spread_does_not_depend_on_units(case: Tuple[np.ndarray, int], factor: float) -> None:
    points, size = case
    assert spread(points * [factor, 1.0], size) == spread(points, size)


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(1, 6))
def test_spread_on_an_even_front_is_even(size: int, stride: int) -> None:
    line = np.arange((size - 1) * stride + 1, dtype=float)
    assert spread(np.array([line, -line]).T, size) == list(range(0, len(line), stride))


@pytest.mark.parametrize(
    "first, size, chosen",
    [
        ([0, 1, 2, 3, 4, 100], 3, [0, 4, 5]),  # 4 is nearest to 50, although half of the points are below 2
        ([0, 96, 97, 98, 99, 100], 3, [0, 1, 5]),
        ([0, 40, 60, 100], 3, [0, 1, 3]),  # a tie: the first
        ([0, 1, 99, 100], 4, [0, 1, 2, 3]),
        ([0, 97, 98, 100], 3, [0, 1, 3]),
        ([0, 1, 2, 100], 1, [0]),
        ([5, 5, 5, 5, 5], 3, [0, 2, 4]),
    ],
)
def test_spread_selects_the_points_nearest_to_even_places(first: List[float], size: int, chosen: List[int]) -> None:
    """Computed by hand; the second objective is constant, so the first is the position along the line."""
    assert spread(np.array([first, np.ones(len(first))], float).T, size) == chosen


@settings(deadline=None)
@given(fronts(), st.sampled_from(sorted(RULES)))
def test_every_rule_is_deterministic_and_selects_distinct_sorted_points(
    case: Tuple[np.ndarray, int], name: str
) -> None:
    front, size = make_front(case[0]), case[1]
    chosen = RULES[name](front, size)
    assert len(chosen) == size and chosen == sorted(set(chosen)) and set(chosen) <= set(range(len(front.points)))
    assert RULES[name](front, size) == chosen


@pytest.mark.parametrize("size, chosen", [(1, [2]), (2, [2, 4])])
def test_knees_are_where_the_front_bends_sharply(size: int, chosen: List[int]) -> None:
    """The front bends sharply at point 2, and at 4."""
    front = make_front([[0, 100], [4, 60], [10, 25], [30, 17], [45, 4], [70, 2], [100, 0]])
    assert select_knees(front, size) == chosen


def test_dense_cluster_is_not_selected_many_times() -> None:
    """Almost equal points have little marginal utility, so they do not use up the selection."""
    cluster = [[10 + 1e-6 * i, 10 - 1e-6 * i] for i in range(5)]
    assert sum(1 <= index <= 5 for index in select_knees(make_front([[0, 100], *cluster, [50, 5], [100, 0]]), 4)) <= 2


@pytest.mark.parametrize("objectives", [1, 3, 4, 5])
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_rules_accept_any_number_of_objectives(rule: Rule, objectives: int) -> None:
    points = np.random.default_rng(0).random((12, objectives))
    front = Front(points, np.full(objectives, 2.0), points[:, 0], points[:, 0])
    assert len(rule(front, 5)) == 5


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=7), st.integers(1, 4))
def test_greedy_selection_has_63_percent_of_the_best_hypervolume(points: List[Tuple[int, int]], size: int) -> None:
    """Compares with all selections of that size."""
    front = make_front(points, (51, 51))
    size = min(size, len(points))
    volumes = {
        selection: hypervolume(front.points[list(selection)], front.reference)
        for selection in combinations(range(len(points)), size)
    }
    chosen = select_by_hypervolume(front, size)
    assert volumes[tuple(chosen)] >= (1 - 1 / math.e) * max(volumes.values())
    if size == 1:
        assert volumes[tuple(chosen)] == max(volumes.values())


def test_hypervolume_counts_only_the_exclusive_contribution() -> None:
    """1 and 2 are almost equal; with 1 selected, 2 adds less than the small corner of 0."""
    front = make_front([[1, 9], [4, 4], [4.1, 3.95], [11, 1]], (10, 10))
    assert select_by_hypervolume(front, 2) == [0, 1], "3 lies outside the reference and adds nothing"
    assert len(select_by_hypervolume(front, 4)) == 4


def test_fps_rule_selects_the_best_epe_that_is_fast_enough(capfd: pytest.CaptureFixture[str]) -> None:
    front = make_front([[1.0, -10], [1.2, -25], [1.5, -25], [2.0, -40]])
    assert select_by_fps(front, [10]) == [0], "exactly the target is enough"
    assert select_by_fps(front, [10.01, 30, 25]) == [1, 3]
    assert select_by_fps(front, [60, 5]) == [0]
    assert "no architecture reaches 60 FPS; the fastest has 40.00 FPS" in capfd.readouterr().err
    assert select_by_fps(front, [60]) == []
