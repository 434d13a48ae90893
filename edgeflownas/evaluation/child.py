"""The end-point error of one architecture with recalibrated batch normalisation, computed directly.

This evaluator scores retrained children, and is the reference that tests compare the supernet's tree evaluator with.
"""

import hashlib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import EvaluationConfig
from edgeflownas.data.enough import check_scoring_pairs
from edgeflownas.data.pipeline import Batch, read_batches
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import Statistics, combine_statistics
from edgeflownas.network.build import BatchNorm, FixedNorm, build_child, normalise_images
from edgeflownas.network.losses import endpoint_error_sums
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.tf_runtime.devices import Devices, place_on_first
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

NormTensors = Dict[str, Tuple[tf.Tensor, tf.Tensor]]  # mean and variance, by the BN's name
_HELD_BYTES = 1 << 30  # largest size of the validation images in memory; larger ones are read from disk each time


class _Streamed(Sequence[Batch]):
    """Batches that are read from disk each time, because they do not fit in memory."""

    def __init__(self, dataset: FlowDataset, indices: Sequence[int], batch_size: int, threads: int) -> None:
        """Describe the batches.

        Args:
            dataset: Data set with the samples.
            indices: Indices of the samples.
            batch_size: Number of samples in a batch.
            threads: Number of threads that read samples.
        """
        self._dataset, self._indices, self._batch_size, self._threads = dataset, indices, batch_size, threads

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(range(0, len(self._indices), self._batch_size))

    def __iter__(self) -> Iterator[Batch]:
        """Read all batches."""
        return read_batches(self._dataset, self._indices, self._batch_size, threads=self._threads)

    def __getitem__(self, place: Any) -> Any:
        """Read one batch."""
        chosen = self._indices[place * self._batch_size :][: self._batch_size]
        return next(read_batches(self._dataset, chosen, self._batch_size, threads=1))


class EvaluationData:
    """The fixed images with which architectures are scored.

    Attributes:
        calibration: Training images for BN statistics, in a fixed order.
    """

    def __init__(self, train: FlowDataset, val: FlowDataset, config: EvaluationConfig, threads: int) -> None:
        """Read the images for recalibration.

        Args:
            train: Training pairs.
            val: Validation pairs.
            config: Numbers of pairs, and sizes of batches.
            threads: Number of threads that read pairs.

        Raises:
            InputError: A pair cannot be used, or there are fewer pairs than the configuration asks for.
        """
        check_scoring_pairs(train, val, config)
        few = train.select(config.calibration_pairs)
        self.calibration: List[Batch] = list(read_batches(train, few, config.calibration_batch, threads=threads))
        self._streamed = _Streamed(val, val.select(config.val_pairs or len(val)), config.batch_size, threads)
        self._held: Optional[Sequence[Batch]] = None
        self._sums: Optional[Tuple[float, float]] = None
        self._sha256 = hashlib.sha256()

    @property
    def validation(self) -> Sequence[Batch]:
        """Images and flow of the validation pairs; kept in memory if they fit."""
        if self._held is None:
            first = self._streamed[0]
            size = sum(part.nbytes for part in first) * len(self._streamed)
            self._held = list(self._streamed) if size <= _HELD_BYTES else self._streamed
        return self._held

    @property
    def valid_pixels(self) -> float:
        """Number of pixels with known flow in all validation images; raises InputError if there are none."""
        pixels, _ = self._sum_flow()
        if not pixels:
            raise InputError("data: no flow of the validation pairs is known: there is nothing to score; use others")
        return pixels

    @property
    def has_known_flow(self) -> bool:
        """Whether the validation pairs have any known flow; without it, there is no EPE."""
        return self._sum_flow()[0] > 0

    @property
    def has_motion(self) -> bool:
        """Whether any known flow is not zero; without motion, no EPE can be compared with that of zero flow."""
        return self._sum_flow()[1] > 0

    def zero_flow_epe(self) -> float:
        """Return the EPE of predicting no motion, in pixels.

        Raises:
            InputError: The validation pairs contain no motion.
        """
        if not self.has_motion:
            raise InputError("data: the validation pairs contain no motion: there is nothing to score; use others")
        pixels, total = self._sum_flow()
        return total / pixels

    def digest(self) -> str:
        """Return the SHA-256 of all images and flow, which lets processes check that they use the same data."""
        self._sum_flow()
        digest = self._sha256.copy()
        for batch in self.calibration:
            _add_to_digest(digest, batch)
        return digest.hexdigest()

    def _sum_flow(self) -> Tuple[float, float]:
        """Return the number of valid pixels and the sum of their flow magnitudes."""
        if self._sums is None:
            pixels, total = 0.0, 0.0
            for batch in self.validation:
                pixels += batch.valid.sum(dtype=np.float64)
                total += (np.linalg.norm(batch.flow, axis=-1) * batch.valid[..., 0]).sum(dtype=np.float64)
                _add_to_digest(self._sha256, batch)
            self._sums = float(pixels), float(total)
        return self._sums


def _add_to_digest(digest: Any, batch: Batch) -> None:
    for part in batch:
        digest.update(np.ascontiguousarray(part))


def create_placeholders(statistics: NormTensors) -> NormTensors:
    """Create a placeholder for each mean and variance."""
    return {
        name: (tf.placeholder(tf.float32, mean.shape), tf.placeholder(tf.float32, variance.shape))
        for name, (mean, variance) in statistics.items()
    }


class ChildEvaluator:
    """Evaluator of one architecture with any weights."""

    def __init__(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        data: EvaluationData,
        threads: int,
        devices: Optional[Devices] = None,
    ) -> None:
        """Build the network for recalibration; that for inference is built when it is first needed.

        Args:
            skeleton: Definition of the network.
            architecture: One option per gene.
            data: Images to recalibrate and to score with.
            threads: Number of CPU threads.
            devices: Devices, of which only the first is used; if None, TensorFlow chooses.
        """
        self._skeleton, self._architecture = skeleton, architecture
        self._data, self._devices = data, devices
        height, width = data.calibration[0].images.shape[1:3]
        with tf.Graph().as_default() as self._graph, place_on_first(devices):
            self._images = tf.placeholder(tf.uint8, [None, height, width, 6])
            self._flow = tf.placeholder(tf.float32, [None, height, width, 2])
            self._valid = tf.placeholder(tf.float32, [None, height, width, 1])
            self._weights = {
                name: tf.placeholder(tf.float32, shape)
                for name, shape in skeleton.parameters(architecture).items()
            }
            self._normalised = normalise_images(self._images)
            norm = BatchNorm(self._weights)
            build_child(skeleton, architecture, self._normalised, norm)
            self._batch_statistics = norm.statistics
            self._statistics = create_placeholders(norm.statistics)
        self._inference: Optional[Tuple[tf.Tensor, tf.Tensor]] = None
        self._session = open_session(self._graph, threads, devices)

    @property
    def norms(self) -> List[str]:
        """Names of the architecture's BNs."""
        return list(self._statistics)

    def recalibrate(self, weights: Mapping[str, np.ndarray]) -> Statistics:
        """Return the BN statistics with these weights, which may contain more than the architecture uses."""
        feed = self._weight_feed(weights)
        results = []
        for batch in self._data.calibration:
            statistics = self._session.run(self._batch_statistics, {**feed, self._images: batch.images})
            results.append((len(batch.images), statistics))
        return combine_statistics(results)

    def epe(self, weights: Mapping[str, np.ndarray], statistics: Statistics) -> float:
        """Return the EPE over all valid pixels of all validation images, in pixels of the input."""
        feed, (_, errors) = self._inference_feed(weights, statistics), self._build_inference()
        total = 0.0
        for batch in self._data.validation:
            data = {self._images: batch.images, self._flow: batch.flow, self._valid: batch.valid}
            total += self._session.run(errors, {**feed, **data}).sum(dtype=np.float64)
        return float(total / self._data.valid_pixels)

    def predict(
        self, weights: Mapping[str, np.ndarray], statistics: Statistics, images: np.ndarray
    ) -> np.ndarray:
        """Predict flow and uncertainty [B, H, W, 4] of images, uint8 [B, H, W, 6]."""
        feed, (prediction, _) = self._inference_feed(weights, statistics), self._build_inference()
        return self._session.run(prediction, {**feed, self._images: images})

    def score(self, weights: Mapping[str, np.ndarray]) -> float:
        """Recalibrate and return the EPE."""
        return self.epe(weights, self.recalibrate(weights))

    def _build_inference(self) -> Tuple[tf.Tensor, tf.Tensor]:
        """Return the prediction, and the sums of its errors, of the network with fixed statistics."""
        if self._inference is None:
            with self._graph.as_default(), place_on_first(self._devices):
                fixed = FixedNorm(self._weights, self._statistics)
                prediction = build_child(self._skeleton, self._architecture, self._normalised, fixed)[-1]
                self._inference = prediction, endpoint_error_sums(prediction, self._flow, self._valid)
        return self._inference

    def _weight_feed(self, weights: Mapping[str, np.ndarray]) -> Dict[tf.Tensor, np.ndarray]:
        return {tensor: weights[name] for name, tensor in self._weights.items()}

    def _inference_feed(
        self, weights: Mapping[str, np.ndarray], statistics: Statistics
    ) -> Dict[tf.Tensor, np.ndarray]:
        feed = self._weight_feed(weights)
        for name, pair in self._statistics.items():
            feed.update(zip(pair, statistics[name]))
        return feed
