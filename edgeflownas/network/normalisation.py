"""Batch normalisation that runs fast on a CPU for maps with few channels.

TensorFlow 1.15's kernels loop over the channels, so with four or eight channels, most of the time is spent on loop
overhead. Here a row of pixels with all its channels is one long vector, and the channels' factors are repeated along
it.
"""

from typing import Tuple

from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.gradients import attach_gradient
from edgeflownas.tf_runtime.kernels import FAST
from edgeflownas.tf_runtime.stack import tf

_SMALL = 32 * 48  # on maps with fewer pixels it is slower, as it takes more operators


def batch_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise by the batch's own statistics.

    Args:
        x: Map [B, H, W, C] of known height, width and channels.
        gamma: Scale, [C].
        beta: Offset, [C].
        epsilon: Constant added to the variance.

    Returns:
        The normalised x, and the mean and the (biased) variance, [C] each, through which no gradient flows.
    """
    _, height, width, channels = x.shape.as_list()
    count = tf.cast(tf.shape(x)[0] * (height * width), tf.float32)
    if channels > FAST.normalised_rows or height * width < _SMALL or is_on_gpu(x):
        y, mean, variance = tf.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)
        return y, tf.stop_gradient(mean), tf.stop_gradient(variance * ((count - 1.0) / count))  # it is unbiased

    def sum_per_channel(rows: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.reshape(tf.reduce_sum(rows, 0), [width, channels]), 0)

    def repeat(per_channel: tf.Tensor) -> tf.Tensor:
        return tf.tile(per_channel, [width])

    rows = tf.reshape(x, [-1, width * channels])
    mean = sum_per_channel(tf.stop_gradient(rows)) / count
    variance = sum_per_channel(tf.square(tf.stop_gradient(rows) - repeat(mean))) / count
    deviation = tf.sqrt(variance + epsilon)

    def gradient(upstream: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # Ioffe & Szegedy 2015, section 3, with the terms grouped by their factor: the upstream, x or 1.
        by_beta = sum_per_channel(upstream)
        by_gamma = (sum_per_channel(upstream * rows) - mean * by_beta) / deviation
        slope = by_gamma / deviation / count
        by_rows = upstream - rows * repeat(slope) - repeat(by_beta / count - mean * slope)
        return by_rows * repeat(gamma / deviation), by_gamma, by_beta

    scale = gamma / deviation
    normalised = rows * repeat(scale) + repeat(beta - mean * scale)
    (normalised,) = attach_gradient([normalised], [rows, gamma, beta], gradient)
    return tf.reshape(normalised, tf.shape(x)), mean, variance
