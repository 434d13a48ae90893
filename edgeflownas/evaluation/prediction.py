"""Flow of images of any size by one trained architecture."""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.build import FixedNorm, build_child, normalise_images
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

_SIZES = 8  # of images, for which a graph is kept: KITTI has 7


class FlowPredictor:
    """One architecture with its weights; images are padded for it, and its flow is cropped behind it."""

    def __init__(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        weights: Mapping[str, np.ndarray],
        statistics: Statistics,
        threads: int,
    ) -> None:
        """Takes weights, which may hold more than the architecture uses, and BN statistics."""
        self._skeleton, self._architecture, self._threads = skeleton, architecture, threads
        self._weights = {name: weights[name] for name in skeleton.parameters(architecture)}
        self._bn = statistics
        self._graphs: Dict[Tuple[int, int], Tuple[tf.Session, tf.Tensor, tf.Tensor]] = {}

    def flow(self, images: np.ndarray) -> np.ndarray:
        """Predicts.

        Args:
            images: uint8 [H, W, 6], two RGB frames stacked.

        Returns:
            float32 [H, W, 2], pixels.
        """
        height, width = images.shape[:2]
        multiple = self._skeleton.multiple
        grown = np.pad(images, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
        running, fed, prediction = self._graph(grown.shape[0], grown.shape[1])
        found: np.ndarray = running.run(prediction, {fed: grown[None]})[0, :height, :width, :2]
        return found

    def close(self) -> None:
        """Frees the graphs."""
        for running, _, _ in self._graphs.values():
            running.close()
        self._graphs.clear()

    def _graph(self, height: int, width: int) -> Tuple[tf.Session, tf.Tensor, tf.Tensor]:
        """The network for images of a size; the oldest is given up when there are too many."""
        if (height, width) not in self._graphs:
            if len(self._graphs) >= _SIZES:
                self._graphs.pop(next(iter(self._graphs)))[0].close()
            with tf.Graph().as_default() as graph:
                images = tf.placeholder(tf.uint8, [1, height, width, IMAGE_CHANNELS])
                norm = FixedNorm(
                    {name: tf.constant(value) for name, value in self._weights.items()},
                    {name: (tf.constant(mean), tf.constant(var)) for name, (mean, var) in self._bn.items()},
                )
                prediction = build_child(self._skeleton, self._architecture, normalise_images(images), norm)[-1]
            self._graphs[height, width] = open_session(graph, self._threads), images, prediction
        return self._graphs[height, width]
