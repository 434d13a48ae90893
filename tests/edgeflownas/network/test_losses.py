import numpy as np

from edgeflownas.network.losses import endpoint_error_sums, multiscale_loss
from edgeflownas.tf_runtime.stack import tf


def run(tensor):
    with tf.Session(graph=tensor.graph) as session:
        return session.run(tensor)


def softplus(x):
    return np.log1p(np.exp(x))


def reference_loss(predictions, flow, valid, uncertainty):
    """Compute the loss by its definition, pixel by pixel."""
    total = 0.0
    for weight, prediction in zip((0.125, 0.25, 0.5), predictions):
        factor = flow.shape[1] // prediction.shape[1]
        terms = []
        for b, i, j in np.ndindex(*prediction.shape[:3]):
            cell = (b, slice(i * factor, (i + 1) * factor), slice(j * factor, (j + 1) * factor))
            known = valid[cell][..., 0] > 0
            if known.any():
                error = np.abs(prediction[b, i, j, :2] - flow[cell][known].mean(axis=0))
                spread = softplus(prediction[b, i, j, 2:])
                terms.append(error + uncertainty * (error / np.maximum(spread, 1e-3) + spread))
        total += weight * np.mean(terms)
    return total


def test_loss_sums_the_valid_pixels_over_the_scales():
    rng = np.random.default_rng(0)
    predictions = [rng.normal(size=(2, 8 // f, 12 // f, 4)).astype(np.float32) * 5 for f in (4, 2, 1)]
    flow = rng.normal(size=(2, 8, 12, 2)).astype(np.float32) * 5
    valid = (rng.random((2, 8, 12, 1)) < 0.5).astype(np.float32)
    valid[0, :4, :4] = 0  # a coarse cell without any known pixel
    for uncertainty in (0.0, 1.0):
        with tf.Graph().as_default():
            tensors = [tf.constant(prediction) for prediction in predictions]
            loss = run(multiscale_loss(tensors, tf.constant(flow), tf.constant(valid), tf.constant(uncertainty)))
        np.testing.assert_allclose(loss, reference_loss(predictions, flow, valid, uncertainty), rtol=1e-5)


def test_loss_without_valid_pixels_is_zero_with_a_finite_gradient():
    with tf.Graph().as_default():
        prediction = tf.constant(np.ones((1, 4, 4, 4), np.float32))
        zeros = tf.zeros([1, 4, 4, 1])
        loss = multiscale_loss([prediction], tf.zeros([1, 4, 4, 2]), zeros, tf.constant(1.0))
        gradient = run(tf.gradients(loss, prediction)[0])
    assert (gradient == 0).all()


def test_endpoint_errors_are_summed_over_valid_pixels():
    prediction = np.zeros((2, 2, 3, 4), np.float32)
    flow = np.full((2, 2, 3, 2), [3.0, 4.0], np.float32)
    valid = np.ones((2, 2, 3, 1), np.float32)
    valid[1, 0] = 0
    with tf.Graph().as_default():
        sums = run(endpoint_error_sums(tf.constant(prediction), tf.constant(flow), tf.constant(valid)))
    np.testing.assert_allclose(sums, [30.0, 15.0])
