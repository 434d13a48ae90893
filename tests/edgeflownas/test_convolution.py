import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from edgeflownas.convolution import conv2d

# Narrow and wide outputs, small and large maps, odd sides: every way that conv2d may take.
SHAPES = [(16, 24, 5, 4), (16, 24, 3, 24), (8, 6, 5, 4), (15, 26, 3, 4), (32, 48, 8, 8)]


@pytest.mark.parametrize(("size", "shape"), itertools.product((1, 3, 5, 7), SHAPES))
def test_value_and_gradients_are_those_of_the_built_in_convolution(size, shape):
    height, width, inputs, outputs = shape
    rng = np.random.default_rng(size)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(rng.normal(size=(3, height, width, inputs)), tf.float32)
        kernel = tf.constant(rng.normal(size=(size, size, inputs, outputs)), tf.float32)
        target = tf.constant(rng.normal(size=(3, height, width, outputs)), tf.float32)
        results = []
        for y in (conv2d(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME")):
            results.append([y, *tf.gradients(tf.reduce_sum(y * target), [x, kernel])])
        for ours, plain in zip(*session.run(results)):
            np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())


def test_stride_two_is_the_built_in_convolution():
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(rng.normal(size=(2, 16, 24, 6)), tf.float32)
        kernel = tf.constant(rng.normal(size=(7, 7, 6, 4)), tf.float32)
        ours, plain = session.run([conv2d(x, kernel, 2), tf.nn.conv2d(x, kernel, 2, "SAME")])
    np.testing.assert_array_equal(ours, plain)
