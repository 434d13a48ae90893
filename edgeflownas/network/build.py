"""The network in TensorFlow: the graph of a stage, and of an architecture as a sequence of stages.

Supernet, child, tree evaluator and exporter are all built from ``apply_stage``. They differ in where weights come from
and how a convolution is normalised; the *layer builder* that is passed in decides this.
"""

from typing import Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from typing_extensions import Protocol

from edgeflownas.network.convolution import conv2d, spread_taps, transposed_conv2d
from edgeflownas.network.normalisation import batch_norm
from edgeflownas.network.operations import (
    ChannelAttention,
    Conv,
    Convolution,
    Flow,
    Gate,
    Method,
    Operation,
    Residual,
    Transposed,
)
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.upsampling import upsample, upsample_conv2d
from edgeflownas.tf_runtime.stack import tf

EPSILON = 1e-3  # added to the variance in batch normalisation
ACCUMULATION = "accumulation"  # name scope of the operators that accumulate the flow; the others are the stages' names
CURRENT = ""  # key of the current activation among activations

Weights = Mapping[str, tf.Tensor]
Convolve = Callable[[Convolution, tf.Tensor, tf.Tensor], tf.Tensor]  # of an input with a kernel
# The input of a stage: the current activation [B, h, w, C] and, by the names of the earlier stages that control gates
# from here on, their pooled features [B, 1, 1, C].
Activations = Mapping[str, tf.Tensor]


def convolve_fast(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve with the operators that run fast on a CPU."""
    if convolution.method is Method.UPSAMPLED:
        return upsample_conv2d(x, kernel)
    if convolution.method is Method.TRANSPOSED and convolution.stride == 1:
        return conv2d(x, tf.reverse(kernel, [0, 1]))
    if convolution.method is Method.DIRECT and convolution.scale is not None:
        return conv2d(x, spread_taps(kernel, convolution.dilation), convolution.stride)
    return convolve_plain(convolution, x, kernel)


def convolve_plain(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve with TensorFlow's plain operators, one for each computation."""
    stride, dilation = convolution.stride, convolution.dilation
    if convolution.method is Method.TRANSPOSED:
        return transposed_conv2d(x, kernel, stride)
    if convolution.method is Method.DEPTHWISE:
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
    x = upsample(x) if convolution.method is Method.UPSAMPLED else x
    return tf.nn.conv2d(x, kernel, stride, "SAME", dilations=dilation)


class LayerBuilder(Protocol):
    """Builds a convolution together with the BN or bias that follows it."""

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Map [B, h, w, I] to [B, h / stride, w / stride, O], or to a larger map if it upsamples or is transposed."""


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
        per_channel = scale[:, None] if convolution.method is Method.DEPTHWISE else scale
        return kernel * per_channel, self._weights[convolution.norm + "/beta"] - mean * scale

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Convolve with the folded kernel and bias."""
        kernel, bias = self.fold(convolution)
        return tf.nn.bias_add(self._convolve(convolution, x, kernel), bias)


def normalise_images(pair: tf.Tensor) -> tf.Tensor:
    """Map two stacked RGB frames, uint8 [B, H, W, 6], to [-1, 1]."""
    return tf.cast(pair, tf.float32) * (1 / 127.5) - 1.0


def apply_stage(
    skeleton: Skeleton, stage: Stage, option: int, inputs: Activations, layer: LayerBuilder
) -> tf.Tensor:
    """Build one option of a stage.

    Args:
        skeleton: Definition of the network.
        stage: Stage of the skeleton.
        option: Index into the stage's options.
        inputs: Activations of known height and width.
        layer: Builder of the convolutions.

    Returns:
        The next activation or, for a flow stage, its output [B, h, w, 4].
    """
    x = inputs[CURRENT]
    for operation, convolutions in skeleton.layers(stage, option):
        x = _apply_operation(operation, convolutions, x, inputs, layer)
    return x


def _apply_operation(
    operation: Operation, convolutions: Sequence[Convolution], x: tf.Tensor, inputs: Activations, layer: LayerBuilder
) -> tf.Tensor:
    """Build an operation that follows others of its stage, whose result is x."""
    if isinstance(operation, Residual):
        for first, second in zip(convolutions[::2], convolutions[1::2]):
            x = tf.nn.relu(layer(second, tf.nn.relu(layer(first, x))) + x)
        return x
    if isinstance(operation, ChannelAttention):
        (convolution,), channels = convolutions, x.shape[3].value
        along = layer(convolution, tf.reshape(pool(x), [-1, channels, 1, 1]))
        return x * tf.sigmoid(tf.reshape(along, [-1, 1, 1, channels]))
    if isinstance(operation, Gate):
        return x * tf.sigmoid(layer(convolutions[0], inputs[operation.source]))
    is_linear = isinstance(operation, Flow) or isinstance(operation, (Conv, Transposed)) and operation.plain
    for convolution in convolutions:
        x = layer(convolution, x)
        x = x if is_linear else tf.nn.relu(x)
    return x


def pool(x: tf.Tensor) -> tf.Tensor:
    """Return the mean of each channel of a map [B, h, w, C] as [B, 1, 1, C]."""
    return tf.reduce_mean(x, [1, 2], keepdims=True)


def follow_stage(skeleton: Skeleton, stage: Stage, inputs: Activations, y: tf.Tensor) -> Dict[str, tf.Tensor]:
    """Return the input of the next stage.

    Args:
        skeleton: Definition of the network.
        stage: Stage that is not a flow stage.
        inputs: Input of the stage.
        y: Output of the stage.
    """
    pooled = {name: pool(y) if name == stage.name else inputs[name] for name in skeleton.kept_after(stage)}
    return {CURRENT: y, **pooled}


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
    inputs: Activations = {CURRENT: x}
    for stage, option in skeleton.route(architecture):
        with tf.name_scope(stage.name):  # Vela's report of the exported network shows it
            y = apply_stage(skeleton, stage, option, inputs, layer)
            inputs = inputs if stage.is_flow else follow_stage(skeleton, stage, inputs, y)
        if stage.is_flow:
            with tf.name_scope(ACCUMULATION):
                flows.append(accumulate_flow(flows, y))
    return flows


def create_variables(weights: Mapping[str, np.ndarray]) -> Dict[str, tf.Variable]:
    """Create a trainable variable for each array, under its name."""
    return {
        name: tf.get_variable(name, value.shape, initializer=tf.constant_initializer(value))
        for name, value in weights.items()
    }
