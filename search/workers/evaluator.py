"""The evaluator of a run, in this process or in workers."""

import contextlib
from concurrent.futures.process import BrokenProcessPool
from typing import Iterator, Mapping, NamedTuple

import numpy as np

from edgeflownas.config import ScoringConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.network.definition import read_space
from edgeflownas.process_pool import ProcessPool
from edgeflownas.progress import phase
from edgeflownas.storage.checkpoint import digest
from search.nsga2.scoring import Evaluator
from search.run import SCORING_THREADS, Run
from search.workers.dask_cluster import open_cluster
from search.workers.shared import SharedEvaluator, WorkerGroup
from search.workers.worker import Setup


class Opened(NamedTuple):
    """An evaluator that is ready to score.

    Attributes:
        evaluator: Evaluator of architectures.
        zero_flow_epe: EPE of predicting no motion, in pixels.
    """

    evaluator: Evaluator
    zero_flow_epe: float


@contextlib.contextmanager
def open_evaluator(run: Run, weights: Mapping[str, np.ndarray]) -> Iterator[Opened]:
    """Read the images and build the supernet, in this process or in workers that end with the block.

    Args:
        run: Run whose configuration defines the scoring rules, the data and the workers.
        weights: Weights of the supernet, as stored in the file of the run.

    Yields:
        The evaluator.

    Raises:
        InputError: The data cannot be used, or the configured workers are not available.
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
    del datasets  # opened only to report the pairs that are left out; the workers read them
    with _open_workers(config) as workers:
        evaluator = SharedEvaluator(workers, _describe_setup(run, weights), run.space)
        with phase("reading images and building the supernet in the workers"):
            zero_flow_epe = evaluator.zero_flow_epe()
        yield Opened(evaluator, zero_flow_epe)


@contextlib.contextmanager
def _open_workers(config: ScoringConfig) -> Iterator[WorkerGroup]:
    """Start the workers of a configuration, or connect to them."""
    if config.scheduler is not None:
        with open_cluster(config.scheduler) as workers:
            yield workers
        return
    count = config.processes
    with ProcessPool(count, config.devices) as processes:
        yield WorkerGroup(processes, lambda: count, BrokenProcessPool)


def _describe_setup(run: Run, weights: Mapping[str, np.ndarray]) -> Setup:
    return Setup(
        space=read_space(run.config.space),
        width=run.config.network.width,
        weights=str(run.supernet_file.resolve()),
        weights_sha256=digest(weights),
        data=run.config.data,
        evaluation=run.config.evaluation.rules,
        threads=run.config.threads,
        gpu=bool(run.config.evaluation.devices),
    )
