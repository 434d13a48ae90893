"""The end-point error of one architecture, with recalibrated batch normalisation: the plain way.

A supernet's tree evaluator is tested against this one; retrained children are scored by it.
"""

from typing import Dict, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from edgeflownas.config import EvaluationConfig
from edgeflownas.data.pipeline import Batch, batches
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.losses import endpoint_error_sums
from edgeflownas.network import BatchNorm, FixedNorm, child, normalised_images
from edgeflownas.recalibration import Statistics, averaged
from edgeflownas.session import session
from edgeflownas.skeleton import Skeleton


class EvaluationData:
    """The fixed images that architectures are scored with.

    Attributes:
        calibration: training images, in a fixed order, that BN statistics are taken from.
        validation: images and flow that the EPE is taken over.
    """

    def __init__(self, train: FlowDataset, val: FlowDataset, config: EvaluationConfig, threads: int) -> None:
        """Reads the images once.

        Raises:
            InputError: a pair cannot be used, or no validation pair knows of any motion.
        """
        count = min(config.calibration_pairs, len(train))
        self.calibration: List[Batch] = list(batches(train, range(count), config.calibration_batch, threads=threads))
        count = min(config.val_pairs or len(val), len(val))
        self.validation: List[Batch] = list(batches(val, range(count), config.batch_size, threads=threads))
        if not self.valid_pixels or not self.zero_flow_epe():
            raise InputError("data: the validation pairs know of no motion: there is nothing to score; name others")

    @property
    def valid_pixels(self) -> float:
        """Number of pixels with known flow, over all validation images."""
        return float(sum(batch.valid.sum(dtype=np.float64) for batch in self.validation))

    def zero_flow_epe(self) -> float:
        """EPE of predicting no motion, pixels."""
        total = 0.0
        for batch in self.validation:
            total += (np.linalg.norm(batch.flow, axis=-1) * batch.valid[..., 0]).sum(dtype=np.float64)
        return total / self.valid_pixels


class ChildEvaluator:
    """Scores one architecture under any weights."""

    def __init__(
        self, skeleton: Skeleton, architecture: Sequence[int], data: EvaluationData, threads: int
    ) -> None:
        """Builds the network once for recalibration and once for inference."""
        self._data = data
        height, width = data.validation[0].images.shape[1:3]
        with tf.Graph().as_default() as graph:
            self._images = tf.placeholder(tf.uint8, [None, height, width, 6])
            self._flow = tf.placeholder(tf.float32, [None, height, width, 2])
            self._valid = tf.placeholder(tf.float32, [None, height, width, 1])
            self._weights = {
                name: tf.placeholder(tf.float32, shape)
                for name, shape in skeleton.parameters(architecture).items()
            }
            x = normalised_images(self._images)
            norm = BatchNorm(self._weights)
            child(skeleton, architecture, x, norm)
            self._batch_statistics = norm.statistics
            self._statistics = {
                name: (tf.placeholder(tf.float32, mean.shape), tf.placeholder(tf.float32, variance.shape))
                for name, (mean, variance) in norm.statistics.items()
            }
            fixed = FixedNorm(self._weights, self._statistics)
            self._prediction = child(skeleton, architecture, x, fixed)[-1]
            self._errors = endpoint_error_sums(self._prediction, self._flow, self._valid)
        self._session = session(graph, threads)

    def recalibrate(self, weights: Mapping[str, np.ndarray]) -> Statistics:
        """BN statistics under the weights (which may hold more than this architecture uses)."""
        feed = self._weight_feed(weights)
        results = []
        for batch in self._data.calibration:
            found = self._session.run(self._batch_statistics, {**feed, self._images: batch.images})
            results.append((len(batch.images), found))
        return averaged(results)

    def epe(self, weights: Mapping[str, np.ndarray], statistics: Statistics) -> float:
        """EPE over all valid pixels of all validation images, in pixels of the input."""
        feed = self._inference_feed(weights, statistics)
        total = 0.0
        for batch in self._data.validation:
            data = {self._images: batch.images, self._flow: batch.flow, self._valid: batch.valid}
            total += self._session.run(self._errors, {**feed, **data}).sum(dtype=np.float64)
        return float(total / self._data.valid_pixels)

    def predict(
        self, weights: Mapping[str, np.ndarray], statistics: Statistics, images: np.ndarray
    ) -> np.ndarray:
        """Flow and uncertainty, [B, H, W, 4], of images, uint8 [B, H, W, 6]."""
        feed = self._inference_feed(weights, statistics)
        return self._session.run(self._prediction, {**feed, self._images: images})

    def score(self, weights: Mapping[str, np.ndarray]) -> float:
        """Recalibrates, and returns the EPE."""
        return self.epe(weights, self.recalibrate(weights))

    def _weight_feed(self, weights: Mapping[str, np.ndarray]) -> Dict[tf.Tensor, np.ndarray]:
        return {tensor: weights[name] for name, tensor in self._weights.items()}

    def _inference_feed(
        self, weights: Mapping[str, np.ndarray], statistics: Statistics
    ) -> Dict[tf.Tensor, np.ndarray]:
        feed = self._weight_feed(weights)
        for name, pair in self._statistics.items():
            feed.update(zip(pair, statistics[name]))
        return feed
