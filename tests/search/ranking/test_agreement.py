from typing import Any, List, Tuple

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from search.ranking.agreement import _compute_taus, compute_figures, find_inversions, measure_agreement


def compute_tau(*pairs: Any) -> Tuple[float, int]:
    result = measure_agreement(*zip(*pairs))
    return round(result.tau or 0.0, 12), result.n


def test_tau_of_a_case_computed_by_hand() -> None:
    # Of the 10 pairs of five, two have the opposite order after retraining: (1, 2) and (4, 5), so (8 - 2) / 10.
    assert compute_tau((1, 2), (2, 1), (3, 3), (4, 5), (5, 4)) == (0.6, 5)
    assert compute_tau((1, 3), (2, 2), (3, 1)) == (-1.0, 3)
    # tau-b: one pair is tied before, so (5 - 0) / sqrt(5 * 6)
    assert compute_tau((1, 1), (1, 2), (3, 3), (4, 4)) == (round(5 / 30**0.5, 12), 4)


@pytest.mark.parametrize("before, after", [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3])])
def test_undefined_tau_is_none(before: List[float], after: List[float]) -> None:
    result = measure_agreement(before, after)
    assert result == (None, len(before), None, None) and str(result) == f"not defined (n = {len(before)})"


def test_interval_contains_the_true_tau_about_as_often_as_stated() -> None:
    """The tau of two normal variables with correlation r is exactly 2/pi asin(r)."""
    rng, truth = np.random.default_rng(1), 2 / np.pi * np.arcsin(0.8)
    contained = 0
    for _ in range(20):
        x, noise = rng.normal(size=(2, 30))
        result = measure_agreement(x, 0.8 * x + 0.6 * noise)
        assert result.tau is not None and result.low is not None and result.high is not None
        assert -1 <= result.low < result.tau < result.high <= 1
        contained += result.low <= truth <= result.high
    assert contained >= 16


def test_few_architectures_give_a_wide_and_reproducible_interval() -> None:
    few = measure_agreement([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert (few.tau, few.low, few.high) == (1.0, 0.0, 1.0), "resamples with equal values count as 0 agreement"
    assert str(few) == "1.000 (n = 3, 95 % confidence 0.00 to 1.00)"
    assert measure_agreement([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]) == few


def test_taus_of_resamples_equal_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.integers(0, 5, (2, 40, 7))
    expected = [np.nan_to_num(kendalltau(*pair).correlation) for pair in zip(before, after)]
    np.testing.assert_allclose(_compute_taus(before, after), expected, atol=1e-12)


def test_figures_equal_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    before = rng.normal(size=30)
    after = before + rng.normal(size=30)
    figures = compute_figures(before.tolist(), after.tolist(), top=7)
    assert figures["kendall_tau"].value == pytest.approx(kendalltau(before, after).correlation)
    assert figures["spearman_rho"].value == pytest.approx(spearmanr(before, after).correlation)
    assert figures["pearson_r"].value == pytest.approx(pearsonr(before, after)[0])
    assert figures["top_7_overlap"].value == len({*before.argsort()[:7]} & {*after.argsort()[:7]}) / 7
    assert all(figure.low < figure.value < figure.high for figure in figures.values())
    tied = np.round(after)
    assert compute_figures(before.tolist(), tied.tolist(), 3)["spearman_rho"].value == pytest.approx(
        spearmanr(before, tied).correlation
    )


@pytest.mark.parametrize("before, after", [([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0])])
def test_figures_without_anything_to_rank_are_rejected(before: List[float], after: List[float]) -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        compute_figures(before, after, 1)


def test_inversions_are_sorted_by_their_loss() -> None:
    inversions = find_inversions([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 3.5, 2.0])
    assert [(first, second, after) for first, second, _, after in inversions] == [(3, 1, 2.0), (3, 2, 1.5), (2, 1, 0.5)]
    assert inversions[0].before == 2.0
    assert find_inversions([1.0, 1.0], [1.0, 2.0]) == [], "a tie is not an inversion"
