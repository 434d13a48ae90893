from typing import Iterator, List, Sequence

import pytest

from edgeflownas.space import Architecture
from search.scoring import EvaluatorError, Score, scored, to_score
from tests.search.stand_ins import SMALL, Oracle

ASKED: List[Architecture] = [(0, 1, 2, 0), (2, 0, 4, 1), (0, 1, 0, 0)]


class Faulty:
    """An evaluator whose answers are changed."""

    def __init__(self, *parts: List[Score]) -> None:
        self._parts = parts

    def score(self, architectures: Sequence[Architecture], complete_heads: bool) -> Iterator[List[Score]]:
        yield from self._parts


def test_heads_are_completed() -> None:
    wanted = to_score(SMALL, ASKED, complete_heads=True)
    assert wanted == {each for each in SMALL.all() if each[:2] in ((0, 1), (2, 0))}
    assert to_score(SMALL, ASKED, complete_heads=False) == set(ASKED)


@pytest.mark.parametrize("complete", [False, True])
def test_a_right_answer_in_any_order_is_passed_on(complete: bool) -> None:
    forth, back = ([*scored(Oracle(SMALL, backwards=back), SMALL, ASKED, complete)] for back in (False, True))
    assert forth != back
    assert sorted(sum(forth, [])) == sorted(sum(back, []))
    assert {architecture for architecture, _ in sum(forth, [])} == to_score(SMALL, ASKED, complete)


def test_too_little_is_an_error() -> None:
    answers: List[List[List[Score]]] = [[], [[(ASKED[0], 1.0)]], [[(ASKED[0], 1.0)], [(ASKED[1], 1.0)]]]
    for parts in answers:
        with pytest.raises(EvaluatorError, match=r"left out \d architectures, (0100|0120)"):
            list(scored(Faulty(*parts), SMALL, ASKED, False))


def test_an_answer_twice_is_an_error() -> None:
    for parts in ([[(ASKED[0], 1.0), (ASKED[0], 1.0)]], [[(ASKED[0], 1.0)], [(ASKED[0], 2.0)]]):
        with pytest.raises(EvaluatorError, match="0120 twice"):
            list(scored(Faulty(*parts), SMALL, ASKED, False))


@pytest.mark.parametrize("unknown", [(0, 0, 0, 0), (0, 1, 9, 0), (0, 1), ()])
@pytest.mark.parametrize("complete", [False, True])
def test_what_was_not_asked_is_an_error(unknown: Architecture, complete: bool) -> None:
    with pytest.raises(EvaluatorError, match="not asked"):
        list(scored(Faulty([(unknown, 1.0)]), SMALL, ASKED, complete))


def test_a_head_that_was_not_asked_is_an_error_unless_heads_are_completed() -> None:
    head: List[Score] = [((0, 1, 3, 0), 1.0)]
    with pytest.raises(EvaluatorError, match="not asked"):
        next(scored(Faulty(head), SMALL, ASKED, False))
    assert next(scored(Faulty(head), SMALL, ASKED, True)) == head
