"""The intraclass correlation against published examples and simulations, and the correction of tau by simulation."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from search.ranking.agreement import Figure
from search.ranking.reliability import correct_tau
from search.ranking.truth import Truth

# Six targets rated by four judges: Shrout & Fleiss, Psychological Bulletin 86 (1979), table 2.
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def make_truth(table: np.ndarray) -> Truth:
    """Return the truth of a table with a row per child and a column per seed; NaN: not trained."""
    return Truth.fit([
        {(number,): float(epe) for number, epe in enumerate(seed) if not np.isnan(epe)} for seed in np.transpose(table)
    ])  # fmt: skip


def test_published_example_of_shrout_and_fleiss() -> None:
    """ICC(3,1) is 0.71 and ICC(3,4) 0.91 there; intervals as the R package psych and pingouin give them."""
    reliability = make_truth(np.array(RATINGS, float)).reliability
    assert reliability is not None
    assert reliability.single == pytest.approx((0.7148, 0.34, 0.95), abs=0.005)
    assert reliability.mean == pytest.approx((0.9093, 0.68, 0.99), abs=0.005)


def test_analysis_of_variance_by_hand() -> None:
    """Two seeds: rows 1 3, 2 2, 4 8; means 2, 2, 6; mean squares: rows 32/3, noise 2."""
    reliability = make_truth(np.array([[1.0, 3], [2, 2], [4, 8]])).reliability
    assert reliability is not None
    rows, noise = 32 / 3, 2.0
    assert reliability.single.value == pytest.approx((rows - noise) / (rows + noise))
    assert reliability.mean.value == pytest.approx(1 - noise / rows)


def test_reliability_is_one_without_noise_and_unknown_with_one_seed() -> None:
    table = np.array([[1.0, 2], [3, 4], [5, 6]])
    truth = make_truth(table)
    assert truth.reliability is not None and truth.reliability.mean.value == pytest.approx(1)
    assert make_truth(table[:, :1]).reliability is None


def test_interval_covers_the_true_value_if_some_children_have_one_seed() -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(300):
        table = rng.normal(0, 1, (24, 1)) + rng.normal(0, 3, 3) + rng.normal(0, 0.7, (24, 3))
        table[16:, 1:] = np.nan
        reliability = make_truth(table).reliability
        assert reliability is not None
        covered.append(reliability.single.low <= 1 / 1.49 <= reliability.single.high)
    assert 0.9 < np.mean(covered) < 0.985


def test_corrected_tau_is_that_with_a_truth_without_noise() -> None:
    rng, corrected, noisy, wanted = np.random.default_rng(1), [], [], []
    for _ in range(100):
        quality = rng.normal(0, 1, 60)
        predicted = quality + rng.normal(0, 0.6, 60)
        truth = make_truth(quality[:, None] + rng.normal(0, 0.9, (60, 3)))
        assert truth.reliability is not None
        tau = kendalltau(predicted, truth.epe).correlation
        noisy.append(tau)
        corrected.append(correct_tau(Figure(tau, tau, tau), truth.reliability.mean.value).value)
        wanted.append(kendalltau(predicted, quality).correlation)
    assert np.mean(corrected) == pytest.approx(np.mean(wanted), abs=0.015)
    assert np.mean(noisy) < np.mean(wanted) - 0.05


def test_corrected_tau_never_exceeds_one() -> None:
    assert max(correct_tau(Figure(0.8, 0.1, 0.9), 0.3)) == 1.0
