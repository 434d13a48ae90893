"""One architecture as the int8 network that is flashed: batch normalisation folded away, quantised after training."""

import importlib
from typing import List, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.build import BatchNorm, FixedNorm, child, normalised_images, plain
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton
from edgeflownas.tf_runtime.stack import tf


def export(
    skeleton: Skeleton,
    architecture: Sequence[int],
    weights: Mapping[str, np.ndarray],
    statistics: Optional[Statistics],
    images: np.ndarray,
    int8_io: bool,
) -> bytes:
    """Quantises an architecture.

    The operators' names begin with those of the stages. Vela takes their order from that of the summands in
    ``network.accumulated``; swapped, the peak of SRAM is the same with Vela 5.2, and higher with 3.8.

    Args:
        skeleton: the network's definition.
        architecture: one option per gene.
        weights: at least this architecture's, by the names of ``Skeleton.parameters``.
        statistics: mean and variance of its batch normalisations; None: those that the images give.
        images: representative ones, uint8 [N, H, W, 6], that activations' ranges are taken from.
        int8_io: take and give int8; otherwise float32, which the CPU converts.

    Returns:
        A TFLite file. Input: "images" [1, H, W, 6] in [-1, 1]; output: "flow" [1, H, W, 4], flow and uncertainty in
        pixels; as int8 with the scale and zero point that the file names.

    Raises:
        FloatingPointError: a weight or a statistic is not finite.
    """
    for name in skeleton.parameters(architecture):
        _check_finite(name, weights[name])
    if statistics is None:
        statistics = _statistics(skeleton, architecture, weights, images)
    for name, pair in statistics.items():
        _check_finite(name, np.stack(pair))
    height, width = images.shape[1:3]
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [1, height, width, IMAGE_CHANNELS], name="images")
        constants = {name: tf.constant(weights[name]) for name in skeleton.parameters(architecture)}
        flow = tf.identity(child(skeleton, architecture, x, FixedNorm(constants, statistics, plain))[-1], name="flow")
        pixels = tf.placeholder(tf.uint8, [1, height, width, IMAGE_CHANNELS])
        normalised = normalised_images(pixels)
        with tf.Session(graph=graph) as session:
            samples = [[session.run(normalised, {pixels: image[None]})] for image in images]
            converter = tf.lite.TFLiteConverter.from_session(session, [x], [flow])
            return _quantised(converter, samples, tf.int8 if int8_io else tf.float32)


def _statistics(
    skeleton: Skeleton, architecture: Sequence[int], weights: Mapping[str, np.ndarray], images: np.ndarray
) -> Statistics:
    """Of an architecture's batch normalisations, over all the images at once."""
    with tf.Graph().as_default() as graph:
        layer = BatchNorm({name: tf.constant(weights[name]) for name in skeleton.parameters(architecture)}, plain)
        child(skeleton, architecture, normalised_images(tf.constant(images)), layer)
        with tf.Session(graph=graph) as session:
            found: Statistics = session.run(layer.statistics)
            return found


def _check_finite(name: str, value: np.ndarray) -> None:
    if not np.isfinite(value).all():
        raise FloatingPointError(f"{name} is not finite: the network cannot be exported")


def _quantised(converter: tf.lite.TFLiteConverter, samples: Sequence[List[np.ndarray]], ends: tf.DType) -> bytes:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = ends
    # Converts in this process, by TensorFlow's own switch; a process of its own takes seconds to start.
    importlib.import_module("tensorflow.lite.python.convert")._toco_from_proto_bin = ""  # type: ignore[attr-defined]
    return bytes(converter.convert())
