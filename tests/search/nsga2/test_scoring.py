from typing import Any, Iterator, List, Sequence

import numpy as np
import pytest

from edgeflownas.network.space import Architecture
from search.nsga2.scoring import EvaluatorError, Score, score_all
from tests.search.stand_ins import SMALL, Oracle

ASKED: List[Architecture] = [(0, 1, 2, 0), (2, 0, 4, 1), (0, 1, 0, 0)]


class Faulty:
    """An evaluator whose answers are changed."""

    def __init__(self, *parts: List[Score]) -> None:
        self._parts = parts

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        yield from self._parts


def test_a_right_answer_in_any_order_is_passed_on() -> None:
    forth, back = ([*score_all(Oracle(SMALL, backwards=back), SMALL, ASKED)] for back in (False, True))
    assert forth != back
    assert sorted(sum(forth, [])) == sorted(sum(back, []))
    assert {architecture for architecture, _ in sum(forth, [])} == set(ASKED)


def test_what_is_left_out_has_failed_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    answers: List[List[List[Score]]] = [[[(ASKED[0], 1.0)]], [[(ASKED[0], 1.0)], [(ASKED[1], 1.0)]]]
    for parts in answers:
        answered: List[Score] = sum(score_all(Faulty(*parts), SMALL, ASKED), [])
        assert {architecture for architecture, _ in answered} == set(ASKED)
        failed = [architecture for architecture, epe in answered if np.isnan(epe)]
        assert set(failed) == set(ASKED) - {architecture for part in parts for architecture, _ in part}
        said = capsys.readouterr().err
        assert f"left out {len(failed)} architectures" in said and SMALL.format(min(failed)) in said


def test_no_answer_at_all_is_an_error() -> None:
    answers: List[List[List[Score]]] = [[], [[]], [[], []]]
    for parts in answers:
        with pytest.raises(EvaluatorError, match="left out 3 architectures, 0100 among them, and answered nothing"):
            list(score_all(Faulty(*parts), SMALL, ASKED))


@pytest.mark.parametrize("value", [None, "1.0", True, 1j, [1.0]])
def test_an_answer_that_is_no_number_is_an_error(value: Any) -> None:
    with pytest.raises(EvaluatorError, match="is no number"):
        list(score_all(Faulty([(ASKED[0], value)]), SMALL, ASKED))


def test_an_answer_twice_is_an_error() -> None:
    for parts in ([[(ASKED[0], 1.0), (ASKED[0], 1.0)]], [[(ASKED[0], 1.0)], [(ASKED[0], 2.0)]]):
        with pytest.raises(EvaluatorError, match="0120 twice"):
            list(score_all(Faulty(*parts), SMALL, ASKED))


@pytest.mark.parametrize("unknown", [(0, 0, 0, 0), (0, 1, 3, 0), (0, 1, 9, 0), (0, 1), ()])
def test_what_was_not_asked_is_an_error(unknown: Architecture) -> None:
    with pytest.raises(EvaluatorError, match="not asked"):
        list(score_all(Faulty([(unknown, 1.0)]), SMALL, ASKED))
