"""An architecture of a run, with weights from a file and its BN statistics, ready to predict."""

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
from search.run import SCORING_THREADS, Run

Images = Callable[[], EvaluationData]


def calibration_images(run: Run) -> Images:
    """The images to recalibrate with: read once, when they are first asked for."""
    return functools.lru_cache(maxsize=None)(
        lambda: EvaluationData(*open_datasets(run.config.data), run.config.evaluation, run.config.threads)
    )


def open_predictor(run: Run, architecture: Architecture, weights: Path, images: Images) -> FlowPredictor:
    """An architecture that predicts, with the statistics that are kept with its weights, or recalibrated ones.

    Args:
        run: whose network it is of.
        architecture: of the space.
        weights: file of a supernet's weights, or a child's.
        images: to recalibrate with.

    Raises:
        InputError: the weights are missing, damaged, or of another network.
        FloatingPointError: the statistics are not finite.
    """
    tensors = run.load_tensors(weights, architecture)
    statistics = select_statistics(tensors)
    if not statistics:
        with phase(f"recalibrating {run.space.format(architecture)}"):
            statistics = ChildEvaluator(run.skeleton, architecture, images(), SCORING_THREADS).recalibrate(tensors)
        if not all(np.isfinite(part).all() for pair in statistics.values() for part in pair):
            raise FloatingPointError(f"the BN statistics of {run.space.format(architecture)} are not finite")
    return FlowPredictor(run.skeleton, architecture, tensors, statistics, SCORING_THREADS)
