"""Reliability of a noisy truth: how much of the differences between children is not seed noise.

The intraclass correlation is the one for consistency, ICC(C,1) and ICC(C,k) of McGraw & Wong (1996), which are ICC(3,1)
and ICC(3,k) of Shrout & Fleiss (1979): offsets of seeds do not count as noise. Intervals are theirs, from the F
distribution; they are exact if every child was trained with every seed, and approximate otherwise.
"""

from typing import NamedTuple

import numpy as np

from search.ranking.agreement import Figure

_TAIL = 0.025  # of a 95 % interval


class Reliability(NamedTuple):
    """Intraclass correlations of children trained with several seeds.

    Attributes:
        single: Correlation between two trainings of a child: the share of the variance of EPEs with one seed that is
            due to the architectures.
        mean: Share of the variance of the children's mean EPEs over seeds that is due to the architectures.
    """

    single: Figure
    mean: Figure


def measure_reliability(
    variance: float, error_variance: float, noise_variance: float, children: int, freedom: int
) -> Reliability:
    """Compute the intraclass correlations with their 95 % confidence intervals; negative ones count as 0.

    Args:
        variance: Variance of the children's mean EPEs.
        error_variance: Part of it that is due to noise.
        noise_variance: Variance of the noise of one training.
        children: Number of children.
        freedom: Degrees of freedom of the noise.
    """
    if not error_variance:
        return Reliability(Figure(1.0, 1.0, 1.0), Figure(1.0, 1.0, 1.0))
    from scipy.stats import f as f_distribution  # takes longer than a command may take to start

    ratio = variance / error_variance  # F of the analysis of variance
    seeds = noise_variance / error_variance  # per child, on average
    low = ratio / float(f_distribution.ppf(1 - _TAIL, children - 1, freedom))
    high = ratio * float(f_distribution.ppf(1 - _TAIL, freedom, children - 1))
    ends = [max(end, 1.0) for end in (ratio, low, high)]
    return Reliability(
        Figure(*((end - 1) / (end - 1 + seeds) for end in ends)), Figure(*(1 - 1 / end for end in ends))
    )


def correct_tau(tau: Figure, reliability: float) -> Figure:
    """Correct Kendall's tau, and its interval, for attenuation by a noisy truth (Spearman 1904).

    For normal variables, tau is 2/pi asin(r), and noise in the truth multiplies r by the root of its reliability. The
    reliability counts as known.

    Args:
        tau: Tau between a prediction and the truth.
        reliability: Share of the variance of the truth that is not noise, positive.
    """
    ends = np.sin(np.pi / 2 * np.array(tau)) / np.sqrt(reliability)
    return Figure(*(2 / np.pi * np.arcsin(np.clip(ends, -1.0, 1.0))).tolist())
