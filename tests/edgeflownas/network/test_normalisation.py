import numpy as np
import pytest

from edgeflownas.network.normalisation import batch_norm
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

EPSILON = 1e-3


# Few channels (computed here); a small map and many channels (computed by TensorFlow).
@pytest.mark.parametrize("shape", [(2, 32, 48, 4), (3, 41, 57, 8), (3, 5, 7, 8), (2, 32, 48, 40)])
def test_batch_norm_and_its_gradients_equal_the_definition(shape):
    rng = np.random.default_rng(0)
    values = rng.normal(2, 3, shape)
    with tf.Graph().as_default() as graph:
        x = tf.constant(values, tf.float32)
        gamma, beta = (tf.constant(rng.normal(1, 1, shape[-1]), tf.float32) for _ in range(2))
        upstream = tf.constant(rng.standard_normal(shape), tf.float32)
        y, mean, variance = batch_norm(x, gamma, beta, EPSILON)
        plain_mean, plain_variance = tf.nn.moments(x, [0, 1, 2])
        plain = gamma * (x - plain_mean) / tf.sqrt(plain_variance + EPSILON) + beta
        ours = [y, mean, variance, *tf.gradients(y, [x, gamma, beta], upstream)]
        theirs = [plain, plain_mean, plain_variance, *tf.gradients(plain, [x, gamma, beta], upstream)]
        with open_session(graph, 1) as opened:
            for actual, expected in zip(*opened.run([ours, theirs])):
                np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_statistics_carry_no_gradient():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 32, 48, 3])
        _, mean, variance = batch_norm(x, tf.ones([3]), tf.zeros([3]), EPSILON)
        assert tf.gradients([mean, variance], [x]) == [None]
