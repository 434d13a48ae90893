"""Convolution that runs fast on a CPU, forward and backward.

TensorFlow 1.15's CPU kernels are slow in three cases. In all of them, writing the same sums differently helps:

* The gradients of a convolution are convolutions themselves, but their kernels are up to five times slower than the
  forward kernel. Both are therefore written as forward convolutions.
* This is impossible with a stride. On large maps, 2 x 2 pixels are therefore packed into channels, which turns a stride
  of 2 into a stride of 1.
* With few output channels, the forward kernel spends its time copying patches, not multiplying. Packing 2 x 2 pixels
  helps here as well: a quarter of the positions, each with four times the channels, at a third of the copies.

On a GPU, and where ``tf_runtime.kernels`` says that it is faster, the built-in convolution is used.
"""

from typing import Any, Callable, Sequence, Tuple

from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.gradients import attach_gradient
from edgeflownas.tf_runtime.kernels import FAST
from edgeflownas.tf_runtime.stack import tf

_SMALL = 16 * 24  # on maps with fewer pixels packing is slower
_STRIDED = 4  # with a stride, only larger kernels are packed: smaller ones grow too much by packing


def conv2d(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1, trained: bool = True) -> tf.Tensor:
    """Convolve with "SAME" padding.

    Args:
        x: Map [B, H, W, I] of known height and width.
        kernel: Kernel [k, k, I, O], k odd.
        stride: Stride along both axes.
        trained: Whether gradients will be computed; if so, different kernels may be faster.

    Returns:
        Map [B, H / stride, W / stride, O].
    """
    height, width = x.shape[1].value, x.shape[2].value
    size, outputs = kernel.shape[0].value, kernel.shape[3].value
    can_pack = height * width >= _SMALL and height % 2 == width % 2 == 0
    if size == 1 or is_on_gpu(x):
        return tf.nn.conv2d(x, kernel, stride, "SAME")
    if stride == 2 and size > _STRIDED and can_pack and FAST.packs_strides:
        return _convolve_packed(x, kernel, (size - 2) // 2, 1)
    if stride > 1:
        return tf.nn.conv2d(x, kernel, stride, "SAME")
    if outputs <= (FAST.packed_outputs if trained else FAST.packed_scoring) and can_pack:
        return tf.depth_to_space(_convolve_packed(x, kernel, size // 2, 2), 2)
    return padded_conv2d(x, kernel, size // 2, size // 2)


def spread_taps(kernel: tf.Tensor, distance: int) -> tf.Tensor:
    """Return the kernel [d (k - 1) + 1, d (k - 1) + 1, I, O] of the same convolution without dilation.

    TensorFlow 1.15 has no gradients of dilated convolutions on a CPU.

    Args:
        kernel: Kernel [k, k, I, O].
        distance: Distance d between its taps.
    """
    if distance == 1:
        return kernel
    size, _, inputs, outputs = kernel.shape.as_list()
    spread = tf.reshape(kernel, [size, 1, size, 1, inputs, outputs])
    spread = tf.pad(spread, [[0, 0], [0, distance - 1], [0, 0], [0, distance - 1], [0, 0], [0, 0]])
    side = distance * (size - 1) + 1
    return tf.reshape(spread, [size * distance, size * distance, inputs, outputs])[:side, :side]


def transposed_conv2d(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Convolve with a transposed kernel and "SAME" padding.

    Args:
        x: Map [B, H, W, I] of known height and width.
        kernel: Kernel [k, k, I, O].
        stride: Stride along both axes.

    Returns:
        Map [B, H * stride, W * stride, O].
    """
    batch, height, width, _ = x.shape.as_list()
    shape = [tf.shape(x)[0] if batch is None else batch, height * stride, width * stride, kernel.shape[3].value]
    y = tf.nn.conv2d_transpose(x, tf.transpose(kernel, [0, 1, 3, 2]), shape, stride, "SAME")
    y.set_shape([batch, *shape[1:]])
    return y


def _convolve_packed(x: tf.Tensor, kernel: tf.Tensor, before: int, positions: int) -> tf.Tensor:
    """Convolve blocks of 2 x 2 pixels.

    The output at pixel 2i + a reads the k inputs from 2i + a - before onwards. One window of whole blocks that begins
    at 2i - before covers both a = 0 and a = 1, with the kernel shifted and zero-padded. If ``before`` is odd, a pixel
    is added before the map, or before the kernel where that needs no further block.

    Args:
        x: Map [B, 2h, 2w, I].
        kernel: Kernel [k, k, I, O].
        before: Number of zeros before the first pixel.
        positions: 1 for outputs with a = 0 only, which is a stride of 2; 2 for all outputs, as channels of a block.

    Returns:
        Map [B, h, w, positions * positions * O].
    """
    size, inputs, outputs = (kernel.shape[axis].value for axis in (0, 2, 3))
    kernel_shift, map_shift = before % 2, 0
    if kernel_shift and positions == 2:
        before, kernel_shift, map_shift = before - 1, 0, 1

    def pack(x: tf.Tensor) -> tf.Tensor:
        return tf.space_to_depth(_pad_with_zeros(x, 1, 1) if map_shift else x, 2)

    blocks = (kernel_shift + size + positions) // 2
    shifted = []
    for a in range(positions):
        for b in range(positions):
            rows, columns = ((kernel_shift + i, 2 * blocks - kernel_shift - i - size) for i in (a, b))
            shifted.append(tf.pad(kernel, [rows, columns, [0, 0], [0, 0]]))
    split = tf.reshape(tf.stack(shifted, axis=3), [blocks, 2, blocks, 2, inputs, positions * positions * outputs])
    window = tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [blocks, blocks, 4 * inputs, -1])
    zeros = (before + kernel_shift) // 2
    return padded_conv2d(x, window, zeros, blocks - 1 - zeros - map_shift, pack)


def padded_conv2d(
    x: tf.Tensor,
    kernel: tf.Tensor,
    before: int,
    after: int,
    rearrange: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """Convolve with zero padding; where that is faster, both gradients are computed as forward convolutions.

    Args:
        x: Map that has the shape [B, H, W, I] after rearrangement.
        kernel: Kernel [p, q, I, O].
        before: Number of zeros before the first row and the first column.
        after: Number of zeros after the last row and the last column.
        rearrange: Function that rearranges the pixels of x. It runs again for the gradient, because a copy would take
            memory.

    Returns:
        Map [B, H + before + after - p + 1, W + before + after - q + 1, O].
    """
    sides = kernel.shape[:2].as_list()
    padding = _name_padding(sides, (before, after), (before, after))
    if not FAST.convolves_gradients:
        return tf.nn.conv2d(rearrange(x), kernel, 1, padding)

    def gradient(upstream: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        rows, columns = ((side - 1 - before, side - 1 - after) for side in sides)
        rotated = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
        by_rearranged = tf.nn.conv2d(upstream, rotated, 1, _name_padding(sides, rows, columns))
        # Batch and channels are swapped, so that each position sums over all images. The convolution's own padding is
        # slow with so few channels.
        with tf.control_dependencies([upstream]):  # otherwise it would run as soon as x is known, and take memory
            rearranged = rearrange(tf.identity(x))
            swapped = tf.transpose(_pad_with_zeros(rearranged, before, after), [3, 1, 2, 0])
        by_kernel = tf.nn.conv2d(swapped, tf.transpose(upstream, [1, 2, 0, 3]), 1, "VALID")
        (by_input,) = tf.gradients(rearranged, x, by_rearranged)
        return by_input, tf.transpose(by_kernel, [1, 2, 0, 3])

    (y,) = attach_gradient([tf.nn.conv2d(rearrange(x), kernel, 1, padding)], [x, kernel], gradient)
    return y


def _name_padding(sides: Sequence[int], rows: Tuple[int, int], columns: Tuple[int, int]) -> Any:
    """Return TensorFlow's name for a padding, or the padding itself if it has none; oneDNN is slow without a name."""
    if all(padding == ((side - 1) // 2, side // 2) for side, padding in zip(sides, (rows, columns))):
        return "SAME"
    return "VALID" if rows == columns == (0, 0) else [(0, 0), rows, columns, (0, 0)]


def _pad_with_zeros(x: tf.Tensor, before: int, after: int) -> tf.Tensor:
    """Surround a map with zeros; ``tf.pad`` takes ten times as long if there are few channels."""
    for axis in (1, 2):
        shape = [tf.shape(x)[0], *x.shape.as_list()[1:]]
        zeros = [tf.fill(shape[:axis] + [width] + shape[axis + 1 :], 0.0) for width in (before, after)]
        x = tf.concat([zeros[0], x, zeros[1]], axis)
    return x
