"""Flow prediction by a trained architecture, for images of any size."""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from edgeflownas.evaluation.predictor import pad_images
from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.build import FixedNorm, build_child, normalise_images
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

_MAX_GRAPHS = 8  # graphs kept, one for each image size: KITTI has 7 sizes


class FlowPredictor:
    """One architecture with its weights; images are padded to a valid size, and their flow is cropped."""

    def __init__(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        weights: Mapping[str, np.ndarray],
        statistics: Statistics,
        threads: int,
    ) -> None:
        """Store the weights. The graph for a size of images is built when it is first needed.

        Args:
            skeleton: Definition of the network.
            architecture: One option per gene.
            weights: Weights by name; may contain more than the architecture uses.
            statistics: BN statistics of the architecture.
            threads: Number of CPU threads.
        """
        self._skeleton, self._architecture, self._threads = skeleton, architecture, threads
        self._weights = {name: weights[name] for name in skeleton.parameters(architecture)}
        self._statistics = statistics
        self._graphs: Dict[Tuple[int, int], Tuple[tf.Session, tf.Tensor, tf.Tensor]] = {}

    def flow(self, images: np.ndarray) -> np.ndarray:
        """Predict the flow of a pair.

        Args:
            images: Two stacked RGB frames, uint8 [H, W, 6].

        Returns:
            Flow, float32 [H, W, 2], in pixels.
        """
        height, width = images.shape[:2]
        multiple = self._skeleton.multiple
        padded = pad_images(images, height + -height % multiple, width + -width % multiple)
        session, placeholder, prediction = self._graph(padded.shape[0], padded.shape[1])
        flow: np.ndarray = session.run(prediction, {placeholder: padded[None]})[0, :height, :width, :2]
        return flow

    def close(self) -> None:
        """Free the graphs."""
        for session, _, _ in self._graphs.values():
            session.close()
        self._graphs.clear()

    def _graph(self, height: int, width: int) -> Tuple[tf.Session, tf.Tensor, tf.Tensor]:
        """Return the network for images of this size; if there are too many networks, discard the oldest."""
        if (height, width) not in self._graphs:
            if len(self._graphs) >= _MAX_GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))[0].close()
            with tf.Graph().as_default() as graph:
                images = tf.placeholder(tf.uint8, [1, height, width, IMAGE_CHANNELS])
                norm = FixedNorm(
                    {name: tf.constant(value) for name, value in self._weights.items()},
                    {name: (tf.constant(pair[0]), tf.constant(pair[1])) for name, pair in self._statistics.items()},
                )
                prediction = build_child(self._skeleton, self._architecture, normalise_images(images), norm)[-1]
            self._graphs[height, width] = open_session(graph, self._threads), images, prediction
        return self._graphs[height, width]
