"""What the steps of supernet and child have in common: one graph that takes a batch to a loss and an update."""

from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np
import tensorflow.compat.v1 as tf

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch
from edgeflownas.losses import multiscale_loss
from edgeflownas.network import Weights, normalised_images, variables
from edgeflownas.optimizer import minimise
from edgeflownas.session import load_variables, session
from edgeflownas.skeleton import IMAGE_CHANNELS


class GraphStep:
    """A step of a training: the networks' losses on one batch, summed, and one update.

    Attributes:
        loss: sum of the networks' losses.
        gradient_norm: of the sum, before it was bounded.
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: TrainConfig, height: int, width: int, threads: int
    ) -> None:
        """Builds the graph.

        Args:
            weights: to begin with.
            config: the recipe.
            height: of the images, pixels.
            width: of the images, pixels.
            threads: of the CPU.
        """
        with tf.Graph().as_default() as graph:
            self._images = tf.placeholder(tf.uint8, [config.batch_size, height, width, IMAGE_CHANNELS])
            self._flow = tf.placeholder(tf.float32, [config.batch_size, height, width, 2])
            self._valid = tf.placeholder(tf.float32, [config.batch_size, height, width, 1])
            self._rate, self._uncertain = (tf.placeholder(tf.float32, []) for _ in range(2))
            self._weights = variables(weights)
            networks = self._networks(normalised_images(self._images), self._weights)
            losses = [multiscale_loss(flows, self._flow, self._valid, self._uncertain) for flows in networks]
            self._count = len(losses)
            self.loss = tf.add_n(losses)
            self._train, self.gradient_norm = minimise(self.loss, self._weights, self._rate, config)
            self._all: Dict[str, tf.Variable] = dict(self._weights)
            for variable in set(tf.global_variables()) - set(self._weights.values()):
                self._all["optimizer/" + variable.op.name] = variable
            initialise = tf.global_variables_initializer()
        self._session = session(graph, threads)
        self._session.run(initialise)

    def _networks(self, x: tf.Tensor, weights: Weights) -> List[List[tf.Tensor]]:
        """Builds the networks that are trained at once.

        Args:
            x: [B, H, W, 6] in [-1, 1].
            weights: by name.

        Returns:
            Of each network its predictions, coarse to fine, as ``network.child`` gives them.
        """
        raise NotImplementedError

    def _feed(self) -> Dict[tf.Tensor, np.ndarray]:
        """What a step is fed beside the batch."""
        return {}

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        """Takes one step; the loss is the mean of the networks'."""
        feed = {
            self._images: batch.images,
            self._flow: batch.flow,
            self._valid: batch.valid,
            self._rate: rate,
            self._uncertain: uncertainty_weight,
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

    def epoch_ended(self, folder: Path) -> None:
        """Leaves nothing beside the checkpoints, here."""
