import numpy as np
import pytest

from edgeflownas.network.upsampling import upsample, upsample_conv2d
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import MODERN, tf


def test_upsampling_interpolates_and_repeats_the_last_pixel():
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)
    expected = x
    for axis in (1, 2):
        last = np.take(expected, [-1], axis)
        between = (expected + np.concatenate([np.delete(expected, 0, axis), last], axis)) / 2
        expected = np.stack([expected, between], axis + 1).reshape(
            [2 * n if i == axis else n for i, n in enumerate(expected.shape)]
        )
    with tf.Graph().as_default() as graph, open_session(graph, 1) as opened:
        np.testing.assert_allclose(opened.run(upsample(tf.constant(x))), expected, rtol=1e-6, atol=1e-6)


# Narrow and wide outputs; a map with the smallest possible side; a map that is too small.
@pytest.mark.parametrize("size", [3, 5, 7, 9])
@pytest.mark.parametrize("shape", [(2, 39, 48, 5, 3), (1, 8, 193, 3, 4), (1, 32, 48, 2, 20), (1, 4, 6, 3, 2)])
def test_convolution_equals_that_of_the_upsampled_map(shape, size):
    batch, height, width, inputs, outputs = shape
    rng = np.random.default_rng(1)
    with tf.Graph().as_default() as graph:
        x = tf.constant(rng.standard_normal((batch, height, width, inputs)), tf.float32)
        kernel = tf.constant(rng.standard_normal((size, size, inputs, outputs)), tf.float32)
        upstream = tf.constant(rng.standard_normal((batch, 2 * height, 2 * width, outputs)), tf.float32)
        both = upsample_conv2d(x, kernel), tf.nn.conv2d(upsample(x), kernel, 1, "SAME")
        with open_session(graph, 1) as opened:
            ours, built_in = opened.run([[y, *tf.gradients(y, [x, kernel], upstream)] for y in both])
    tolerance = 1e-5 if MODERN else 2e-6  # oneDNN sums large kernels in another order for each shape
    for actual, expected in zip(ours, built_in):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())
