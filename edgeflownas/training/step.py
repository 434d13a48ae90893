"""Training steps: their interface, and the graph that supernet and child steps share."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np
from typing_extensions import Protocol

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch
from edgeflownas.network.build import Weights, create_variables
from edgeflownas.network.skeleton import IMAGE_CHANNELS
from edgeflownas.tf_runtime.devices import HOST, Devices, place_on_first
from edgeflownas.tf_runtime.session import load_variables, open_session
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.optimizer import Accumulator, compute_gradients, update


class Step(Protocol):
    """A training step, with the state that it changes."""

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        """Take one step and return its loss."""

    def evaluate(self) -> float:
        """Return the EPE on the validation set, in pixels."""

    def tensors(self) -> Dict[str, np.ndarray]:
        """Return weights and optimizer state by name."""

    def weight_names(self) -> List[str]:
        """Return the names of the weights among the tensors."""

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Restore saved tensors and a saved state."""

    def state(self) -> Dict[str, Any]:
        """Return everything besides the tensors that the next step depends on, as JSON data."""

    def write_epoch_files(self, folder: Path) -> None:
        """Write the step's own files next to the checkpoints."""


class Inputs(NamedTuple):
    """Inputs of a loss, on the CPU: images, and the arguments of ``losses.multiscale_loss``."""

    images: tf.Tensor  # uint8 [B, H, W, 6]
    flow: tf.Tensor
    valid: tf.Tensor
    uncertainty_weight: tf.Tensor


class Objective(NamedTuple):
    """The objective of a step.

    Attributes:
        losses: Loss of each network that is trained at once.
        draw_feed: Function that returns the values to feed to a step in addition to the batch.
    """

    losses: List[tf.Tensor]
    draw_feed: Callable[[], Dict[tf.Tensor, np.ndarray]] = dict


class GraphStep:
    """A step as one graph: the summed losses of the networks on one batch, and one update.

    Weights and update are on the first device; each gradient is computed on the device of its forward part. With
    ``accumulation``, the graph computes one part of the batch, and runs once per part before the update: it trains the
    same networks on every part, and the update is by the mean of the parts' gradients.

    Attributes:
        loss: Sum of the networks' losses on a part of the batch.
    """

    def __init__(
        self,
        build_objective: Callable[[Inputs, Weights], Objective],
        weights: Mapping[str, np.ndarray],
        image_kernels: Sequence[str],
        config: TrainConfig,
        size: Sequence[int],
        threads: int,
        devices: Devices,
    ) -> None:
        """Build the graph.

        Args:
            build_objective: Function that builds the networks and their losses.
            weights: Initial weights.
            image_kernels: Names of the kernels on images, which learn no response to uniform brightness.
            config: Training recipe.
            size: Height and width of the images, in pixels.
            threads: Number of CPU threads.
            devices: Devices that share the work.
        """
        self._parts, self._part_size = config.accumulation, config.part_size
        with tf.Graph().as_default() as graph, place_on_first(devices):
            with tf.device(HOST):
                images = tf.placeholder(tf.uint8, [config.part_size, *size, IMAGE_CHANNELS])
                flow = tf.placeholder(tf.float32, [config.part_size, *size, 2])
                valid = tf.placeholder(tf.float32, [config.part_size, *size, 1])
                self._inputs = Inputs(images, flow, valid, tf.placeholder(tf.float32, []))
            self._rate = tf.placeholder(tf.float32, [])
            self._weights = create_variables(weights)
            losses, self._draw_feed = build_objective(self._inputs, self._weights)
            self._networks = len(losses)
            self.loss = tf.add_n(losses)
            gradients, self._accumulator = compute_gradients(self.loss, self._weights), None
            if config.accumulation > 1:
                self._accumulator = Accumulator(gradients, config.accumulation)
                gradients = self._accumulator.gradients
            self._train, _ = update(gradients, self._weights, self._rate, config, image_kernels)
            self._variables: Dict[str, tf.Variable] = dict(self._weights)
            for variable in set(tf.global_variables()) - set(self._weights.values()):
                self._variables["optimizer/" + variable.op.name] = variable
            initialise = tf.global_variables_initializer(), tf.local_variables_initializer()
        self._session = open_session(graph, threads, devices)
        self._session.run(initialise)

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        """Take one step and return the mean loss of the networks."""
        shared = {self._inputs.uncertainty_weight: uncertainty_weight, **self._draw_feed()}
        feeds = [{**shared, **self._feed_part(batch, part)} for part in range(self._parts)]
        if self._accumulator is None:
            _, loss = self._session.run((self._train, self.loss), {**feeds[0], self._rate: rate})
            return float(loss) / self._networks
        operations = [self._accumulator.start] + [self._accumulator.add] * (self._parts - 1)
        losses = [self._session.run((run, self.loss), feed)[1] for run, feed in zip(operations, feeds)]
        self._session.run(self._train, {self._rate: rate})
        return float(np.mean(losses)) / self._networks

    def _feed_part(self, batch: Batch, part: int) -> Dict[tf.Tensor, np.ndarray]:
        rows = slice(part * self._part_size, (part + 1) * self._part_size)
        arrays = (batch.images, batch.flow, batch.valid)
        return {placeholder: array[rows] for placeholder, array in zip(self._inputs, arrays)}

    def tensors(self) -> Dict[str, np.ndarray]:
        """Return weights and optimizer state by name."""
        return dict(self._session.run(self._variables))

    def weight_names(self) -> List[str]:
        """Return the names of the weights among the tensors."""
        return list(self._weights)

    def state(self) -> Dict[str, Any]:
        """Return an empty state: the next step depends on nothing else."""
        return {}

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Restore saved tensors and a saved state."""
        load_variables(self._session, self._variables, tensors)

    def write_epoch_files(self, folder: Path) -> None:
        """Do nothing: there are no further files."""
