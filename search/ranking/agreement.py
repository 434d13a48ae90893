"""How well one ranking predicts another.

Intervals are those of Efron's percentile bootstrap (1979) over the pairs, as SciPy has it, drawn from a fixed seed. A
resample in which a figure is not defined, as all are equal, agrees in nothing and counts as 0; so few architectures
give a wide interval.
"""

import functools
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from scipy.stats import bootstrap, kendalltau, rankdata

_RESAMPLES = 2000
_BATCH = 100  # of them at once, which bounds the memory
_CONFIDENCE = 0.95


class Agreement(NamedTuple):
    """Kendall's tau of two rankings.

    Attributes:
        tau: tau-b; None where it is not defined: fewer than two, or all equal.
        n: architectures.
        low: of the 95 % confidence interval; None as the tau.
        high: likewise.
    """

    tau: Optional[float]
    n: int
    low: Optional[float] = None
    high: Optional[float] = None

    def __str__(self) -> str:
        """For people."""
        if self.tau is None:
            return f"not defined (n = {self.n})"
        return f"{self.tau:.3f} (n = {self.n}, 95 % confidence {self.low:.2f} to {self.high:.2f})"


class Figure(NamedTuple):
    """A figure of agreement with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """For people."""
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


class Inversion(NamedTuple):
    """Two things that the rankings order differently: by number, the first being the better one after."""

    first: int
    second: int
    before: float  # by how much the second looked better
    after: float  # by how much the first is better


# Of many resamples at once: takes two arrays [resamples, n], gives [resamples].
Statistic = Callable[..., np.ndarray]


def tau_b(before: Sequence[float], after: Sequence[float]) -> Optional[float]:
    """Kendall's tau (Kendall 1945, with ties: tau-b); None where it is not defined."""
    if len(before) < 2 or not np.ptp(before) or not np.ptp(after):
        return None
    return float(kendalltau(before, after).correlation)


def measure_agreement(before: Sequence[float], after: Sequence[float]) -> Agreement:
    """Kendall's tau with its interval."""
    tau = tau_b(before, after)
    if tau is None:
        return Agreement(None, len(before))
    found = _with_interval(_taus, before, after)
    return Agreement(tau, len(before), found.low, found.high)


def compute_figures(before: Sequence[float], after: Sequence[float], top: int) -> Dict[str, Figure]:
    """Kendall's tau-b, Spearman's rho, Pearson's r, and the share of the best that both rankings agree in.

    Args:
        before: of each thing what was promised, less being better.
        after: what came out.
        top: how many are the best.

    Raises:
        ValueError: there are fewer than two, or all are equal, so that nothing is ranked.
    """
    if len(before) < 2 or not np.ptp(before) or not np.ptp(after):
        raise ValueError("there is nothing to rank")
    statistics: Dict[str, Statistic] = {
        "kendall_tau": _taus,
        "spearman_rho": _spearmans,
        "pearson_r": _pearsons,
        f"top_{top}_overlap": functools.partial(_overlaps, top),
    }
    return {name: _with_interval(statistic, before, after) for name, statistic in statistics.items()}


def find_inversions(before: Sequence[float], after: Sequence[float]) -> List[Inversion]:
    """Every pair in the wrong order, that with the largest difference after first."""
    promised, came = np.asarray(before), np.asarray(after)
    wrong = np.argwhere((promised[:, None] > promised[None]) & (came[:, None] < came[None])).tolist()
    found = [Inversion(i, j, float(promised[i] - promised[j]), float(came[j] - came[i])) for i, j in wrong]
    return sorted(found, key=lambda each: (-each.after, each.first, each.second))


def _with_interval(statistic: Statistic, before: Sequence[float], after: Sequence[float]) -> Figure:
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


def _taus(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Tau-b of many resamples at once [resamples, n], 0 where it is not defined; SciPy's takes one at a time."""
    first, second = (np.sign(each[..., :, None] - each[..., None, :]) for each in (before, after))
    agreeing = (first * second).sum((-2, -1))
    extent = np.sqrt((first**2).sum((-2, -1)) * (second**2).sum((-2, -1)))
    taus: np.ndarray = agreeing / np.where(extent > 0, extent, 1.0)
    return taus


def _pearsons(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's r of many resamples at once, 0 where it is not defined."""
    first, second = (each - each.mean(-1, keepdims=True) for each in (before, after))
    extent = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    correlations: np.ndarray = (first * second).sum(-1) / np.where(extent > 0, extent, 1.0)
    return correlations


def _spearmans(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's rho of many resamples at once: Pearson's r of the ranks."""
    return _pearsons(rankdata(before, axis=-1), rankdata(after, axis=-1))


def _overlaps(top: int, before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Of many resamples at once, the share of the best after that are among the best before."""
    first, second = (each.argsort(-1, kind="stable").argsort(-1, kind="stable") < top for each in (before, after))
    shares: np.ndarray = (first & second).sum(-1) / min(top, before.shape[-1])
    return shares
