"""Training of the supernet; a step is a cycle, strictly fair unless the configuration says otherwise."""

import functools
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.config import Config, TrainConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.enough import check_batch_size
from edgeflownas.data.identity import identify_training
from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.build import Weights, normalise_images
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.initialisation import draw_training_weights
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage.checkpoint import PAIRS
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime.devices import Devices, select_devices
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.loop import Training
from edgeflownas.training.schedule import Schedule
from edgeflownas.training.step import GraphStep, Inputs, Objective
from supernet.fairness import SAMPLERS, Group, Sampler, assign_own_slots, draw_covering_pool, route_paths
from supernet.parallel import build_parallel_cycle
from supernet.routed import build_fair_cycle
from supernet.tree import TreeEvaluator

POOL_CYCLES = 4  # fair cycles in the pool: 12 architectures if genes have three options
POOL_SEED = 0


class FairCycle(GraphStep):
    """One update by one cycle on one batch. A fair cycle has as many paths as the largest gene has options.

    Several devices share the paths; each sees the whole batch, so that statistics and gradients stay the same.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        weights: Mapping[str, np.ndarray],
        config: TrainConfig,
        data: EvaluationData,
        sampler: Sampler,
        threads: int,
        devices: Devices,
    ) -> None:
        """Build the graph of a cycle, and the evaluator of the pool.

        Args:
            skeleton: Definition of the network.
            weights: Initial weights.
            config: Recipe of the training.
            data: Images that the pool is scored with.
            sampler: Sampler of each cycle's paths.
            threads: Number of CPU threads.
            devices: Devices that share the work.

        Raises:
            InputError: There are more devices than paths.
        """
        if len(devices.names) > sampler.paths:
            raise InputError(
                f"train.devices: a cycle has {sampler.paths} paths, which {len(devices.names)} devices cannot "
                f"share; name at most {sampler.paths} (--gpu-device)"
            )
        build_objective = functools.partial(_build_objective, skeleton, sampler, devices.names)
        size = data.validation[0].images.shape[1:3]
        super().__init__(build_objective, weights, skeleton.image_kernels, config, size, threads, devices)
        self._sampler = sampler
        self._pool = draw_covering_pool(Space.from_skeleton(skeleton), POOL_CYCLES, POOL_SEED, sampler.groups)
        self._evaluator = TreeEvaluator(skeleton, weights, data, threads, devices)

    def evaluate(self) -> float:
        """Return the mean EPE of the pool with recalibrated BN, in pixels."""
        self._evaluator.load(self._session.run(self._weights))
        scores = [epe for group in self._evaluator.score(self._pool) for _, epe in group]
        return float(np.mean(scores))

    def state(self) -> Dict[str, Any]:
        """Return the state of the sampler."""
        return {"sampler": self._sampler.state()}

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Restore saved tensors and the state of the sampler."""
        super().restore(tensors, state)
        self._sampler.restore(state["sampler"])

    def write_epoch_files(self, folder: Path) -> None:
        """Write fairness.json: how often each option of each gene was trained, and the largest difference."""
        write_json(folder / "fairness.json", self._sampler.report())


def _build_objective(
    skeleton: Skeleton, sampler: Sampler, devices: Sequence[str], inputs: Inputs, weights: Weights
) -> Objective:
    """Build the paths of a cycle with their losses; each step draws a cycle from the sampler."""
    space = Space.from_skeleton(skeleton)
    shape = [len(space.genes), sampler.paths]
    routing = tf.placeholder(tf.int32, shape), tf.placeholder(tf.int32, shape)
    x = normalise_images(inputs.images)
    if len(devices) == 1 and sampler.covers:
        paths = build_fair_cycle(skeleton, x, weights, *routing)
    else:
        paths = build_parallel_cycle(skeleton, x, weights, *routing, devices)
    losses = []
    for flows in paths:
        with tf.device(flows[-1].device):
            losses.append(multiscale_loss(flows, *inputs[1:]))

    def draw_feed() -> Dict[tf.Tensor, np.ndarray]:
        cycle = sampler.draw_cycle()
        return dict(zip(routing, route_paths(space, cycle) if sampler.covers else assign_own_slots(cycle)))

    return Objective(losses, draw_feed)


def prepare_supernet_training(
    config: Config,
    folder: Path,
    identity: Mapping[str, Any],
    weights: Optional[Mapping[str, np.ndarray]] = None,
    groups: Optional[Sequence[Group]] = None,
) -> Training:
    """Prepare the training of a supernet.

    Args:
        config: Configuration of the run.
        folder: Folder of the training state.
        identity: Values that a resumed run must share, in addition to those determined here.
        weights: Initial weights; if None, random ones.
        groups: Groups of genes that the cycles sample; if None, each gene by itself.

    Raises:
        InputError: The data or the devices cannot be used.
    """
    devices = select_devices(config.train.devices)
    skeleton = open_skeleton(config)
    train, val = open_datasets(config.data)
    check_batch_size(train, config.train.batch_size, "train")  # before any long work
    data = EvaluationData(train, val, config.evaluation, config.threads)
    rng = np.random.default_rng(config.seed)
    if weights is None:
        weights = draw_training_weights(skeleton, rng)
    sampler = SAMPLERS[config.train.sampling](Space.from_skeleton(skeleton), rng, groups)
    step = FairCycle(skeleton, weights, config.train, data, sampler, config.threads, devices)
    identity = {**identity, PAIRS: identify_training(train, val, config.evaluation, config.threads)}
    schedule = Schedule(step, train, config.train, config.seed, folder, config.threads)
    return Training(schedule, identity, data.zero_flow_epe())
