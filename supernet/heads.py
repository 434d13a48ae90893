"""All heads behind a backbone: one graph of their convolutions, and the errors of their combinations.

The flow of an architecture is the sum of its flow stages' outputs, each upsampled to full size, and a flow stage's
output depends on the options of the trunk before it alone. So with three options everywhere 3 + 9 + 27 outputs, which
39 convolutions give, make the flows of all 243 heads. All options of a flow stage read the same activation: they are
one convolution, its kernels padded to one size, of (u, v) only.
"""

import itertools
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.network.build import BatchNorm, FixedNorm, Weights, apply_stage
from edgeflownas.network.convolution import conv2d
from edgeflownas.network.skeleton import Kind, Skeleton, Stage
from edgeflownas.network.upsampling import upsample
from edgeflownas.tf_runtime.stack import tf

Options = Tuple[int, ...]
FlowKey = Tuple[int, Options]
NormTensors = Dict[str, Tuple[tf.Tensor, tf.Tensor]]  # mean and variance by the BN's name

_TILE = 16384  # pixels whose errors are taken at once: what is in work fits the second cache


class Heads:
    """The graph behind the backbone, built into the default graph. The *trunk* is what is not a flow stage.

    Attributes:
        x: the backbone's activation, [B, h, w, C].
        batch_statistics: by the options of the trunk so far, the statistics of the last of its stages in the batch x,
            every stage before it normalised by its own in that batch.
        statistics: the same, to be fed for ``flows``.
        trunks: all combinations of options at the trunk stages, in order.
        flows: by number of the flow stage and the options of the trunk before it, the outputs (u, v) of all options of
            that stage at full size, [B, H, W, 2 x options].
    """

    def __init__(self, skeleton: Skeleton, weights: Weights, stages: Sequence[Stage], x: tf.Tensor) -> None:
        """Builds the graph.

        Args:
            skeleton: the network's definition.
            weights: the supernet's.
            stages: of the head, from the first flow stage on.
            x: placeholder of the backbone's activation.
        """
        self.x = x
        self.batch_statistics: Dict[Options, NormTensors] = {}
        self.statistics: Dict[Options, NormTensors] = {}
        trunk = [range(len(stage.options)) for stage in stages if stage.kind is not Kind.FLOW]
        self.trunks: List[Options] = list(itertools.product(*trunk))
        self.flows: Dict[FlowKey, tf.Tensor] = {}
        self._is_flow = [stage.kind is Kind.FLOW for stage in stages]
        self._is_choice = [len(stage.options) > 1 for stage in stages]
        self._skeleton, self._weights = skeleton, weights
        self._calibrate([stage for stage in stages if stage.kind is not Kind.FLOW], x, ())
        self._infer(list(stages), x, (), 0)

    def split(self, genes: Sequence[int]) -> Tuple[Options, Options]:
        """The options of a head's genes at its trunk stages, and at its flow stages."""
        route = iter(genes)
        options = [next(route) if choice else 0 for choice in self._is_choice]
        trunk = tuple(option for option, flow in zip(options, self._is_flow) if not flow)
        return trunk, tuple(option for option, flow in zip(options, self._is_flow) if flow)

    def along(self, trunks: Sequence[Options]) -> List[Options]:
        """All that leads to trunks, from the first trunk stage of the head on, in order."""
        return sorted({trunk[:depth] for trunk in trunks for depth in range(1, len(trunk) + 1)})

    def flows_along(self, trunk: Options) -> List[FlowKey]:
        """The keys in ``flows`` of a trunk's flow stages."""
        depths = [self._is_flow[:i].count(False) for i, flow in enumerate(self._is_flow) if flow]
        return [(number, trunk[:depth]) for number, depth in enumerate(depths)]

    def _calibrate(self, stages: Sequence[Stage], x: tf.Tensor, options: Options) -> None:
        if not stages:
            return
        for option in range(len(stages[0].options)):
            norm = BatchNorm(self._weights)
            y = apply_stage(self._skeleton, stages[0], option, x, norm)
            self.batch_statistics[options + (option,)] = norm.statistics
            self._calibrate(stages[1:], y, options + (option,))

    def _infer(self, stages: Sequence[Stage], x: tf.Tensor, options: Options, flows: int) -> None:
        if not stages:
            return
        if stages[0].kind is Kind.FLOW:
            self.flows[flows, options] = self._outputs(stages[0], x)
            self._infer(stages[1:], x, options, flows + 1)
            return
        for option in range(len(stages[0].options)):
            after = options + (option,)
            self.statistics[after] = create_placeholders(self.batch_statistics[after])
            y = apply_stage(self._skeleton, stages[0], option, x, FixedNorm(self._weights, self.statistics[after]))
            self._infer(stages[1:], y, after, flows)

    def _outputs(self, stage: Stage, x: tf.Tensor) -> tf.Tensor:
        """(u, v) of all options of a flow stage, at full size."""
        kernels, biases = [], []
        for option in range(len(stage.options)):
            (convolution,) = self._skeleton.convolutions(stage, option)
            room = (max(stage.options) - convolution.kernel) // 2
            kernel = self._weights[convolution.name + "/kernel"][..., :2]
            kernels.append(tf.pad(kernel, [[room, room], [room, room], [0, 0], [0, 0]]))
            biases.append(self._weights[convolution.name + "/bias"][:2])
        y = conv2d(x, tf.concat(kernels, 3))
        rows = tf.reshape(y, [-1, y.shape[2].value * y.shape[3].value])  # so few channels are added to slowly
        y = tf.reshape(rows + tf.tile(tf.concat(biases, 0), y.shape[2:3]), [-1, *y.shape[1:]])
        scale = stage.scale
        while scale > 1:
            y, scale = upsample(y), scale // 2
        return y


def create_placeholders(statistics: NormTensors) -> NormTensors:
    """A placeholder for each mean and variance."""
    return {
        name: (tf.placeholder(tf.float32, mean.shape), tf.placeholder(tf.float32, variance.shape))
        for name, (mean, variance) in statistics.items()
    }


class Tile(NamedTuple):
    """Pixels of a batch, by their places or as a slice, and their true flow, [2, pixels]."""

    pixels: Union[slice, np.ndarray]
    flow: np.ndarray

    def planes(self, maps: np.ndarray) -> np.ndarray:
        """Its pixels of maps of (u, v), [B, H, W, 2 x n], as [n, 2, pixels]; TensorFlow takes ten times as long."""
        flat: np.ndarray = cv2.transpose(maps.reshape(-1, maps.shape[-1])[self.pixels])
        return flat.reshape(-1, 2, flat.shape[-1])


def split_into_tiles(batch: Batch) -> List[Tile]:
    """All pixels of a batch whose flow is known."""
    flow, places = batch.flow.reshape(-1, 2), np.flatnonzero(batch.valid)
    whole = len(places) == len(flow)
    found = []
    for begin in range(0, len(places), _TILE):
        part = slice(begin, begin + _TILE)
        pixels = part if whole else places[part]
        found.append(Tile(pixels, flow[pixels].T.copy()))
    return found


def sum_errors(earlier: Sequence[np.ndarray], last: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Sums the end-point errors of all combinations of the flow stages' outputs.

    Args:
        earlier: of each flow stage but the last its outputs, [options, 2, pixels].
        last: outputs of the last one, each [2, pixels]; of several trunks where the stages before are the same.
        target: true flow, [2, pixels].

    Returns:
        float64, with an axis of options for each flow stage.
    """
    error = -target[None]
    for each in earlier:
        error = (error[:, None] + each).reshape(-1, *target.shape)
    sums = np.empty((len(error), len(last)))
    # Memory that is written again is in the cache; new memory would take longer to get than to fill.
    left, length = np.empty_like(target), np.empty((1, target.shape[1]), target.dtype)
    u, v = left[:1], left[1:]
    for before, row in zip(error, sums):
        for option, output in enumerate(last):
            np.add(before, output, out=left)
            row[option] = cv2.sumElems(cv2.magnitude(u, v, length))[0]
    return sums.reshape([*map(len, earlier), len(last)])
