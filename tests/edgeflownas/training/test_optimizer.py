import numpy as np
import pytest

from edgeflownas.config import TrainConfig
from edgeflownas.network.build import create_variables
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.optimizer import learning_rate, minimise

CONFIG = TrainConfig(epochs=1, learning_rate=0.1, warmup_steps=10, weight_decay=0.5, clip_norm=1.0)


def test_learning_rate_rises_linearly_and_falls_along_a_cosine():
    rates = [learning_rate(CONFIG, step, 110) for step in range(111)]
    np.testing.assert_allclose(rates[:10], 0.1 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 0.05 * (1 + np.cos(np.pi * np.arange(101) / 100)), atol=1e-12)
    assert rates[110] == pytest.approx(0)


def run_steps(build_loss, values, config, count):
    """Run some steps; return the weights and the gradient norm after each."""
    with tf.Graph().as_default() as graph:
        weights = create_variables(values)
        rate = tf.placeholder(tf.float32, [])
        train, norm = minimise(build_loss(weights), weights, rate, config)
        initialise = tf.global_variables_initializer()
    results = []
    with tf.Session(graph=graph) as session:
        session.run(initialise)
        for _ in range(count):
            _, norm_value = session.run((train, norm), {rate: 0.1})
            results.append((session.run(weights), norm_value))
    return results


def test_step_is_adam_with_gradient_clipping_and_decoupled_decay_of_kernels():
    start = {"a/kernel": np.float32([3.0, -2.0]), "a/bias": np.float32([1.0])}
    results = run_steps(lambda w: 2 * tf.reduce_sum(w["a/kernel"] ** 2) + w["a/bias"][0], start, CONFIG, 5)
    value = {name: array.astype(np.float64) for name, array in start.items()}
    first = {name: np.zeros_like(array) for name, array in value.items()}
    second = {name: np.zeros_like(array) for name, array in value.items()}
    for step, (weights, norm) in enumerate(results, 1):
        gradient = {"a/kernel": 4 * value["a/kernel"], "a/bias": np.ones(1)}
        expected_norm = np.sqrt(sum((array**2).sum() for array in gradient.values()))
        assert norm == pytest.approx(expected_norm, rel=1e-5)
        for name in start:
            clipped = gradient[name] / max(expected_norm, 1.0)
            first[name] = 0.9 * first[name] + 0.1 * clipped
            second[name] = 0.999 * second[name] + 0.001 * clipped**2
            corrected = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            value[name] = value[name] - 0.1 * corrected * first[name] / (np.sqrt(second[name]) + 1e-8)
            if name.endswith("kernel"):
                value[name] = value[name] * (1 - 0.1 * 0.5)
            np.testing.assert_allclose(weights[name], value[name], rtol=1e-4)


def test_gradient_that_is_not_finite_changes_no_weight():
    start = {"a/kernel": np.float32([0.0]), "b/kernel": np.float32([1.0])}
    with tf.Graph().as_default() as graph:
        weights = create_variables(start)
        loss = tf.sqrt(weights["a/kernel"][0]) + weights["b/kernel"][0]  # its slope at 0 is infinite
        train, _ = minimise(loss, weights, tf.constant(0.1), CONFIG)
        initialise = tf.global_variables_initializer()
    with tf.Session(graph=graph) as session:
        session.run(initialise)
        with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
            session.run(train)
        assert session.run(weights) == start


def test_centred_kernels_learn_no_response_to_a_uniform_image():
    kernel = np.random.default_rng(1).standard_normal((3, 3, 6, 4)).astype(np.float32)
    start = {"a/kernel": kernel, "b/kernel": kernel}
    config = CONFIG.model_copy(update={"weight_decay": 0.0})

    slope = np.arange(9.0, dtype=np.float32).reshape(3, 3, 1, 1)

    def compute_loss(weights):
        return sum(tf.reduce_sum(weights[name] * slope) for name in start)

    with tf.Graph().as_default() as graph:
        weights = create_variables(start)
        train, norm = minimise(compute_loss(weights), weights, tf.constant(0.1), config, ["a/kernel"])
        initialise = tf.global_variables_initializer()
    with tf.Session(graph=graph) as session:
        session.run(initialise)
        for _ in range(5):
            actual_norm, _ = session.run((norm, train))
        trained = session.run(weights)
    np.testing.assert_allclose(trained["a/kernel"].mean(axis=(0, 1)), kernel.mean(axis=(0, 1)), atol=1e-6)
    assert np.abs(trained["a/kernel"] - kernel).max() > 0.3, "it learns everything else"
    assert np.abs(trained["b/kernel"].mean(axis=(0, 1)) - kernel.mean(axis=(0, 1))).min() > 0.3
    assert actual_norm == pytest.approx(np.sqrt(24 * ((slope - 4) ** 2).sum() + 24 * (slope**2).sum()), rel=1e-4)
