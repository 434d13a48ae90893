"""The training of the supernet: a step is a cycle, strictly fair unless the configuration says otherwise."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.config import Config, TrainConfig
from edgeflownas.data.datasets import identify_pairs, open_datasets
from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.build import Weights, draw_initial_weights, normalise_images, zero_last_gammas
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime.devices import Devices, select_devices
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.loop import Training
from edgeflownas.training.step import GraphStep, Inputs
from supernet.fairness import SAMPLERS, Group, Sampler, assign_own_slots, draw_covering_pool, route_paths
from supernet.parallel import build_parallel_cycle
from supernet.routed import build_fair_cycle
from supernet.tree import TreeEvaluator

POOL_CYCLES = 4  # four fair cycles: 12 architectures where genes have three options
POOL_SEED = 0


class FairCycle(GraphStep):
    """One cycle: one batch, one update. A fair one has as many paths as the largest gene has options.

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
        """Builds the graph of a cycle, and the evaluator of the pool.

        Args:
            skeleton: the network's definition.
            weights: to begin with.
            config: the recipe.
            data: the images that the pool is scored with.
            sampler: deals each cycle's paths.
            threads: of the CPU.
            devices: that share the work.

        Raises:
            InputError: there are more of them than paths.
        """
        if len(devices.names) > sampler.paths:
            raise InputError(
                f"train.devices: a cycle has {sampler.paths} paths, which {len(devices.names)} devices cannot "
                f"share; name at most {sampler.paths} (--gpu-device)"
            )
        self._skeleton = skeleton
        self._space = Space.from_skeleton(skeleton)
        self._sampler = sampler
        height, width = data.validation[0].images.shape[1:3]
        super().__init__(weights, config, height, width, threads, devices)
        self._pool = draw_covering_pool(self._space, POOL_CYCLES, POOL_SEED, sampler.groups)
        self._evaluator = TreeEvaluator(skeleton, weights, data, threads, devices)

    def _losses(self, inputs: Inputs, weights: Weights) -> List[tf.Tensor]:
        shape = [len(self._space.genes), self._sampler.paths]
        self._path_of, self._option_of = (tf.placeholder(tf.int32, shape) for _ in range(2))
        routing, x = (self._path_of, self._option_of), normalise_images(inputs.images)
        if len(self._devices.names) == 1 and self._sampler.covers:
            networks = build_fair_cycle(self._skeleton, x, weights, *routing)
        else:
            networks = build_parallel_cycle(self._skeleton, x, weights, *routing, self._devices.names)
        losses = []
        for flows in networks:
            with tf.device(flows[-1].device):
                losses.append(multiscale_loss(flows, *inputs[1:]))
        return losses

    def _feed(self) -> Dict[tf.Tensor, np.ndarray]:
        cycle = self._sampler.draw_cycle()
        path_of, option_of = route_paths(self._space, cycle) if self._sampler.covers else assign_own_slots(cycle)
        return {self._path_of: path_of, self._option_of: option_of}

    def evaluate(self) -> float:
        """Mean EPE of the pool with recalibrated BN, pixels."""
        self._evaluator.load(self._session.run(self._weights))
        scores = [epe for group in self._evaluator.score(self._pool) for _, epe in group]
        return float(np.mean(scores))

    def state(self) -> Dict[str, Any]:
        """The sampler's."""
        return {"sampler": self._sampler.state()}

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Goes back to saved tensors and a saved sampler."""
        super().restore(tensors, state)
        self._sampler.restore(state["sampler"])

    def write_epoch_files(self, folder: Path) -> None:
        """Writes fairness.json: how often each option of each gene was trained, and the largest difference."""
        write_json(folder / "fairness.json", self._sampler.report())


def prepare_supernet_training(
    config: Config,
    folder: Path,
    identity: Mapping[str, Any],
    weights: Optional[Mapping[str, np.ndarray]] = None,
    groups: Optional[Sequence[Group]] = None,
) -> Training:
    """Sets up the training of a supernet.

    Args:
        config: of the run.
        folder: that keeps the training's state.
        identity: what a continuation must share, beside what is found here.
        weights: to begin with; None for random ones.
        groups: what the cycles deal; None: every gene by itself.

    Raises:
        InputError: the data or the devices cannot be used.
    """
    devices = select_devices(config.train.devices)
    skeleton = Skeleton(config.network.width)
    train, val = open_datasets(config.data)
    data = EvaluationData(train, val, config.evaluation, config.threads)
    rng = np.random.default_rng(config.seed)
    if weights is None:
        weights = zero_last_gammas(draw_initial_weights(skeleton.parameters(), rng))
    sampler = SAMPLERS[config.train.sampling](Space.from_skeleton(skeleton), rng, groups)
    step = FairCycle(skeleton, weights, config.train, data, sampler, config.threads, devices)
    identity = {**identity, **identify_pairs(train)}
    return Training(
        step, train, config.train, config.seed, folder, identity, data.zero_flow_epe(), config.threads
    )
