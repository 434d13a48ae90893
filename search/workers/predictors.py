"""Predictors of architectures of a run, with weights from a file and BN statistics."""

import functools
from typing import Callable, Mapping

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


def open_predictor(
    run: Run,
    architecture: Architecture,
    tensors: Mapping[str, np.ndarray],
    images: Images,
    threads: int = SCORING_THREADS,
) -> FlowPredictor:
    """Return a predictor that uses the BN statistics stored with the weights or, if there are none, recalibrated ones.

    Args:
        run: Run that defines the network.
        architecture: Architecture that predicts.
        tensors: Weights of a supernet or of a child, as stored in their file.
        images: Function that returns the images for recalibration.
        threads: Number of CPU threads of the predictor.

    Raises:
        InputError: The images for recalibration cannot be used.
        FloatingPointError: The statistics are not finite.
    """
    statistics = select_statistics(tensors)
    if not statistics:
        count = run.config.evaluation.calibration_pairs
        with phase(f"recalibrating {run.space.format(architecture)} on {format_count(count, 'training pair')}"):
            statistics = ChildEvaluator(run.skeleton, architecture, images(), SCORING_THREADS).recalibrate(tensors)
        if not all(np.isfinite(part).all() for pair in statistics.values() for part in pair):
            raise FloatingPointError(f"the BN statistics of {run.space.format(architecture)} are not finite")
    return FlowPredictor(run.skeleton, architecture, tensors, statistics, threads)


def describe_statistics(run: Run, tensors: Mapping[str, np.ndarray]) -> str:
    """Return where ``open_predictor`` takes the BN statistics from."""
    if select_statistics(tensors):
        return "stored with the weights"
    pairs = format_count(run.config.evaluation.calibration_pairs, "training pair")
    return f"recomputed from {pairs} of the run"
