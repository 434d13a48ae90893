"""Bilinear upsampling, and a convolution of the upsampled map that never stores that map.

Upsampling is linear, so it can be moved into the kernel: a 7x7 convolution of the upsampled map equals a 5x5
convolution of the map itself that gives 2 x 2 pixels at once, with half the multiplications. Near the border, where the
upsampled map ends in a repeated pixel and zeros, each edge and corner has its own kernel, derived from the same
definition. Along one axis, with ``xij`` the mean of ``xi`` and ``xj``::

    input      x0      x1      x2      x3      x4    ...    x(n-2)      x(n-1)
    upsampled  x0 x01  x1 x12  x2 x23  x3 x34  x4 x45  ...  x(n-2) x..  x(n-1) x(n-1)
    output     y0 y1   y2 y3   y4 y5   y6 y7   y8 y9   ...
               `-- first ---'  `----- middle, two phases per position -----' `- last (4) -'

    first   y0 to y3 depend on x0 to x3 alone: a dense map from 4 inputs to 4 outputs
    middle  y(2i) (phase 0) and y(2i+1) (phase 1) depend on the same window around xi: a convolution with two outputs
    last    the last four outputs depend on the last four inputs alone

In two dimensions the three regions of the rows and the three of the columns give nine pieces: the inner one with
2 x 2 phases, four edges with 4 x 2 or 2 x 4, and four corners with 4 x 4 output pixels per window.
"""

import functools
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

from edgeflownas.network.convolution import conv2d, padded_conv2d
from edgeflownas.tf_runtime.devices import is_on_gpu
from edgeflownas.tf_runtime.gradients import attach_gradient
from edgeflownas.tf_runtime.kernels import FAST
from edgeflownas.tf_runtime.stack import tf

_EDGE = 4  # inputs that the first (and the last) four outputs of an axis depend on, for kernels up to 7x7
_SMALL = 32 * 48  # on maps with fewer pixels, the additional operators cost more than they save


class _Region(NamedTuple):
    """A region of one axis.

    Attributes:
        begin: First input position that its outputs depend on.
        end: Position after the last such input.
        weights: Weight of each input in each output, by kernel tap: [phases, window, taps], with a number of outputs
            (phases) for each place of the window.
    """

    begin: int
    end: int
    weights: np.ndarray


def upsample(x: tf.Tensor) -> tf.Tensor:
    """Double height and width bilinearly as the NPU does, without aligned corners or half-pixel centres.

    Args:
        x: Map [B, H, W, C] of known height and width.

    Returns:
        Map [B, 2 H, 2 W, C].
    """
    height, width = x.shape[1].value, x.shape[2].value
    return tf.image.resize_bilinear(x, [2 * height, 2 * width])


def upsample_conv2d(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Compute ``conv2d(upsample(x), kernel)``.

    Args:
        x: Map [B, H, W, I] of known height and width.
        kernel: Kernel [k, k, I, O], k odd.

    Returns:
        Map [B, 2 H, 2 W, O].
    """
    taps = kernel.shape[0].value
    sides = x.shape[1].value, x.shape[2].value
    is_large = min(sides) >= 2 * _EDGE and sides[0] * sides[1] >= _SMALL
    gains = 3 < taps <= 7 or taps == 3 and kernel.shape[3].value <= FAST.merged_outputs
    if not (is_large and gains) or is_on_gpu(x):
        return conv2d(upsample(x), kernel)
    rows, columns = (_split_axis(taps, side) for side in sides)
    pieces = iter(_slice_map(x, rows, columns))
    bands = [
        tf.concat([_convolve_piece(next(pieces), kernel, row.weights, column.weights) for column in columns], 2)
        for row in rows
    ]
    return tf.concat(bands, 1)


def _slice_map(x: tf.Tensor, rows: Sequence[_Region], columns: Sequence[_Region]) -> List[tf.Tensor]:
    """Return the pieces of a map at three regions of rows and three of columns, row by row.

    The built-in gradient would fill and add nine whole maps, although all pieces but the middle one are narrow strips.
    """

    def join(pieces: Sequence[tf.Tensor], regions: Sequence[_Region], axis: int) -> tf.Tensor:
        """Add up the gradients of overlapping pieces along an axis."""
        first, middle, last = pieces
        first_end, (begin, end, _), last_begin = regions[0].end, regions[1], regions[2].begin

        def cut(piece: tf.Tensor, start: int, stop: int) -> tf.Tensor:
            return piece[:, start:stop] if axis == 1 else piece[:, :, start:stop]

        overlap = end - last_begin
        parts = [
            cut(first, 0, begin),
            cut(first, begin, first_end) + cut(middle, 0, first_end - begin),
            cut(middle, first_end - begin, last_begin - begin),
            cut(middle, last_begin - begin, end - begin) + cut(last, 0, overlap),
            cut(last, overlap, _EDGE),
        ]
        return tf.concat(parts, axis)

    def gradient(*upstream: tf.Tensor) -> List[tf.Tensor]:
        bands = [join(upstream[3 * i : 3 * i + 3], columns, 2) for i in range(3)]
        return [join(bands, rows, 1)]

    pieces = [x[:, row.begin : row.end, column.begin : column.end] for row in rows for column in columns]
    return attach_gradient(pieces, [x], gradient)


def _convolve_piece(
    x: tf.Tensor, kernel: tf.Tensor, row_weights: np.ndarray, column_weights: np.ndarray
) -> tf.Tensor:
    """Return the output pixels of one piece, with a block of row phases x column phases for each window position."""
    (row_phases, row_window, taps), (column_phases, column_window, _) = row_weights.shape, column_weights.shape
    height, width = x.shape[1].value - row_window + 1, x.shape[2].value - column_window + 1
    inputs, outputs = kernel.shape[2].value, kernel.shape[3].value
    positions, phases = row_window * column_window, row_phases * column_phases
    # The window's kernel: each of its positions gives each phase a weighted sum of the original kernel's taps.
    tap_weights = np.einsum("aps,bqt->pqabst", row_weights, column_weights).reshape(-1, taps * taps)
    window = tf.reshape(
        tf.matmul(tap_weights, tf.reshape(kernel, [taps * taps, -1])), [positions, phases, inputs, outputs]
    )
    window = tf.reshape(
        tf.transpose(window, [0, 2, 1, 3]), [row_window, column_window, inputs, phases * outputs]
    )
    if row_phases == column_phases == 2:
        return tf.depth_to_space(padded_conv2d(x, window, 0, 0), 2)
    # Across an edge there is only one position, hence no convolution: its rows or columns become channels.
    if height == 1:
        x = tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, 1, width + column_window - 1, row_window * inputs])
        window = tf.reshape(tf.transpose(window, [1, 0, 2, 3]), [1, column_window, row_window * inputs, -1])
    if width == 1:
        x = tf.reshape(x, [-1, x.shape[1].value, 1, column_window * x.shape[3].value])
        window = tf.reshape(window, [window.shape[0].value, 1, column_window * window.shape[2].value, -1])
    y = padded_conv2d(x, window, 0, 0)
    blocks = tf.reshape(y, [-1, height, width, row_phases, column_phases, outputs])
    pixels = tf.transpose(blocks, [0, 1, 3, 2, 4, 5])
    return tf.reshape(pixels, [-1, height * row_phases, width * column_phases, outputs])


def _split_axis(taps: int, side: int) -> List[_Region]:
    """Return the first, middle and last region of an axis of this length, for a kernel with this many taps."""
    before, first, middle, last = _region_weights(taps)
    begin = _EDGE // 2 - before
    end = side - _EDGE // 2 + middle.shape[1] - 1 - before
    return [_Region(0, _EDGE, first), _Region(begin, end, middle), _Region(side - _EDGE, side, last)]


@functools.lru_cache(maxsize=None)
def _region_weights(taps: int) -> Tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Derive how outputs depend on inputs along one axis, from a short axis that is upsampled explicitly.

    Returns:
        Number of inputs between the start of the middle region's window and the window's own position, and the weights
        [phases, window, taps] of the first, the middle and the last region.
    """
    side, half = 4 * _EDGE, taps // 2
    upsampled = np.zeros((2 * side + taps, side), np.float32)  # each row: one upsampled pixel by inputs; zeros around
    for i in range(side):
        upsampled[half + 2 * i, i] += 1
        upsampled[half + 2 * i + 1, i] += 0.5
        upsampled[half + 2 * i + 1, min(i + 1, side - 1)] += 0.5
    dense = np.stack([upsampled[tap : tap + 2 * side] for tap in range(taps)], axis=-1)  # [2 side, side, taps]
    middle = dense[side : side + 2]  # the two outputs at input position side / 2
    window = np.flatnonzero(middle.any(axis=(0, 2)))
    return side // 2 - window[0], dense[:_EDGE, :_EDGE], middle[:, window], dense[-_EDGE:, -_EDGE:]
