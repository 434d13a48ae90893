"""Export of an architecture as the int8 network for a board; it is quantised after training."""

from typing import Mapping, Optional, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.build import BatchNorm, FixedNorm, build_child, convolve_plain, normalise_images
from edgeflownas.network.operations import Method
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton
from edgeflownas.tf_runtime import lite
from edgeflownas.tf_runtime.stack import MODERN, tf


def export(
    skeleton: Skeleton,
    architecture: Sequence[int],
    weights: Mapping[str, np.ndarray],
    statistics: Optional[Statistics],
    images: np.ndarray,
    int8_io: bool,
) -> bytes:
    """Export an architecture as a quantised TFLite network.

    The names of the operators begin with those of their stages. The order in which Vela runs them depends on the order
    of the summands where ``network.build`` accumulates flow; with the summands swapped, the SRAM peak is the same with
    Vela 5.2 and higher with 3.8.

    Args:
        skeleton: Definition of the network.
        architecture: One option per gene.
        weights: Weights by the names of ``Skeleton.parameters``, at least those of this architecture.
        statistics: Mean and variance of each batch normalisation; if None, computed from the images.
        images: Representative images from which the ranges of activations are taken, uint8, shape [N, H, W, 6].
        int8_io: Whether input and output are int8; otherwise float32, which the CPU converts.

    Returns:
        The content of a TFLite file. Input: "images", shape [1, H, W, 6], in [-1, 1]. Output: "flow", shape
        [1, H, W, 4], flow and uncertainty in pixels. Values of type int8 use the scale and zero point stored in the
        file.

    Raises:
        FloatingPointError: A weight or statistic is not finite.
        InputError: This TensorFlow cannot quantise an operation of the architecture.
    """
    if not MODERN:
        _refuse_transposed(skeleton, architecture)
    for name in skeleton.parameters(architecture):
        _check_finite(name, weights[name])
    if statistics is None:
        statistics = _compute_statistics(skeleton, architecture, weights, images)
    for name, pair in statistics.items():
        _check_finite(name, np.stack(pair))
    height, width = images.shape[1:3]
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [1, height, width, IMAGE_CHANNELS], name="images")
        constants = {name: tf.constant(weights[name]) for name in skeleton.parameters(architecture)}
        flows = build_child(skeleton, architecture, x, FixedNorm(constants, statistics, convolve_plain))
        flow = tf.identity(flows[-1], name="flow")
        with tf.Session(graph=graph) as session:
            return quantise(session, x, [flow], images, int8_io)


def quantise(
    session: tf.Session, x: tf.Tensor, outputs: Sequence[tf.Tensor], images: np.ndarray, int8_io: bool
) -> bytes:
    """Return a part of a session's graph as a quantised TFLite network.

    Args:
        session: Session with the graph.
        x: Input, float32, shape [1, H, W, 6], in [-1, 1].
        outputs: Outputs, in the order in which the file lists them.
        images: Representative images from which the ranges of activations are taken, uint8, shape [N, H, W, 6].
        int8_io: Whether input and outputs are int8; otherwise float32.
    """
    with session.graph.as_default():
        pixels = tf.placeholder(tf.uint8, x.shape)
        normalised = normalise_images(pixels)
    samples = [[session.run(normalised, {pixels: image[None]})] for image in images]
    converter = tf.lite.TFLiteConverter.from_session(session, [x], list(outputs))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8 if int8_io else tf.float32
    return lite.convert(converter)


def _compute_statistics(
    skeleton: Skeleton, architecture: Sequence[int], weights: Mapping[str, np.ndarray], images: np.ndarray
) -> Statistics:
    """Return the statistics of an architecture's batch normalisations over all images as one batch."""
    with tf.Graph().as_default() as graph:
        constants = {name: tf.constant(weights[name]) for name in skeleton.parameters(architecture)}
        layer = BatchNorm(constants, convolve_plain)
        build_child(skeleton, architecture, normalise_images(tf.constant(images)), layer)
        with tf.Session(graph=graph) as session:
            statistics: Statistics = session.run(layer.statistics)
            return statistics


def _refuse_transposed(skeleton: Skeleton, architecture: Sequence[int]) -> None:
    for stage, option in skeleton.route(architecture):
        if any(convolution.method is Method.TRANSPOSED for convolution in skeleton.convolutions(stage, option)):
            raise InputError(
                f"stage {stage.name}: TensorFlow {tf.__version__} cannot quantise transposed convolutions; install "
                f"TensorFlow 2 with 'make env STACK=modern'"
            )


def _check_finite(name: str, value: np.ndarray) -> None:
    if not np.isfinite(value).all():
        raise FloatingPointError(f"{name} is not finite: the network cannot be exported")
