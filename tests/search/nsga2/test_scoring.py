from typing import Any, Iterator, List, Sequence

import numpy as np
import pytest

from edgeflownas.network.space import Architecture
from edgeflownas.wording import format_count
from search.nsga2.scoring import EvaluatorError, Score, score_all
from tests.search.stand_ins import SMALL, Oracle

REQUESTED: List[Architecture] = [(0, 1, 2, 0), (2, 0, 4, 1), (0, 1, 0, 0)]


class Faulty:
    """An evaluator that returns the given results."""

    def __init__(self, *parts: List[Score]) -> None:
        self._parts = parts

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        yield from self._parts


def test_valid_results_in_any_order_are_passed_on() -> None:
    results = ([*score_all(Oracle(SMALL, backwards=order), SMALL, REQUESTED)] for order in (False, True))
    forward, backward = results
    assert forward != backward
    assert sorted(sum(forward, [])) == sorted(sum(backward, []))
    assert {architecture for architecture, _ in sum(forward, [])} == set(REQUESTED)


def test_architectures_without_a_result_have_failed_and_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    results: List[List[List[Score]]] = [[[(REQUESTED[0], 1.0)]], [[(REQUESTED[0], 1.0)], [(REQUESTED[1], 1.0)]]]
    for parts in results:
        scores: List[Score] = sum(score_all(Faulty(*parts), SMALL, REQUESTED), [])
        assert {architecture for architecture, _ in scores} == set(REQUESTED)
        failed = [architecture for architecture, epe in scores if np.isnan(epe)]
        assert set(failed) == set(REQUESTED) - {architecture for part in parts for architecture, _ in part}
        output = capsys.readouterr().err
        assert f"left out {format_count(len(failed), 'architecture')}" in output and SMALL.format(min(failed)) in output


def test_no_result_at_all_is_an_error() -> None:
    results: List[List[List[Score]]] = [[], [[]], [[], []]]
    for parts in results:
        with pytest.raises(EvaluatorError, match="left out 3 architectures, including 0100, and returned none"):
            list(score_all(Faulty(*parts), SMALL, REQUESTED))


@pytest.mark.parametrize("value", [None, "1.0", True, 1j, [1.0]])
def test_epe_that_is_not_a_number_is_an_error(value: Any) -> None:
    with pytest.raises(EvaluatorError, match="is not a number"):
        list(score_all(Faulty([(REQUESTED[0], value)]), SMALL, REQUESTED))


def test_duplicate_result_is_an_error() -> None:
    for parts in ([[(REQUESTED[0], 1.0), (REQUESTED[0], 1.0)]], [[(REQUESTED[0], 1.0)], [(REQUESTED[0], 2.0)]]):
        with pytest.raises(EvaluatorError, match="0120 twice"):
            list(score_all(Faulty(*parts), SMALL, REQUESTED))


@pytest.mark.parametrize("unknown", [(0, 0, 0, 0), (0, 1, 3, 0), (0, 1, 9, 0), (0, 1), ()])
def test_result_that_was_not_requested_is_an_error(unknown: Architecture) -> None:
    with pytest.raises(EvaluatorError, match="not requested"):
        list(score_all(Faulty([(unknown, 1.0)]), SMALL, REQUESTED))
