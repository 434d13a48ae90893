"""Agreement of two rankings.

Intervals are those of Efron's percentile bootstrap (1979) over the pairs, as implemented in SciPy, with a fixed seed. A
resample in which a figure is not defined, because all values are equal, counts as an agreement of 0, so intervals are
wide for a small number of architectures.
"""

import functools
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

_RESAMPLES = 2000
_BATCH = 100  # resamples that are computed at once, which bounds the memory
_CONFIDENCE = 0.95


class Agreement(NamedTuple):
    """Kendall's tau of two rankings.

    Attributes:
        tau: Tau-b; None if it is not defined, for fewer than two architectures or if all values are equal.
        n: Number of architectures.
        low: Lower end of the 95 % confidence interval; None if tau is not defined.
        high: Upper end of the 95 % confidence interval; None if tau is not defined.
    """

    tau: Optional[float]
    n: int
    low: Optional[float] = None
    high: Optional[float] = None

    def __str__(self) -> str:
        """Return the agreement as text."""
        if self.tau is None:
            return f"not defined (n = {self.n})"
        return f"{self.tau:.3f} (n = {self.n}, 95 % confidence {self.low:.2f} to {self.high:.2f})"


class Figure(NamedTuple):
    """A figure of agreement with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the figure as text."""
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


class Inversion(NamedTuple):
    """A pair of items that two rankings order differently.

    Attributes:
        first: Index of the item that is better in the second ranking.
        second: Index of the item that is better in the first ranking.
        before: Difference by which ``second`` is better in the first ranking.
        after: Difference by which ``first`` is better in the second ranking.
    """

    first: int
    second: int
    before: float
    after: float


# A statistic of many resamples at once: takes two arrays [resamples, n], returns [resamples].
Statistic = Callable[..., np.ndarray]


def compute_tau_b(before: Sequence[float], after: Sequence[float]) -> Optional[float]:
    """Return Kendall's tau (Kendall 1945, with ties: tau-b); None if it is not defined."""
    if len(before) < 2 or not np.ptp(before) or not np.ptp(after):
        return None
    from scipy.stats import kendalltau  # takes longer than a command may take to start

    return float(kendalltau(before, after).correlation)


def measure_agreement(before: Sequence[float], after: Sequence[float]) -> Agreement:
    """Return Kendall's tau with its interval."""
    tau = compute_tau_b(before, after)
    if tau is None:
        return Agreement(None, len(before))
    figure = _bootstrap(_compute_taus, before, after)
    return Agreement(tau, len(before), figure.low, figure.high)


def compute_figures(before: Sequence[float], after: Sequence[float], top: int) -> Dict[str, Figure]:
    """Return Kendall's tau-b, Spearman's rho, Pearson's r, and the overlap of the best items of both rankings.

    Args:
        before: Predicted value of each item; lower is better.
        after: True value of each item; lower is better.
        top: Number of items that count as the best.

    Raises:
        ValueError: There are fewer than two items, or all values are equal, so that there is nothing to rank.
    """
    if len(before) < 2 or not np.ptp(before) or not np.ptp(after):
        raise ValueError("there is nothing to rank")
    statistics: Dict[str, Statistic] = {
        "kendall_tau": _compute_taus,
        "spearman_rho": _compute_spearmans,
        "pearson_r": _compute_pearsons,
        f"top_{top}_overlap": functools.partial(_compute_overlaps, top),
    }
    return {name: _bootstrap(statistic, before, after) for name, statistic in statistics.items()}


def find_inversions(before: Sequence[float], after: Sequence[float]) -> List[Inversion]:
    """Return all pairs in the wrong order, sorted by their difference in the second ranking, largest first."""
    predicted, true = np.asarray(before), np.asarray(after)
    pairs = np.argwhere((predicted[:, None] > predicted[None]) & (true[:, None] < true[None])).tolist()
    inversions = [Inversion(i, j, float(predicted[i] - predicted[j]), float(true[j] - true[i])) for i, j in pairs]
    return sorted(inversions, key=lambda inversion: (-inversion.after, inversion.first, inversion.second))


def _bootstrap(statistic: Statistic, before: Sequence[float], after: Sequence[float]) -> Figure:
    from scipy.stats import bootstrap

    pair = np.asarray(before, np.float64), np.asarray(after, np.float64)
    interval = bootstrap(
        pair,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=_CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return Figure(float(statistic(*pair)), float(interval.low), float(interval.high))


def _compute_taus(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return tau-b of many resamples [resamples, n] at once, 0 if undefined; SciPy's function takes one at a time."""
    first, second = (np.sign(values[..., :, None] - values[..., None, :]) for values in (before, after))
    agreeing = (first * second).sum((-2, -1))
    extent = np.sqrt((first**2).sum((-2, -1)) * (second**2).sum((-2, -1)))
    taus: np.ndarray = agreeing / np.where(extent > 0, extent, 1.0)
    return taus


def _compute_pearsons(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return Pearson's r of many resamples at once, 0 if it is not defined."""
    first, second = (values - values.mean(-1, keepdims=True) for values in (before, after))
    extent = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    correlations: np.ndarray = (first * second).sum(-1) / np.where(extent > 0, extent, 1.0)
    return correlations


def _compute_spearmans(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return Spearman's rho of many resamples at once: Pearson's r of the ranks."""
    from scipy.stats import rankdata

    return _compute_pearsons(rankdata(before, axis=-1), rankdata(after, axis=-1))


def _compute_overlaps(top: int, before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the share of the truly best items that are predicted to be best, for many resamples at once."""
    first, second = (values.argsort(-1, kind="stable").argsort(-1, kind="stable") < top for values in (before, after))
    shares: np.ndarray = (first & second).sum(-1) / min(top, before.shape[-1])
    return shares
