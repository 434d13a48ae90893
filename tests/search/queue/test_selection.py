from typing import List, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.queue.selection import RULES, spread

Numbers = st.floats(-1e6, 1e6, width=32)


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


def test_rules_are_found_by_name() -> None:
    assert RULES["spread"] is spread
