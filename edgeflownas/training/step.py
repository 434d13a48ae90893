"""What the steps of supernet and child have in common: one graph that takes a batch to a loss and an update."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

import numpy as np

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch
from edgeflownas.network.build import Weights, create_variables
from edgeflownas.network.skeleton import IMAGE_CHANNELS
from edgeflownas.tf_runtime.devices import HOST, Devices, place_on_first
from edgeflownas.tf_runtime.session import load_variables, open_session
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.optimizer import minimise


class Inputs(NamedTuple):
    """What a loss is computed from, on the CPU: images, and the arguments of ``losses.multiscale_loss``."""

    images: tf.Tensor  # uint8 [B, H, W, 6]
    flow: tf.Tensor
    valid: tf.Tensor
    uncertainty_weight: tf.Tensor


class GraphStep:
    """A step of a training: the networks' losses on one batch, summed, and one update.

    Weights and update are on the first of the devices; each gradient is computed where its forward part is.

    Attributes:
        loss: sum of the networks' losses.
        gradient_norm: of the sum, before it was bounded.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        config: TrainConfig,
        height: int,
        width: int,
        threads: int,
        devices: Devices,
    ) -> None:
        """Builds the graph.

        Args:
            weights: to begin with.
            config: the recipe.
            height: of the images, pixels.
            width: of the images, pixels.
            threads: of the CPU.
            devices: that share the work.
        """
        self._devices = devices
        with tf.Graph().as_default() as graph, place_on_first(devices):
            with tf.device(HOST):
                images = tf.placeholder(tf.uint8, [config.batch_size, height, width, IMAGE_CHANNELS])
                flow = tf.placeholder(tf.float32, [config.batch_size, height, width, 2])
                valid = tf.placeholder(tf.float32, [config.batch_size, height, width, 1])
                self._inputs = Inputs(images, flow, valid, tf.placeholder(tf.float32, []))
            self._rate = tf.placeholder(tf.float32, [])
            self._weights = create_variables(weights)
            losses = self._losses(self._inputs, self._weights)
            self._count = len(losses)
            self.loss = tf.add_n(losses)
            self._train, self.gradient_norm = minimise(self.loss, self._weights, self._rate, config)
            self._all: Dict[str, tf.Variable] = dict(self._weights)
            for variable in set(tf.global_variables()) - set(self._weights.values()):
                self._all["optimizer/" + variable.op.name] = variable
            initialise = tf.global_variables_initializer()
        self._session = open_session(graph, threads, devices)
        self._session.run(initialise)

    def _losses(self, inputs: Inputs, weights: Weights) -> List[tf.Tensor]:
        """Builds the networks that are trained at once, and gives the loss of each."""
        raise NotImplementedError

    def _feed(self) -> Dict[tf.Tensor, np.ndarray]:
        """What a step is fed beside the batch."""
        return {}

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        """Takes one step; the loss is the mean of the networks'."""
        feed = {
            self._inputs.images: batch.images,
            self._inputs.flow: batch.flow,
            self._inputs.valid: batch.valid,
            self._inputs.uncertainty_weight: uncertainty_weight,
            self._rate: rate,
            **self._feed(),
        }
        _, loss = self._session.run((self._train, self.loss), feed)
        return float(loss) / self._count

    def tensors(self) -> Dict[str, np.ndarray]:
        """Weights and optimizer state by name."""
        return dict(self._session.run(self._all))

    def weight_names(self) -> List[str]:
        """The weights among the tensors."""
        return list(self._weights)

    def state(self) -> Dict[str, Any]:
        """All else that the next step depends on: nothing, here."""
        return {}

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Goes back to saved tensors and a saved state."""
        load_variables(self._session, self._all, tensors)

    def write_epoch_files(self, folder: Path) -> None:
        """Leaves nothing beside the checkpoints, here."""
