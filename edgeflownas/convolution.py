"""Convolution that runs fast on a CPU, forward and backward.

TensorFlow 1.15's CPU kernels are slow in two places, and both are mended by another way to write the same sums:

* The gradients of a convolution are convolutions themselves, but the kernels for them are up to five times slower than
  the forward kernel. So both are written as forward convolutions.
* With few output channels the forward kernel spends its time copying patches, not multiplying. So 2 x 2 pixels are
  packed into channels: a quarter of the positions, each with four times the channels, at a third of the copies.

On a GPU the built-in convolution stays.
"""

from typing import Callable, Tuple

import tensorflow.compat.v1 as tf

from edgeflownas.devices import on_gpu

_NARROW = 8  # up to so many output channels packing was measured to win
_SMALL = 16 * 24  # on smaller maps, in pixels, it does not


def conv2d(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """Convolves with "SAME" padding.

    Args:
        x: [B, H, W, I], its height and width known.
        kernel: [k, k, I, O], k odd.
        stride: of both axes.

    Returns:
        [B, H / stride, W / stride, O].
    """
    height, width = x.shape[1].value, x.shape[2].value
    size, outputs = kernel.shape[0].value, kernel.shape[3].value
    if stride > 1 or size == 1 or on_gpu(x):
        return tf.nn.conv2d(x, kernel, stride, "SAME")
    if outputs <= _NARROW and height * width >= _SMALL and height % 2 == width % 2 == 0:
        return _packed(x, kernel, size)
    return valid_conv2d(_padded(x, size // 2, size // 2), kernel)


def _packed(x: tf.Tensor, kernel: tf.Tensor, size: int) -> tf.Tensor:
    """The same convolution on blocks of 2 x 2 pixels.

    Output pixel 2i + a (a = 0, 1) reads the inputs 2i + a - h to 2i + a + h, with h = size // 2. So a window of whole
    blocks that begins at 2i - h serves both, with the kernel moved by a and zeros around it.
    """
    half, blocks = size // 2, size // 2 + 1
    room = 2 * blocks - size
    moved = [tf.pad(kernel, [[a, room - a], [b, room - b], [0, 0], [0, 0]]) for a in (0, 1) for b in (0, 1)]
    inputs, outputs = kernel.shape[2].value, kernel.shape[3].value
    split = tf.reshape(tf.stack(moved, axis=3), [blocks, 2, blocks, 2, inputs, 4 * outputs])
    window = tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [blocks, blocks, 4 * inputs, 4 * outputs])
    padded = _padded(x, half, 2 * blocks - half - 2)
    return tf.depth_to_space(valid_conv2d(tf.space_to_depth(padded, 2), window), 2)


def _padded(x: tf.Tensor, before: int, after: int) -> tf.Tensor:
    """Zeros around height and width."""
    return tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])


@tf.custom_gradient
def valid_conv2d(
    x: tf.Tensor, kernel: tf.Tensor
) -> Tuple[tf.Tensor, Callable[[tf.Tensor], Tuple[tf.Tensor, tf.Tensor]]]:
    """Convolves without padding; both gradients are forward convolutions.

    Args:
        x: [B, H, W, I].
        kernel: [p, q, I, O].

    Returns:
        [B, H - p + 1, W - q + 1, O].
    """

    def gradients(upstream: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        rows, columns = kernel.shape[0].value - 1, kernel.shape[1].value - 1
        rotated = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
        around = tf.pad(upstream, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
        by_input = tf.nn.conv2d(around, rotated, 1, "VALID")
        # Channels stand for the batch and the batch for channels, so that each position sums over all images.
        swapped = tf.nn.conv2d(tf.transpose(x, [3, 1, 2, 0]), tf.transpose(upstream, [1, 2, 0, 3]), 1, "VALID")
        return by_input, tf.transpose(swapped, [1, 2, 0, 3])

    return tf.nn.conv2d(x, kernel, 1, "VALID"), gradients
