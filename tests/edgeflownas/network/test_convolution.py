import itertools

import numpy as np
import pytest

from edgeflownas.network.convolution import conv2d
from edgeflownas.tf_runtime.stack import tf

# Narrow and wide outputs, small and large maps, odd sides: every branch of conv2d.
SHAPES = [(16, 24, 5, 4), (16, 24, 3, 24), (8, 6, 5, 4), (15, 26, 3, 4), (32, 48, 8, 8)]


@pytest.mark.parametrize(("size", "shape"), itertools.product((1, 3, 5, 7), SHAPES))
def test_value_and_gradients_equal_the_built_in_convolution(size, shape):
    assert_equals_built_in(size, shape, 1)


def assert_equals_built_in(size, shape, stride):
    height, width, inputs, outputs = shape
    rng = np.random.default_rng(size)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(rng.normal(size=(3, height, width, inputs)), tf.float32)
        kernel = tf.constant(rng.normal(size=(size, size, inputs, outputs)), tf.float32)
        target = tf.constant(rng.normal(size=(3, height // stride, width // stride, outputs)), tf.float32)
        results = []
        for y in (conv2d(x, kernel, stride), tf.nn.conv2d(x, kernel, stride, "SAME")):
            results.append([y, *tf.gradients(tf.reduce_sum(y * target), [x, kernel])])
        for ours, built_in in zip(*session.run(results)):
            np.testing.assert_allclose(ours, built_in, rtol=1e-4, atol=1e-4 * np.abs(built_in).max())


@pytest.mark.parametrize(
    ("size", "shape"), itertools.product((1, 3, 5, 7), [(16, 24, 6, 4), (8, 10, 5, 12), (32, 34, 3, 20)])
)
def test_value_and_gradients_with_a_stride_equal_the_built_in_convolution(size, shape):
    assert_equals_built_in(size, shape, 2)
