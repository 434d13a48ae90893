"""Batch-normalisation statistics of an architecture, computed from fixed images.

Statistics start empty and are averaged cumulatively over the batches, with equal weight for every image and no
momentum, so nothing is carried over from one architecture to the next. The variance is that of all images together (Wu
& Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3). Weights are not changed.
"""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

Statistics = Dict[str, Tuple[np.ndarray, np.ndarray]]  # mean and variance, float32 [C], by the BN's name


def combine_statistics(batches: Sequence[Tuple[int, Mapping[str, Tuple[np.ndarray, np.ndarray]]]]) -> Statistics:
    """Combine the statistics of several batches.

    Args:
        batches: Number of images of each batch, and its mean and biased variance by BN.

    Returns:
        Mean and variance over all images, by BN.
    """
    total = float(sum(count for count, _ in batches))
    result: Statistics = {}
    for name in batches[0][1]:
        counts = np.array([[count] for count, _ in batches], np.float64) / total
        means = np.array([batch[name][0] for _, batch in batches], np.float64)
        variances = np.array([batch[name][1] for _, batch in batches], np.float64)
        mean = (counts * means).sum(axis=0)
        variance = (counts * (variances + (means - mean) ** 2)).sum(axis=0)
        result[name] = (np.asarray(mean, np.float32), np.asarray(variance, np.float32))
    return result


def statistics_to_tensors(statistics: Statistics) -> Dict[str, np.ndarray]:
    """Return statistics as they are stored with weights: ``NAME/mean`` and ``NAME/variance``, like ``NAME/gamma``."""
    tensors = {}
    for name, (mean, variance) in statistics.items():
        tensors.update({f"{name}/mean": mean, f"{name}/variance": variance})
    return tensors


def select_statistics(tensors: Mapping[str, np.ndarray]) -> Statistics:
    """Extract the statistics from tensors; the inverse of ``statistics_to_tensors``."""
    names = [name[: -len("/mean")] for name in tensors if name.endswith("/mean")]
    return {name: (tensors[f"{name}/mean"], tensors[f"{name}/variance"]) for name in names}
