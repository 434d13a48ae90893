"""One optimisation step: Adam with decoupled weight decay, a bound on the gradient, and a stop at non-finite ones."""

import math
from typing import Mapping, Tuple

from edgeflownas.config import TrainConfig
from edgeflownas.tf_runtime.stack import tf


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step: linear warm-up, then a cosine to 0 (Loshchilov & Hutter 2017, SGDR)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def minimise(
    loss: tf.Tensor, weights: Mapping[str, tf.Variable], rate: tf.Tensor, config: TrainConfig
) -> Tuple[tf.Operation, tf.Tensor]:
    """Builds a training step.

    Weight decay is decoupled (Loshchilov & Hutter 2019, AdamW) and acts on convolution kernels only.

    Args:
        loss: scalar.
        weights: variables by name.
        rate: learning rate, a scalar.
        config: decay and bound.

    Returns:
        The step, and the gradient's global norm before it was bounded. A gradient that is not finite fails the step
        with ``tf.errors.InvalidArgumentError`` before any weight has changed.
    """
    names = sorted(weights)
    wanted = [weights[name] for name in names]
    gradients = tf.gradients(loss, wanted, colocate_gradients_with_ops=True)  # each on its own device
    norm = tf.debugging.check_numerics(tf.linalg.global_norm(gradients), "the gradient is not finite")
    bounded, _ = tf.clip_by_global_norm(gradients, config.clip_norm, use_norm=norm)
    adam = tf.train.AdamOptimizer(rate).apply_gradients(zip(bounded, [weights[name] for name in names]))
    with tf.control_dependencies([adam]):
        decay = [
            weights[name].assign_sub(rate * config.weight_decay * weights[name])
            for name in names
            if name.endswith("/kernel")
        ]
        return tf.group(adam, *decay), norm
