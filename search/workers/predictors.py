"""Predictors of architectures of a run, with weights from a file and BN statistics."""

import functools
from pathlib import Path
from typing import Callable

import numpy as np

from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.prediction import FlowPredictor
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.space import Architecture
from edgeflownas.progress import phase
from edgeflownas.wording import format_count
from search.run import SCORING_THREADS, Run

Images = Callable[[], EvaluationData]


def calibration_images(run: Run) -> Images:
    """Return a function that returns the images for recalibration, which it reads at its first call."""
    return functools.lru_cache(maxsize=None)(
        lambda: EvaluationData(*open_datasets(run.config.data), run.config.evaluation, run.config.threads)
    )


def open_predictor(run: Run, architecture: Architecture, weights: Path, images: Images) -> FlowPredictor:
    """Return a predictor that uses the BN statistics stored with the weights or, if there are none, recalibrated ones.

    Args:
        run: Run that defines the network.
        architecture: Architecture that predicts.
        weights: Path of the weights of a supernet or of a child.
        images: Function that returns the images for recalibration.

    Raises:
        InputError: The weights are missing or damaged, or belong to a different network.
        FloatingPointError: The statistics are not finite.
    """
    tensors = run.load_tensors(weights, architecture)
    statistics = select_statistics(tensors)
    if not statistics:
        count = run.config.evaluation.calibration_pairs
        with phase(f"recalibrating {run.space.format(architecture)} on {format_count(count, 'training pair')}"):
            statistics = ChildEvaluator(run.skeleton, architecture, images(), SCORING_THREADS).recalibrate(tensors)
        if not all(np.isfinite(part).all() for pair in statistics.values() for part in pair):
            raise FloatingPointError(f"the BN statistics of {run.space.format(architecture)} are not finite")
    return FlowPredictor(run.skeleton, architecture, tensors, statistics, SCORING_THREADS)
