"""How well one ranking predicts another."""

from typing import NamedTuple, Optional, Sequence

import numpy as np
from scipy.stats import bootstrap, kendalltau

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


def agreement(before: Sequence[float], after: Sequence[float]) -> Agreement:
    """Kendall's tau (Kendall 1945, with ties: tau-b), with the interval of a percentile bootstrap over the pairs.

    The bootstrap is Efron's (1979), as SciPy has it, drawn from a fixed seed. A resample in which all are equal agrees
    in nothing and counts as 0; so few architectures give a wide interval.
    """
    n = len(before)
    tau = float(kendalltau(before, after).correlation) if n > 1 and np.ptp(before) and np.ptp(after) else None
    if tau is None:
        return Agreement(None, n)
    interval = bootstrap(
        (np.asarray(before), np.asarray(after)),
        _taus,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=_CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return Agreement(tau, n, float(interval.low), float(interval.high))


def _taus(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Tau-b of many resamples at once [resamples, n], 0 where it is not defined; SciPy's takes one at a time."""
    first, second = (np.sign(each[..., :, None] - each[..., None, :]) for each in (before, after))
    agreeing = (first * second).sum((-2, -1))
    extent = np.sqrt((first**2).sum((-2, -1)) * (second**2).sum((-2, -1)))
    taus: np.ndarray = agreeing / np.where(extent > 0, extent, 1.0)
    return taus
