"""Convolution that runs fast on a CPU, forward and backward.

TensorFlow 1.15's CPU kernels are slow in three places, and all are mended by another way to write the same sums:

* The gradients of a convolution are convolutions themselves, but the kernels for them are up to five times slower than
  the forward kernel. So both are written as forward convolutions.
* With a stride there is no such way. So with many positions 2 x 2 pixels are packed into channels: then there is none.
* With few output channels the forward kernel spends its time copying patches, not multiplying. So 2 x 2 pixels are
  packed, too: a quarter of the positions, each with four times the channels, at a third of the copies.

On a GPU the built-in convolution stays.
"""

from typing import Callable, Tuple

from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.stack import tf

_NARROW = 8  # up to so many output channels packing was measured to win
_SMALL = 16 * 24  # on smaller maps, in pixels, it does not
_STRIDED = 4  # kernels with a stride, larger than that: the others grow too much when they are packed


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
    packs = height * width >= _SMALL and height % 2 == width % 2 == 0
    if size == 1 or is_on_gpu(x):
        return tf.nn.conv2d(x, kernel, stride, "SAME")
    if stride == 2 and size > _STRIDED and packs:
        return _packed(x, kernel, (size - 2) // 2, 1)
    if stride > 1:
        return tf.nn.conv2d(x, kernel, stride, "SAME")
    if outputs <= _NARROW and packs:
        return tf.depth_to_space(_packed(x, kernel, size // 2, 2), 2)
    return padded_conv2d(x, kernel, size // 2, size // 2)


def _packed(x: tf.Tensor, kernel: tf.Tensor, before: int, positions: int) -> tf.Tensor:
    """Convolves blocks of 2 x 2 pixels.

    The output at pixel 2i + a reads k inputs from 2i + a - before on. A window of whole blocks that begins at
    2i - before serves a = 0 and 1, with the kernel moved and zeros around it. If before is odd, a pixel is put in front
    of the map, or of the kernel where that does not take another block.

    Args:
        x: [B, 2h, 2w, I].
        kernel: [k, k, I, O].
        before: zeros before the first pixel.
        positions: 1: outputs with a = 0 alone, which is a stride of 2; 2: all, as channels of a block.

    Returns:
        [B, h, w, positions * positions * O].
    """
    size, inputs, outputs = (kernel.shape[axis].value for axis in (0, 2, 3))
    early, framed = before % 2, 0
    if early and positions == 2:
        before, early, framed = before - 1, 0, 1

    def blocks_of(x: tf.Tensor) -> tf.Tensor:
        return tf.space_to_depth(_framed(x, 1, 1) if framed else x, 2)

    blocks = (early + size + positions) // 2
    moved = []
    for a in range(positions):
        for b in range(positions):
            rows, columns = ((early + move, 2 * blocks - early - move - size) for move in (a, b))
            moved.append(tf.pad(kernel, [rows, columns, [0, 0], [0, 0]]))
    split = tf.reshape(tf.stack(moved, axis=3), [blocks, 2, blocks, 2, inputs, positions * positions * outputs])
    window = tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [blocks, blocks, 4 * inputs, -1])
    zeros = (before + early) // 2
    return padded_conv2d(x, window, zeros, blocks - 1 - zeros - framed, blocks_of)


def padded_conv2d(
    x: tf.Tensor,
    kernel: tf.Tensor,
    before: int,
    after: int,
    arranged: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """Convolves with zeros around; both gradients are forward convolutions.

    Args:
        x: [B, H, W, I], once it is arranged.
        kernel: [p, q, I, O].
        before: zeros before the first row and the first column.
        after: zeros behind the last ones.
        arranged: moves the pixels of x first, and anew for the gradient, as to keep another copy takes memory.

    Returns:
        [B, H + before + after - p + 1, W + before + after - q + 1, O].
    """

    @tf.custom_gradient
    def convolved(
        x: tf.Tensor, kernel: tf.Tensor
    ) -> Tuple[tf.Tensor, Callable[[tf.Tensor], Tuple[tf.Tensor, tf.Tensor]]]:
        def gradients(upstream: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
            rows, columns = ((side - 1 - before, side - 1 - after) for side in kernel.shape[:2].as_list())
            rotated = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
            by_arranged = tf.nn.conv2d(upstream, rotated, 1, [(0, 0), rows, columns, (0, 0)])
            # Channels stand for the batch and the batch for channels, so that each position sums over all images. With
            # so few channels the kernel is slow at padding.
            with tf.control_dependencies([upstream]):  # or it would be done, and kept, when x is known
                again = arranged(tf.identity(x))
                swapped = tf.transpose(_framed(again, before, after), [3, 1, 2, 0])
            by_kernel = tf.nn.conv2d(swapped, tf.transpose(upstream, [1, 2, 0, 3]), 1, "VALID")
            (by_input,) = tf.gradients(again, x, by_arranged)
            return by_input, tf.transpose(by_kernel, [1, 2, 0, 3])

        return tf.nn.conv2d(arranged(x), kernel, 1, around), gradients

    around = [(0, 0), (before, after), (before, after), (0, 0)]
    return convolved(x, kernel)


def _framed(x: tf.Tensor, before: int, after: int) -> tf.Tensor:
    """A map with zeros around; ``tf.pad`` takes ten times as long where there are few channels."""
    for axis in (1, 2):
        shape = [tf.shape(x)[0], *x.shape.as_list()[1:]]
        zeros = [tf.fill(shape[:axis] + [width] + shape[axis + 1 :], 0.0) for width in (before, after)]
        x = tf.concat([zeros[0], x, zeros[1]], axis)
    return x
