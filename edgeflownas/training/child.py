"""The training of one architecture, from the supernet's weights or from scratch: a step is one batch."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import ChildConfig, TrainConfig
from edgeflownas.data.datasets import identify_pairs, open_datasets
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import Statistics, select_statistics, statistics_to_tensors
from edgeflownas.network.build import (
    BatchNorm,
    Weights,
    build_child,
    draw_initial_weights,
    normalise_images,
    zero_last_gammas,
)
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from edgeflownas.tf_runtime.devices import HOST, Devices, select_devices
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.loop import Training
from edgeflownas.training.step import GraphStep, Inputs


class ChildStep(GraphStep):
    """One batch, one update of one architecture.

    Several devices each take an equal part of the batch, a *tower*, with BN statistics and a loss of its own; the loss,
    and so the gradient, is the mean over the towers.

    Its weights are saved with the BN statistics that they were last scored with, so that what was scored can be run:
    mean and variance, [C] each, stand beside gamma and beta.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        weights: Mapping[str, np.ndarray],
        config: TrainConfig,
        data: EvaluationData,
        threads: int,
        devices: Devices,
    ) -> None:
        """Builds the graph of a step, and the evaluator.

        Args:
            skeleton: the network's definition.
            architecture: to train.
            weights: to begin with; may be the whole supernet's.
            config: the recipe.
            data: the images to score with.
            threads: of the CPU.
            devices: that share the work.

        Raises:
            InputError: the batch cannot be parted equally among them.
        """
        if config.batch_size % len(devices.names):
            raise InputError(
                f"train.batch_size: {config.batch_size} pairs cannot be parted equally among {len(devices.names)} "
                f"devices (train.devices, --gpu-device); change one of the two"
            )
        self._skeleton = skeleton
        self._architecture = architecture
        self._statistics: Statistics = {}
        own = {name: weights[name] for name in skeleton.parameters(architecture)}
        height, width = data.validation[0].images.shape[1:3]
        super().__init__(own, config, height, width, threads, devices)
        self._evaluator = ChildEvaluator(skeleton, architecture, data, threads, devices)

    def _losses(self, inputs: Inputs, weights: Weights) -> List[tf.Tensor]:
        devices = self._devices.names
        with tf.device(HOST):
            parts = [tf.split(each, len(devices)) for each in (inputs.images, inputs.flow, inputs.valid)]
        towers = []
        for device, images, flow, valid in zip(devices, *parts):
            with tf.device(device):
                flows = build_child(self._skeleton, self._architecture, normalise_images(images), BatchNorm(weights))
                towers.append(multiscale_loss(flows, flow, valid, inputs.uncertainty_weight))
        return [tf.add_n(towers) / len(towers)]

    def evaluate(self) -> float:
        """EPE with recalibrated BN, pixels."""
        weights = self._session.run(self._weights)
        self._statistics = self._evaluator.recalibrate(weights)
        return self._evaluator.epe(weights, self._statistics)

    def tensors(self) -> Dict[str, np.ndarray]:
        """Weights, optimizer state, and the last evaluation's BN statistics by name."""
        return {**super().tensors(), **statistics_to_tensors(self._statistics)}

    def weight_names(self) -> List[str]:
        """The weights and BN statistics among the tensors."""
        return [*super().weight_names(), *statistics_to_tensors(self._statistics)]

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Goes back to saved tensors."""
        super().restore(tensors, state)
        self._statistics = select_statistics(tensors)


Datasets = Tuple[FlowDataset, FlowDataset]  # training and validation pairs


def prepare_child_training(
    config: ChildConfig,
    folder: Path,
    weights: Optional[Mapping[str, np.ndarray]] = None,
    datasets: Optional[Datasets] = None,
) -> Training:
    """Sets up the training of one architecture in one stage; ``stages.retraining`` does one or several.

    Args:
        config: what to train, and how.
        folder: that keeps the training's state.
        weights: to begin with, the supernet's or the architecture's own; None for random ones.
        datasets: that the configuration names, where they are open already.

    Raises:
        InputError: the architecture is not in the space, the weights do not fit it, or the data or the devices cannot
            be used.
    """
    recipe = config.train
    assert isinstance(recipe, TrainConfig), "one stage"
    devices = select_devices(recipe.devices)
    skeleton = Skeleton(config.network.width)
    first = make_first_weights(config, weights)
    train, val = datasets or open_datasets(config.data)
    data = EvaluationData(train, val, config.evaluation, config.threads)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    step = ChildStep(skeleton, architecture, first, recipe, data, config.threads, devices)
    identity = child_identity(config, first, train)
    return Training(step, train, recipe, config.seed, folder, identity, data.zero_flow_epe(), config.threads)


def make_first_weights(config: ChildConfig, weights: Optional[Mapping[str, np.ndarray]]) -> Dict[str, np.ndarray]:
    """The weights that an architecture's training begins with.

    Args:
        config: what to train.
        weights: that hold the architecture's own, perhaps among others; None for random ones.

    Raises:
        InputError: the architecture is not in the space, or the weights do not fit it.
    """
    skeleton = Skeleton(config.network.width)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    parameters = skeleton.parameters(architecture)
    if weights is None:
        return zero_last_gammas(draw_initial_weights(parameters, np.random.default_rng(config.seed)))
    wrong = skeleton.find_mismatch(weights, architecture)
    if wrong is not None:
        raise InputError(
            f"first weights: {wrong} is missing or of another shape; "
            f"set network.width to the base width they were trained with"
        )
    return {name: weights[name] for name in parameters}


def child_identity(config: ChildConfig, first: Mapping[str, np.ndarray], train: FlowDataset) -> Dict[str, Any]:
    """What a training in one stage must share with the one that it goes on with.

    Args:
        config: what to train, and how.
        first: weights that it begins with, as ``first_weights`` gives them.
        train: the training pairs.
    """
    assert isinstance(config.train, TrainConfig), "one stage"
    return {
        "network": Skeleton(config.network.width).digest(),
        "architecture": config.architecture,
        "first weights": checkpoint.digest(first),
        "data": config.data.model_dump(),
        "train": config.train.recipe,
        "evaluation": config.evaluation.model_dump(),
        "seed": config.seed,
        **identify_pairs(train),
    }
