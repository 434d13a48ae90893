"""The network in TensorFlow: how a stage computes, and one architecture made of stages.

Supernet, child, tree evaluator and exporter are all built from ``apply_stage``. What differs between them, where
weights come from and how a convolution is normalised, is in the *layer* that is handed in.
"""

from typing import Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from typing_extensions import Protocol

from edgeflownas.network.convolution import conv2d
from edgeflownas.network.normalisation import batch_norm
from edgeflownas.network.skeleton import Convolution, Kind, Skeleton, Stage
from edgeflownas.network.upsampling import upsample, upsample_conv2d
from edgeflownas.tf_runtime.stack import tf

EPSILON = 1e-3  # of batch normalisation, added to the variance
_LAST_OF_BLOCK = "/bn1/gamma"  # as Skeleton.convolutions names it
ACCUMULATION = "accumulation"  # name of what adds up the flow outputs, beside the stages' names

Weights = Mapping[str, tf.Tensor]
Convolve = Callable[[Convolution, tf.Tensor, tf.Tensor], tf.Tensor]  # with an input and a kernel


def convolve_fast(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves in the ways that run fast on a CPU."""
    return upsample_conv2d(x, kernel) if convolution.upsamples else conv2d(x, kernel, convolution.stride)


def convolve_plain(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves with TensorFlow's operators, one for each thing that is done."""
    return tf.nn.conv2d(upsample(x) if convolution.upsamples else x, kernel, convolution.stride, "SAME")


class LayerBuilder(Protocol):
    """Computes a convolution with what stands behind it: its BN, or its bias."""

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Maps [B, h, w, I] to [B, h / stride, w / stride, O], or to twice the sides."""


class BatchNorm:
    """Layers normalised by the batch's own statistics, which it keeps by name.

    Attributes:
        statistics: mean and (biased) variance, [C] each, of every BN that was built, in order.
    """

    def __init__(self, weights: Weights, convolve: Convolve = convolve_fast) -> None:
        self._weights = weights
        self._convolve = convolve
        self.statistics: Dict[str, Tuple[tf.Tensor, tf.Tensor]] = {}

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Convolves and normalises, or adds the bias."""
        y = self._convolve(convolution, x, self._weights[convolution.name + "/kernel"])
        if convolution.norm is None:
            return tf.nn.bias_add(y, self._weights[convolution.name + "/bias"])
        gamma, beta = self._weights[convolution.norm + "/gamma"], self._weights[convolution.norm + "/beta"]
        y, mean, variance = batch_norm(y, gamma, beta, EPSILON)
        self.statistics[convolution.norm] = (mean, variance)
        return y


class FixedNorm:
    """Layers normalised by given statistics: mean and variance, [C] each, by the BN's name.

    What such a BN does to a channel is a factor and a summand: the factor goes into the kernel.
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
        """Kernel and bias of the convolution that computes convolution and BN at once."""
        kernel = self._weights[convolution.name + "/kernel"]
        if convolution.norm is None:
            return kernel, self._weights[convolution.name + "/bias"]
        mean, variance = self._statistics[convolution.norm]
        scale = self._weights[convolution.norm + "/gamma"] * tf.math.rsqrt(variance + EPSILON)
        return kernel * scale, self._weights[convolution.norm + "/beta"] - mean * scale

    def __call__(self, convolution: Convolution, x: tf.Tensor) -> tf.Tensor:
        """Convolves with the folded kernel and bias."""
        kernel, bias = self.fold(convolution)
        return tf.nn.bias_add(self._convolve(convolution, x, kernel), bias)


def normalise_images(pair: tf.Tensor) -> tf.Tensor:
    """Maps two stacked RGB frames, uint8 [B, H, W, 6], to [-1, 1]."""
    return tf.cast(pair, tf.float32) * (1 / 127.5) - 1.0


def apply_stage(skeleton: Skeleton, stage: Stage, option: int, x: tf.Tensor, layer: LayerBuilder) -> tf.Tensor:
    """Computes one option of a stage.

    Args:
        skeleton: the network's definition.
        stage: of the skeleton.
        option: index into the stage's options.
        x: [B, h, w, C] activation; height and width known.
        layer: computes a convolution.

    Returns:
        The next activation; of a flow stage its [B, h, w, 4] output.
    """
    convolutions = skeleton.convolutions(stage, option)
    if stage.kind is Kind.RESIDUAL:
        for first, second in zip(convolutions[::2], convolutions[1::2]):
            x = tf.nn.relu(layer(second, tf.nn.relu(layer(first, x))) + x)
        return x
    y = layer(convolutions[0], x)
    return y if stage.kind is Kind.FLOW else tf.nn.relu(y)


def accumulate_flow(flows: List[tf.Tensor], output: tf.Tensor) -> tf.Tensor:
    """Adds a flow stage's output to the flow so far, doubled; all [B, h, w, 4]."""
    return upsample(flows[-1]) + output if flows else output


def build_child(skeleton: Skeleton, architecture: Sequence[int], x: tf.Tensor, layer: LayerBuilder) -> List[tf.Tensor]:
    """One architecture, hard-routed.

    Args:
        skeleton: the network's definition.
        architecture: one option per gene.
        x: [B, H, W, 6] in [-1, 1], sides multiples of ``skeleton.multiple``.
        layer: computes a convolution.

    Returns:
        Accumulated flow and uncertainty at each scale, coarse to fine, [B, H/s, W/s, 4]; flow in pixels of the input.
    """
    flows: List[tf.Tensor] = []
    for stage, option in skeleton.route(architecture):
        with tf.name_scope(stage.name):  # reports of the exported network tell by it what belongs where
            y = apply_stage(skeleton, stage, option, x, layer)
        if stage.kind is Kind.FLOW:
            with tf.name_scope(ACCUMULATION):
                flows.append(accumulate_flow(flows, y))
        else:
            x = y
    return flows


def draw_initial_weights(
    parameters: Mapping[str, Tuple[int, ...]], rng: np.random.Generator
) -> Dict[str, np.ndarray]:
    """Draws initial weights: He-normal kernels (He et al. 2015), unit gamma, zero beta and bias."""
    weights = {}
    for name in sorted(parameters):
        shape = parameters[name]
        if name.endswith("/kernel"):
            deviation = np.sqrt(2.0 / np.prod(shape[:3]))
            weights[name] = (rng.standard_normal(shape) * deviation).astype(np.float32)
        else:
            weights[name] = np.full(shape, 1.0 if name.endswith("/gamma") else 0.0, np.float32)
    return weights


def zero_last_gammas(weights: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Initial weights with which each residual block begins as the identity: gamma 0 in its last BN.

    So a deep network begins to learn as early as a shallow one (Goyal et al. 2017, "Accurate, Large Minibatch SGD",
    section 5.1).
    """
    return {
        name: np.zeros_like(value) if name.endswith(_LAST_OF_BLOCK) else value
        for name, value in weights.items()
    }


def create_variables(weights: Mapping[str, np.ndarray]) -> Dict[str, tf.Variable]:
    """A trainable variable for each array, under its name."""
    return {
        name: tf.get_variable(name, value.shape, initializer=tf.constant_initializer(value))
        for name, value in weights.items()
    }
