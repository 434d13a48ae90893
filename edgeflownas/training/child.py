"""Training of one architecture, from the supernet's weights or from scratch; a step is one batch."""

import functools
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import ChildConfig, TrainConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.enough import check_batch_size
from edgeflownas.data.identity import identify_training
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import Statistics, select_statistics, statistics_to_tensors
from edgeflownas.network.build import BatchNorm, Weights, build_child, normalise_images
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.initialisation import draw_training_weights
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from edgeflownas.tf_runtime.devices import HOST, Devices, select_devices
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.loop import Training
from edgeflownas.training.schedule import Schedule
from edgeflownas.training.step import GraphStep, Inputs, Objective
from edgeflownas.wording import format_count


class ChildStep(GraphStep):
    """One update of one architecture on one batch.

    Several devices process equal parts of the batch, as *towers* with their own BN statistics and losses. The loss, and
    therefore the gradient, is the mean over the towers.

    The weights are saved with the BN statistics of their last evaluation (mean and variance, [C] each, next to gamma
    and beta), so that the scored network can be run.
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
        """Build the graph of a step, and the evaluator.

        Args:
            skeleton: Definition of the network.
            architecture: Architecture to train.
            weights: Initial weights; may be those of the whole supernet.
            config: Training recipe.
            data: Images to score with.
            threads: Number of CPU threads.
            devices: Devices that share the work.

        Raises:
            InputError: The batch cannot be split equally among the devices.
        """
        if config.part_size % len(devices.names):
            raise InputError(
                f"train.batch_size: {format_count(config.part_size, 'pair')} cannot be split equally "
                f"among {len(devices.names)} "
                f"devices (train.devices, --gpu-device); change one of the two"
            )
        build_objective = functools.partial(_build_objective, skeleton, architecture, devices.names)
        own = {name: weights[name] for name in skeleton.parameters(architecture)}
        size = data.validation[0].images.shape[1:3]
        super().__init__(build_objective, own, skeleton.image_kernels, config, size, threads, devices)
        self._statistics: Statistics = {}
        self._evaluator = ChildEvaluator(skeleton, architecture, data, threads, devices)

    def evaluate(self) -> float:
        """Return the EPE with recalibrated BN, in pixels."""
        weights = self._session.run(self._weights)
        self._statistics = self._evaluator.recalibrate(weights)
        return self._evaluator.epe(weights, self._statistics)

    def tensors(self) -> Dict[str, np.ndarray]:
        """Return weights, optimizer state, and the BN statistics of the last evaluation, by name."""
        return {**super().tensors(), **statistics_to_tensors(self._statistics)}

    def weight_names(self) -> List[str]:
        """Return the names of the weights and BN statistics among the tensors."""
        return [*super().weight_names(), *statistics_to_tensors(self._statistics)]

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Restore saved tensors."""
        super().restore(tensors, state)
        self._statistics = select_statistics(tensors)


def _build_objective(
    skeleton: Skeleton, architecture: Sequence[int], devices: Sequence[str], inputs: Inputs, weights: Weights
) -> Objective:
    """Build one tower per device, and the mean of their losses."""
    with tf.device(HOST):
        parts = [tf.split(tensor, len(devices)) for tensor in (inputs.images, inputs.flow, inputs.valid)]
    losses = []
    for device, images, flow, valid in zip(devices, *parts):
        with tf.device(device):
            flows = build_child(skeleton, architecture, normalise_images(images), BatchNorm(weights))
            losses.append(multiscale_loss(flows, flow, valid, inputs.uncertainty_weight))
    return Objective([tf.add_n(losses) / len(losses)])


Datasets = Tuple[FlowDataset, FlowDataset]  # training and validation pairs


def prepare_child_training(
    config: ChildConfig,
    folder: Path,
    weights: Optional[Mapping[str, np.ndarray]] = None,
    datasets: Optional[Datasets] = None,
) -> Training:
    """Prepare the training of one architecture in one stage; see ``stages.prepare_retraining`` for several stages.

    Args:
        config: Architecture to train, with data and recipe.
        folder: Folder of the training state.
        weights: Initial weights, of the supernet or of the architecture; if None, random ones.
        datasets: Data sets of the configuration, if they are already open.

    Raises:
        InputError: The architecture is not in the space, the weights do not fit it, or the data or the devices cannot
            be used.
    """
    recipe = config.train
    assert isinstance(recipe, TrainConfig), "a single stage"
    devices = select_devices(recipe.devices)
    skeleton = open_skeleton(config)
    first = make_first_weights(config, weights)
    train, val = datasets or open_datasets(config.data)
    check_batch_size(train, recipe.batch_size, "queue.train")  # before any long work
    data = EvaluationData(train, val, config.evaluation, config.threads)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    step = ChildStep(skeleton, architecture, first, recipe, data, config.threads, devices)
    identity = child_identity(config, first, (train, val))
    schedule = Schedule(step, train, recipe, config.seed, folder, config.threads)
    return Training(schedule, identity, data.zero_flow_epe())


def make_first_weights(config: ChildConfig, weights: Optional[Mapping[str, np.ndarray]]) -> Dict[str, np.ndarray]:
    """Return the weights with which the training of an architecture starts.

    Args:
        config: Architecture to train.
        weights: Weights of the architecture, possibly among others; if None, random ones.

    Raises:
        InputError: The architecture is not in the space, or the weights do not fit it.
    """
    skeleton = open_skeleton(config)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    parameters = skeleton.parameters(architecture)
    if weights is None:
        return draw_training_weights(skeleton, np.random.default_rng(config.seed), architecture)
    wrong = skeleton.find_mismatch(weights, architecture)
    if wrong is not None:
        raise InputError(
            f"first weights: {wrong} is missing or has a different shape; "
            f"set network.width to the base width they were trained with"
        )
    return {name: weights[name] for name in parameters}


def child_identity(config: ChildConfig, first: Mapping[str, np.ndarray], datasets: Datasets) -> Dict[str, Any]:
    """Return the values that single-stage training must share with the run that it resumes.

    Args:
        config: Architecture to train, with data and recipe.
        first: Initial weights, as returned by ``make_first_weights``.
        datasets: Training and validation pairs.
    """
    assert isinstance(config.train, TrainConfig), "a single stage"
    return {
        "network": open_skeleton(config).digest(),
        "architecture": config.architecture,
        "first weights": checkpoint.digest(first),
        "data": config.data.model_dump(),
        "train": config.train.recipe,
        "evaluation": config.evaluation.model_dump(),
        "seed": config.seed,
        checkpoint.PAIRS: identify_training(*datasets, config.evaluation, config.threads),
    }
