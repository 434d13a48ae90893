from typing import Any, List, Tuple

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from search.ranking.agreement import _taus, compute_figures, find_inversions, measure_agreement


def tau(*pairs: Any) -> Tuple[float, int]:
    found = measure_agreement(*zip(*pairs))
    return round(found.tau or 0.0, 12), found.n


def test_tau_is_that_of_a_case_worked_out_by_hand() -> None:
    # Of the 10 pairs of five, those that the retraining orders the other way round: (1, 2) and (4, 5), so (8 - 2) / 10.
    assert tau((1, 2), (2, 1), (3, 3), (4, 5), (5, 4)) == (0.6, 5)
    assert tau((1, 3), (2, 2), (3, 1)) == (-1.0, 3)
    # tau-b: one pair is tied before, so (5 - 0) / sqrt(5 * 6)
    assert tau((1, 1), (1, 2), (3, 3), (4, 4)) == (round(5 / 30**0.5, 12), 4)


@pytest.mark.parametrize("before, after", [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3])])
def test_tau_that_is_not_defined_is_none(before: List[float], after: List[float]) -> None:
    found = measure_agreement(before, after)
    assert found == (None, len(before), None, None) and str(found) == f"not defined (n = {len(before)})"


def test_interval_holds_the_true_tau_about_as_often_as_it_says() -> None:
    """Two normal variables with correlation r have a tau of 2/pi asin(r), exactly."""
    rng, truth = np.random.default_rng(1), 2 / np.pi * np.arcsin(0.8)
    held = 0
    for _ in range(20):
        x, noise = rng.normal(size=(2, 30))
        found = measure_agreement(x, 0.8 * x + 0.6 * noise)
        assert found.tau is not None and found.low is not None and found.high is not None
        assert -1 <= found.low < found.tau < found.high <= 1
        held += found.low <= truth <= found.high
    assert held >= 16


def test_few_architectures_say_little_and_the_interval_is_always_the_same() -> None:
    few = measure_agreement([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert (few.tau, few.low, few.high) == (1.0, 0.0, 1.0), "resamples in which all are equal agree in nothing"
    assert str(few) == "1.000 (n = 3, 95 % confidence 0.00 to 1.00)"
    assert measure_agreement([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]) == few


def test_taus_of_resamples_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.integers(0, 5, (2, 40, 7))
    expected = [np.nan_to_num(kendalltau(*pair).correlation) for pair in zip(before, after)]
    np.testing.assert_allclose(_taus(before, after), expected, atol=1e-12)


def test_figures_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    before = rng.normal(size=30)
    after = before + rng.normal(size=30)
    found = compute_figures(before.tolist(), after.tolist(), top=7)
    assert found["kendall_tau"].value == pytest.approx(kendalltau(before, after).correlation)
    assert found["spearman_rho"].value == pytest.approx(spearmanr(before, after).correlation)
    assert found["pearson_r"].value == pytest.approx(pearsonr(before, after)[0])
    assert found["top_7_overlap"].value == len({*before.argsort()[:7]} & {*after.argsort()[:7]}) / 7
    assert all(figure.low < figure.value < figure.high for figure in found.values())
    tied = np.round(after)
    assert compute_figures(before.tolist(), tied.tolist(), 3)["spearman_rho"].value == pytest.approx(
        spearmanr(before, tied).correlation
    )


@pytest.mark.parametrize("before, after", [([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0])])
def test_figures_of_nothing_to_rank_are_refused(before: List[float], after: List[float]) -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        compute_figures(before, after, 1)


def test_inversions_come_with_the_largest_loss_first() -> None:
    found = find_inversions([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 3.5, 2.0])
    assert [(each.first, each.second, each.after) for each in found] == [(3, 1, 2.0), (3, 2, 1.5), (2, 1, 0.5)]
    assert found[0].before == 2.0
    assert find_inversions([1.0, 1.0], [1.0, 2.0]) == [], "a tie is no inversion"
