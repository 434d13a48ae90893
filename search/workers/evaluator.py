"""Opens the evaluator of a run."""

import contextlib
from concurrent.futures.process import BrokenProcessPool
from typing import Iterator, Mapping, NamedTuple

import numpy as np

from edgeflownas.config import ScoringConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.process_pool import ProcessPool
from edgeflownas.progress import phase
from edgeflownas.storage.checkpoint import digest
from search.nsga2.scoring import Evaluator
from search.run import SCORING_THREADS, Run
from search.workers.dask_cluster import open_cluster
from search.workers.shared import SharedEvaluator, WorkerGroup
from search.workers.worker import Setup


class Opened(NamedTuple):
    """An evaluator that is ready.

    Attributes:
        evaluator: scores architectures.
        zero_flow_epe: EPE of predicting no motion, pixels.
    """

    evaluator: Evaluator
    zero_flow_epe: float


@contextlib.contextmanager
def open_evaluator(run: Run, weights: Mapping[str, np.ndarray]) -> Iterator[Opened]:
    """Reads the images and builds the supernet, here or in workers; what it has started ends with the block.

    Args:
        run: says how to score, with which images, and who does it.
        weights: the supernet's, as the run's file holds them.

    Raises:
        InputError: the data cannot be used; or there are no workers as configured.
    """
    config = run.config.evaluation
    datasets = open_datasets(run.config.data)
    if config.scheduler is None and config.workers == 1 and not config.devices:
        with phase("reading images and building the supernet"):
            from edgeflownas.evaluation.child import EvaluationData
            from supernet.tree import TreeEvaluator

            data = EvaluationData(*datasets, config, run.config.threads)
            opened = Opened(TreeEvaluator(run.skeleton, weights, data, SCORING_THREADS), data.zero_flow_epe())
        yield opened
        return
    del datasets  # what is left out of them has been said; the workers read them
    with _crew(config) as crew:
        evaluator = SharedEvaluator(crew, _setup(run, weights), run.space)
        with phase("reading images and building the supernet in the workers"):
            zero = evaluator.zero_flow_epe()
        yield Opened(evaluator, zero)


@contextlib.contextmanager
def _crew(config: ScoringConfig) -> Iterator[WorkerGroup]:
    """The workers of a configuration."""
    if config.scheduler is not None:
        with open_cluster(config.scheduler) as crew:
            yield crew
        return
    count = max(config.workers, len(config.devices))
    with ProcessPool(count, config.devices) as processes:
        yield WorkerGroup(processes, lambda: count, BrokenProcessPool)


def _setup(run: Run, weights: Mapping[str, np.ndarray]) -> Setup:
    return Setup(
        width=run.config.network.width,
        weights=str(run.supernet_file.resolve()),
        weights_sha256=digest(weights),
        data=run.config.data,
        evaluation=run.config.evaluation.rules,
        threads=run.config.threads,
        gpu=bool(run.config.evaluation.devices),
    )
