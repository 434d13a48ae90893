"""The network in TensorFlow: the graph of a stage, and of an architecture as a sequence of stages.

Supernet, child, tree evaluator and exporter are all built from ``apply_stage``. They differ in where weights come from
and how a convolution is normalised; the *layer builder* that is passed in decides this.
"""

from typing import Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from typing_extensions import Protocol

from edgeflownas.network.convolution import conv2d
from edgeflownas.network.normalisation import batch_norm
from edgeflownas.network.skeleton import Convolution, Kind, Skeleton, Stage
from edgeflownas.network.upsampling import upsample, upsample_conv2d
from edgeflownas.tf_runtime.stack import tf

EPSILON = 1e-3  # added to the variance in batch normalisation
_LAST_OF_BLOCK = "/bn1/gamma"  # end of the name that Skeleton.convolutions gives to the last BN of a residual block
ACCUMULATION = "accumulation"  # name scope of the operators that accumulate the flow; the others are the stages' names

Weights = Mapping[str, tf.Tensor]
Convolve = Callable[[Convolution, tf.Tensor, tf.Tensor], tf.Tensor]  # of an input with a kernel


def convolve_fast(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve with the operators that run fast on a CPU."""
    return upsample_conv2d(x, kernel) if convolution.upsamples else conv2d(x, kernel, convolution.stride)


def convolve_plain(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve with TensorFlow's plain operators, one for each computation."""
    return tf.nn.conv2d(upsample(x) if convolution.upsamples else x, kernel, convolution.stride, "SAME")


class LayerBuilder(Protocol):
    """Builds a convolution together with the BN or bias that follows it."""

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Map [B, h, w, I] to [B, h / stride, w / stride, O], or to [B, 2 h, 2 w, O] if it upsamples."""


class BatchNorm:
    """Layer builder that normalises by the batch's own statistics and records them.

    Attributes:
        statistics: Mean and (biased) variance, [C] each, of every BN built so far, by name and in order.
    """

    def __init__(self, weights: Weights, convolve: Convolve = convolve_fast) -> None:
        self._weights = weights
        self._convolve = convolve
        self.statistics: Dict[str, Tuple[tf.Tensor, tf.Tensor]] = {}

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Convolve, then normalise or add the bias."""
        y = self._convolve(convolution, x, self._weights[convolution.name + "/kernel"])
        if convolution.norm is None:
            return tf.nn.bias_add(y, self._weights[convolution.name + "/bias"])
        gamma, beta = self._weights[convolution.norm + "/gamma"], self._weights[convolution.norm + "/beta"]
        y, mean, variance = batch_norm(y, gamma, beta, EPSILON)
        self.statistics[convolution.norm] = (mean, variance)
        return y


class FixedNorm:
    """Layer builder that normalises by given statistics: mean and variance, [C] each, by the BN's name.

    Such a BN multiplies each channel by a factor, which is folded into the kernel, and adds a bias.
    """

    def __init__(
        self,
        weights: Weights,
        statistics: Mapping[str, Tuple[tf.Tensor, tf.Tensor]],
        convolve: Convolve = convolve_fast,
    ) -> None:
        self._weights = weights
        self._convolve = convolve
        self._statistics = statistics

    def fold(self, convolution: Convolution) -> Tuple[tf.Tensor, tf.Tensor]:
        """Return kernel and bias of the one convolution that equals the convolution and its BN."""
        kernel = self._weights[convolution.name + "/kernel"]
        if convolution.norm is None:
            return kernel, self._weights[convolution.name + "/bias"]
        mean, variance = self._statistics[convolution.norm]
        scale = self._weights[convolution.norm + "/gamma"] * tf.math.rsqrt(variance + EPSILON)
        return kernel * scale, self._weights[convolution.norm + "/beta"] - mean * scale

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Convolve with the folded kernel and bias."""
        kernel, bias = self.fold(convolution)
        return tf.nn.bias_add(self._convolve(convolution, x, kernel), bias)


def normalise_images(pair: tf.Tensor) -> tf.Tensor:
    """Map two stacked RGB frames, uint8 [B, H, W, 6], to [-1, 1]."""
    return tf.cast(pair, tf.float32) * (1 / 127.5) - 1.0


def apply_stage(skeleton: Skeleton, stage: Stage, option: int, x: tf.Tensor, layer: LayerBuilder) -> tf.Tensor:
    """Build one option of a stage.

    Args:
        skeleton: Definition of the network.
        stage: Stage of the skeleton.
        option: Index into the stage's options.
        x: Activation [B, h, w, C] of known height and width.
        layer: Builder of the convolutions.

    Returns:
        The next activation or, for a flow stage, its output [B, h, w, 4].
    """
    convolutions = skeleton.convolutions(stage, option)
    if stage.kind is Kind.RESIDUAL:
        for first, second in zip(convolutions[::2], convolutions[1::2]):
            x = tf.nn.relu(layer(second, tf.nn.relu(layer(first, x))) + x)
        return x
    y = layer(convolutions[0], x)
    return y if stage.kind is Kind.FLOW else tf.nn.relu(y)


def accumulate_flow(flows: List[tf.Tensor], output: tf.Tensor) -> tf.Tensor:
    """Add a flow stage's output to the upsampled flow of the previous scale; all [B, h, w, 4]."""
    return upsample(flows[-1]) + output if flows else output


def build_child(skeleton: Skeleton, architecture: Sequence[int], x: tf.Tensor, layer: LayerBuilder) -> List[tf.Tensor]:
    """Build the network of one architecture, without the other options.

    Args:
        skeleton: Definition of the network.
        architecture: One option per gene.
        x: Images [B, H, W, 6] in [-1, 1], with sides that are multiples of ``skeleton.multiple``.
        layer: Builder of the convolutions.

    Returns:
        Accumulated flow and uncertainty at each scale, coarse to fine, [B, H/s, W/s, 4]; flow in pixels of the input.
    """
    flows: List[tf.Tensor] = []
    for stage, option in skeleton.route(architecture):
        with tf.name_scope(stage.name):  # Vela's report of the exported network shows it
            y = apply_stage(skeleton, stage, option, x, layer)
        if stage.kind is Kind.FLOW:
            with tf.name_scope(ACCUMULATION):
                flows.append(accumulate_flow(flows, y))
        else:
            x = y
    return flows


def create_variables(weights: Mapping[str, np.ndarray]) -> Dict[str, tf.Variable]:
    """Create a trainable variable for each array, under its name."""
    return {
        name: tf.get_variable(name, value.shape, initializer=tf.constant_initializer(value))
        for name, value in weights.items()
    }
