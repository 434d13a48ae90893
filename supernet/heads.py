"""All heads of a backbone: one graph of their convolutions, and the errors of all their combinations.

The *path* of a head consists of its stages that are not flow stages. The flow of an architecture is the sum of its flow
stages' outputs, each upsampled to full size, and the output of a flow stage depends only on the path before it. With
three options everywhere, the flows of all 243 heads therefore follow from 3 + 9 + 27 outputs, computed by 39
convolutions. All options of a flow stage read the same activation, so they are computed by one convolution, with
kernels padded to the same size, and for (u, v) only.
"""

import itertools
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.evaluation.child import NormTensors, create_placeholders
from edgeflownas.network.build import (
    CURRENT,
    Activations,
    BatchNorm,
    FixedNorm,
    LayerBuilder,
    Weights,
    apply_stage,
    follow_stage,
)
from edgeflownas.network.convolution import conv2d
from edgeflownas.network.operations import Method
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.upsampling import upsample
from edgeflownas.tf_runtime.stack import tf

Options = Tuple[int, ...]
FlowKey = Tuple[int, Options]

_TILE = 16384  # pixels whose errors are computed at once, so that the working set fits the second-level cache


class Heads:
    """The graph that follows the backbone, built into the default graph; each part is built when it is first needed.

    Attributes:
        inputs: Placeholders of the backbone's activations.
        paths: All combinations of options along the path, in order.
    """

    def __init__(self, skeleton: Skeleton, weights: Weights, stages: Sequence[Stage], inputs: Activations) -> None:
        """Define the graph.

        Args:
            skeleton: Definition of the network.
            weights: Weights of the supernet.
            stages: Stages of the head, from the first flow stage on.
            inputs: Placeholders of the backbone's activations.
        """
        self.inputs = inputs
        self._is_flow = [stage.is_flow for stage in stages]
        self._is_choice = [stage.is_gene for stage in stages]
        self._path = [stage for stage, flow in zip(stages, self._is_flow) if not flow]
        self._outputs = [stage for stage, flow in zip(stages, self._is_flow) if flow]
        self.paths: List[Options] = list(itertools.product(*(range(len(stage.options)) for stage in self._path)))
        self._skeleton, self._weights = skeleton, weights
        self._calibrated: Dict[Options, Tuple[Activations, NormTensors]] = {}
        self._normalised: Dict[Options, Tuple[Activations, NormTensors]] = {}
        self._flows: Dict[FlowKey, tf.Tensor] = {}

    def split(self, genes: Sequence[int]) -> Tuple[Options, Options]:
        """Split the options of a head's genes into those along the path and those of the flow stages."""
        route = iter(genes)
        options = [next(route) if choice else 0 for choice in self._is_choice]
        path = tuple(option for option, flow in zip(options, self._is_flow) if not flow)
        return path, tuple(option for option, flow in zip(options, self._is_flow) if flow)

    def prefixes(self, paths: Sequence[Options]) -> List[Options]:
        """Return all prefixes of paths, including the paths, in order."""
        return sorted({path[:depth] for path in paths for depth in range(1, len(path) + 1)})

    def flow_keys(self, path: Options) -> List[FlowKey]:
        """Return the keys in ``flows`` of the flow stages along a path."""
        depths = [self._is_flow[:i].count(False) for i, flow in enumerate(self._is_flow) if flow]
        return [(number, path[:depth]) for number, depth in enumerate(depths)]

    def batch_statistics(self, prefix: Options) -> NormTensors:
        """Return the statistics of the last stage of a path prefix in a batch.

        Every earlier stage is normalised by its own statistics in that batch.
        """
        return self._calibrate(prefix)[1]

    def statistics(self, prefix: Options) -> NormTensors:
        """Return the placeholders for these statistics, to be fed for ``flow``."""
        return self._normalise(prefix)[1]

    def flow(self, key: FlowKey) -> tf.Tensor:
        """Return the outputs (u, v) of all options of a flow stage at full size, [B, H, W, 2 x options].

        Args:
            key: Number of the flow stage, and the options of the path before it.
        """
        if key not in self._flows:
            number, prefix = key
            self._flows[key] = self._build_outputs(self._outputs[number], self._normalise(prefix)[0][CURRENT])
        return self._flows[key]

    def _calibrate(self, prefix: Options) -> Tuple[Activations, NormTensors]:
        """Return the activations after a prefix and the statistics of its last stage, both of the batch."""
        if not prefix:
            return self.inputs, {}
        if prefix not in self._calibrated:
            norm = BatchNorm(self._weights)
            self._calibrated[prefix] = self._apply_last(prefix, self._calibrate(prefix[:-1])[0], norm), norm.statistics
        return self._calibrated[prefix]

    def _normalise(self, prefix: Options) -> Tuple[Activations, NormTensors]:
        """Return the activations after a prefix, and the placeholders of the statistics of its last stage."""
        if not prefix:
            return self.inputs, {}
        if prefix not in self._normalised:
            statistics = create_placeholders(self.batch_statistics(prefix))
            norm = FixedNorm(self._weights, statistics)
            self._normalised[prefix] = self._apply_last(prefix, self._normalise(prefix[:-1])[0], norm), statistics
        return self._normalised[prefix]

    def _apply_last(self, prefix: Options, inputs: Activations, layer: LayerBuilder) -> Activations:
        """Return the activations after the last stage of a prefix."""
        stage = self._path[len(prefix) - 1]
        y = apply_stage(self._skeleton, stage, prefix[-1], inputs, layer)
        return follow_stage(self._skeleton, stage, inputs, y)

    def _build_outputs(self, stage: Stage, x: tf.Tensor) -> tf.Tensor:
        """Return (u, v) of all options of a flow stage, at full size."""
        kernels, biases = [], []
        convolutions = [self._skeleton.convolutions(stage, option)[0] for option in range(len(stage.options))]
        for convolution in convolutions:
            padding = (max(other.kernel for other in convolutions) - convolution.kernel) // 2
            kernel = self._weights[convolution.name + "/kernel"][..., :2]
            if convolution.method is Method.TRANSPOSED:  # with a stride of 1: a convolution with the rotated kernel
                kernel = tf.reverse(kernel, [0, 1])
            kernels.append(tf.pad(kernel, [[padding, padding], [padding, padding], [0, 0], [0, 0]]))
            biases.append(self._weights[convolution.name + "/bias"][:2])
        y = conv2d(x, tf.concat(kernels, 3), trained=False)
        rows = tf.reshape(y, [-1, y.shape[2].value * y.shape[3].value])  # adding a bias to so few channels is slow
        y = tf.reshape(rows + tf.tile(tf.concat(biases, 0), y.shape[2:3]), [-1, *y.shape[1:]])
        scale = self._skeleton.scale(stage)
        while scale > 1:
            y, scale = upsample(y), scale // 2
        return y


class Tile(NamedTuple):
    """A subset of the pixels of a batch.

    Attributes:
        pixels: Indices of the pixels, or a slice.
        flow: True flow of the pixels, [2, pixels].
    """

    pixels: Union[slice, np.ndarray]
    flow: np.ndarray

    def planes(self, maps: np.ndarray) -> np.ndarray:
        """Return the tile of maps of (u, v), [B, H, W, 2 x n], as [n, 2, pixels]; TensorFlow takes 10 times as long."""
        flat: np.ndarray = cv2.transpose(maps.reshape(-1, maps.shape[-1])[self.pixels])
        return flat.reshape(-1, 2, flat.shape[-1])


def split_into_tiles(batch: Batch) -> List[Tile]:
    """Split all pixels of a batch whose flow is known into tiles."""
    flow, valid = batch.flow.reshape(-1, 2), np.flatnonzero(batch.valid)
    all_valid = len(valid) == len(flow)
    split_into_tiles = []
    for begin in range(0, len(valid), _TILE):
        part = slice(begin, begin + _TILE)
        pixels = part if all_valid else valid[part]
        split_into_tiles.append(Tile(pixels, flow[pixels].T.copy()))
    return split_into_tiles


def sum_errors(earlier: Sequence[np.ndarray], last: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Sum the end-point errors of all combinations of the flow stages' outputs.

    Args:
        earlier: Outputs of each flow stage except the last, [options, 2, pixels].
        last: Outputs of the last flow stage, [2, pixels] each, possibly of several paths that share the earlier stages.
        target: True flow, [2, pixels].

    Returns:
        Sums, float64, with an axis of options for each flow stage.
    """
    errors = -target[None]
    for outputs in earlier:
        errors = (errors[:, None] + outputs).reshape(-1, *target.shape)
    sums = np.empty((len(errors), len(last)))
    # Reused buffers stay in the cache; allocating new memory would take longer than filling it.
    difference, magnitude = np.empty_like(target), np.empty((1, target.shape[1]), target.dtype)
    u, v = difference[:1], difference[1:]
    for error, row in zip(errors, sums):
        for option, output in enumerate(last):
            np.add(error, output, out=difference)
            row[option] = cv2.norm(cv2.magnitude(u, v, magnitude), cv2.NORM_L1)  # faster than a sum, and equal to it
    return sums.reshape([*map(len, earlier), len(last)])
