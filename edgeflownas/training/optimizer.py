"""One optimisation step: Adam with decoupled weight decay and gradient clipping; fails if gradients are not finite."""

import math
from typing import Mapping, Tuple

from edgeflownas.config import TrainConfig
from edgeflownas.tf_runtime.stack import tf


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to 0 (Loshchilov & Hutter 2017, SGDR)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def minimise(
    loss: tf.Tensor, weights: Mapping[str, tf.Variable], rate: tf.Tensor, config: TrainConfig
) -> Tuple[tf.Operation, tf.Tensor]:
    """Build an optimisation step.

    Weight decay is decoupled (Loshchilov & Hutter 2019, AdamW) and acts on convolution kernels only.

    Args:
        loss: Scalar loss.
        weights: Variables by name.
        rate: Learning rate, a scalar.
        config: Recipe with weight decay and clipping norm.

    Returns:
        The step, and the gradient's global norm before clipping. A gradient that is not finite makes the step fail
        with ``tf.errors.InvalidArgumentError`` before any weight has changed.
    """
    names = sorted(weights)
    trained = [weights[name] for name in names]
    gradients = tf.gradients(loss, trained, colocate_gradients_with_ops=True)  # on the device of the forward part
    norm = tf.debugging.check_numerics(tf.linalg.global_norm(gradients), "the gradient is not finite")
    clipped, _ = tf.clip_by_global_norm(gradients, config.clip_norm, use_norm=norm)
    adam = tf.train.AdamOptimizer(rate).apply_gradients(zip(clipped, trained))
    with tf.control_dependencies([adam]):
        decay = [
            weights[name].assign_sub(rate * config.weight_decay * weights[name])
            for name in names
            if name.endswith("/kernel")
        ]
        return tf.group(adam, *decay), norm
