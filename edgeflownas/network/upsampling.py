"""Bilinear upsampling, and a convolution behind it without the upsampled map in between.

Upsampling is linear, so it can be moved into the kernel: a 7x7 convolution of the doubled map is a 5x5 convolution of
the map itself that gives 2 x 2 pixels at once, at half the multiplications. Near the border, where the doubled map ends
in a repeated pixel and zeros, each edge and corner has a kernel of its own, derived from the same definition.
"""

import functools
from typing import Callable, List, Sequence, Tuple

import numpy as np

from edgeflownas.network.convolution import conv2d, padded_conv2d
from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.stack import tf

Range = Tuple[int, int]  # of positions, from and to

_EDGE = 4  # input rows that the first (and the last) four output rows depend on, for kernels up to 7x7
_SMALL = 32 * 48  # on smaller maps, in pixels, the many operators cost more than is saved
_NARROW = 16  # up to so many output channels a 3x3 kernel gains, too: what it saves is the copy of the doubled map


def upsample(x: tf.Tensor) -> tf.Tensor:
    """Bilinear x2 as the NPU runs it: no aligned corners, no half-pixel centres.

    Args:
        x: [B, H, W, C], its height and width known.

    Returns:
        [B, 2 H, 2 W, C].
    """
    height, width = x.shape[1].value, x.shape[2].value
    return tf.image.resize_bilinear(x, [2 * height, 2 * width])


def upsample_conv2d(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """What ``conv2d(doubled(x), kernel)`` gives.

    Args:
        x: [B, H, W, I], its height and width known.
        kernel: [k, k, I, O], k odd.

    Returns:
        [B, 2 H, 2 W, O].
    """
    size = kernel.shape[0].value
    sides = x.shape[1].value, x.shape[2].value
    large = min(sides) >= 2 * _EDGE and sides[0] * sides[1] >= _SMALL
    gains = 3 < size <= 7 or size == 3 and kernel.shape[3].value <= _NARROW
    if not (large and gains) or is_on_gpu(x):
        return conv2d(upsample(x), kernel)
    rows, columns = (_regions(size, side) for side in sides)
    pieces = iter(_sliced(x, [row[:2] for row in rows], [column[:2] for column in columns]))
    parts = [
        tf.concat([_part(next(pieces), kernel, row_map, column_map) for *_, column_map in columns], 2)
        for *_, row_map in rows
    ]
    return tf.concat(parts, 1)


def _sliced(x: tf.Tensor, rows: Sequence[Range], columns: Sequence[Range]) -> List[tf.Tensor]:
    """The pieces of a map at three ranges of rows and of columns, row by row.

    The built-in gradient would fill and add nine whole maps, where all but the middle are narrow strips.
    """

    def joined(pieces: Sequence[tf.Tensor], ranges: Sequence[Range], axis: int) -> tf.Tensor:
        first, middle, last = pieces
        (_, head), (begin, end), (tail, _) = ranges

        def cut(piece: tf.Tensor, start: int, stop: int) -> tf.Tensor:
            return piece[:, start:stop] if axis == 1 else piece[:, :, start:stop]

        width = end - tail
        parts = [
            cut(first, 0, begin),
            cut(first, begin, head) + cut(middle, 0, head - begin),
            cut(middle, head - begin, tail - begin),
            cut(middle, tail - begin, end - begin) + cut(last, 0, width),
            cut(last, width, _EDGE),
        ]
        return tf.concat(parts, axis)

    @tf.custom_gradient
    def sliced(x: tf.Tensor) -> Tuple[List[tf.Tensor], Callable[..., tf.Tensor]]:
        def gradient(*upstream: tf.Tensor) -> tf.Tensor:
            bands = [joined(upstream[3 * i : 3 * i + 3], columns, 2) for i in range(3)]
            return joined(bands, rows, 1)

        return [x[:, begin:end, b:e] for begin, end in rows for b, e in columns], gradient

    return list(sliced(x))


def _part(x: tf.Tensor, kernel: tf.Tensor, row_map: np.ndarray, column_map: np.ndarray) -> tf.Tensor:
    """The output pixels of one region, a x b of which belong to each position of the p x q window."""
    (a, p, size), (b, q, _) = row_map.shape, column_map.shape
    height, width = x.shape[1].value - p + 1, x.shape[2].value - q + 1
    inputs, outputs = kernel.shape[2].value, kernel.shape[3].value
    by_tap = np.einsum("aps,bqt->pqabst", row_map, column_map).reshape(-1, size * size)
    window = tf.reshape(tf.matmul(by_tap, tf.reshape(kernel, [size * size, -1])), [p * q, a * b, inputs, outputs])
    window = tf.reshape(tf.transpose(window, [0, 2, 1, 3]), [p, q, inputs, a * b * outputs])
    if a == b == 2:
        return tf.depth_to_space(padded_conv2d(x, window, 0, 0), 2)
    # Along an edge there is one position across it: no convolution, so its rows or columns are channels.
    if height == 1:
        x = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, 1, width + q - 1, p * inputs])
        window = tf.reshape(tf.transpose(window, [1, 0, 2, 3]), [1, q, p * inputs, -1])
    if width == 1:
        x = tf.reshape(x, [-1, x.shape[1].value, 1, q * x.shape[3].value])
        window = tf.reshape(window, [window.shape[0].value, 1, q * window.shape[2].value, -1])
    y = padded_conv2d(x, window, 0, 0)
    pixels = tf.transpose(tf.reshape(y, [-1, height, width, a, b, outputs]), [0, 1, 3, 2, 4, 5])
    return tf.reshape(pixels, [-1, height * a, width * b, outputs])


def _regions(size: int, side: int) -> List[Tuple[int, int, np.ndarray]]:
    """The first, the middle and the last part of an axis of that length.

    Returns:
        Of each the input positions, from and to, and its map (see ``_maps``).
    """
    before, first, middle, last = _maps(size)
    begin = _EDGE // 2 - before
    end = side - _EDGE // 2 + middle.shape[1] - 1 - before
    return [(0, _EDGE, first), (begin, end, middle), (side - _EDGE, side, last)]


@functools.lru_cache(maxsize=None)
def _maps(size: int) -> Tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """How outputs depend on inputs along one axis, for a kernel of that size.

    Returns:
        How many inputs before its own position the middle part's window begins; and for the first, the middle and the
        last part [outputs, window, taps]: the weight of each input in each output, by the kernel's tap.
    """
    n, half = 4 * _EDGE, size // 2
    upsampled = np.zeros((2 * n + size, n), np.float32)  # with the zeros around it
    for i in range(n):
        upsampled[half + 2 * i, i] += 1
        upsampled[half + 2 * i + 1, i] += 0.5
        upsampled[half + 2 * i + 1, min(i + 1, n - 1)] += 0.5
    dense = np.stack([upsampled[tap : tap + 2 * n] for tap in range(size)], axis=-1)  # [2 n, n, taps]
    middle = dense[n : n + 2]  # the two outputs at position n / 2
    window = np.flatnonzero(middle.any(axis=(0, 2)))
    return n // 2 - window[0], dense[:_EDGE, :_EDGE], middle[:, window], dense[-_EDGE:, -_EDGE:]
