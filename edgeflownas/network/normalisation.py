"""Batch normalisation that runs fast on a CPU where channels are few.

TensorFlow 1.15's kernels work along the channels, so with four or eight of them they spend their time on the loops'
ends. Here a row of pixels with all its channels is one long vector, against which the channels' factors are repeated.
"""

from typing import Callable, Tuple

from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.stack import tf

_NARROW = 8  # up to so many channels this was measured to win
_SMALL = 32 * 48  # on smaller maps, in pixels, it does not: it takes more operators


def batch_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalises by the batch's own statistics.

    Args:
        x: [B, H, W, C], its height, width and channels known.
        gamma: [C], scale.
        beta: [C], offset.
        epsilon: added to the variance.

    Returns:
        The normalised x, and the mean and the (biased) variance, [C] each, through which no gradient flows.
    """
    _, height, width, channels = x.shape.as_list()
    count = tf.cast(tf.shape(x)[0] * (height * width), tf.float32)
    if channels > _NARROW or height * width < _SMALL or is_on_gpu(x):
        y, mean, variance = tf.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)
        return y, tf.stop_gradient(mean), tf.stop_gradient(variance * ((count - 1.0) / count))  # the op's is unbiased

    def total(rows: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.reshape(tf.reduce_sum(rows, 0), [width, channels]), 0)

    def along(per_channel: tf.Tensor) -> tf.Tensor:
        return tf.tile(per_channel, [width])

    rows = tf.reshape(x, [-1, width * channels])
    mean = total(tf.stop_gradient(rows)) / count
    variance = total(tf.square(tf.stop_gradient(rows) - along(mean))) / count
    deviation = tf.sqrt(variance + epsilon)

    @tf.custom_gradient
    def normalise(
        rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> Tuple[tf.Tensor, Callable[[tf.Tensor], Tuple[tf.Tensor, tf.Tensor, tf.Tensor]]]:
        def gradients(upstream: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # Ioffe & Szegedy 2015, section 3, gathered by what multiplies the upstream, x and 1.
            by_beta = total(upstream)
            by_gamma = (total(upstream * rows) - mean * by_beta) / deviation
            slope = by_gamma / deviation / count
            by_rows = upstream - rows * along(slope) - along(by_beta / count - mean * slope)
            return by_rows * along(gamma / deviation), by_gamma, by_beta

        scale = gamma / deviation
        return rows * along(scale) + along(beta - mean * scale), gradients

    return tf.reshape(normalise(rows, gamma, beta), tf.shape(x)), mean, variance
