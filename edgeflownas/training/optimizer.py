"""One optimisation step: Adam with decoupled weight decay and gradient clipping; fails if gradients are not finite."""

import math
from typing import Dict, Mapping, Sequence, Tuple

from edgeflownas.config import TrainConfig
from edgeflownas.tf_runtime.stack import tf


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to 0 (Loshchilov & Hutter 2017, SGDR)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def minimise(
    loss: tf.Tensor,
    weights: Mapping[str, tf.Variable],
    rate: tf.Tensor,
    config: TrainConfig,
    centred: Sequence[str] = (),
) -> Tuple[tf.Operation, tf.Tensor]:
    """Build an optimisation step that lowers a scalar loss; see ``update``."""
    return update(compute_gradients(loss, weights), weights, rate, config, centred)


def compute_gradients(loss: tf.Tensor, weights: Mapping[str, tf.Variable]) -> Dict[str, tf.Tensor]:
    """Return the gradient of a scalar loss by name of the weight, on the device of the forward part."""
    names = sorted(weights)
    gradients = tf.gradients(loss, [weights[name] for name in names], colocate_gradients_with_ops=True)
    return dict(zip(names, gradients))


class Accumulator:
    """Sum of the gradients of the parts of a batch, divided by the number of parts.

    Attributes:
        start: Operation that replaces the sum by the gradient of the first part.
        add: Operation that adds the gradient of a further part.
        gradients: The sum, by name of the weight.
    """

    def __init__(self, gradients: Mapping[str, tf.Tensor], parts: int) -> None:
        """Create variables for the sum, which are no part of the training state: every step starts with ``start``."""
        sums = {
            name: tf.Variable(
                tf.zeros(gradient.shape), trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES],
                name=f"accumulated/{name}",
            )
            for name, gradient in gradients.items()
        }  # fmt: skip
        shares = {name: gradient / parts for name, gradient in gradients.items()}
        self.start = tf.group(*(sums[name].assign(share) for name, share in shares.items()))
        self.add = tf.group(*(sums[name].assign_add(share) for name, share in shares.items()))
        self.gradients = {name: variable.read_value() for name, variable in sums.items()}


def update(
    gradients: Mapping[str, tf.Tensor],
    weights: Mapping[str, tf.Variable],
    rate: tf.Tensor,
    config: TrainConfig,
    centred: Sequence[str] = (),
) -> Tuple[tf.Operation, tf.Tensor]:
    """Build the update of an optimisation step.

    Weight decay is decoupled (Loshchilov & Hutter 2019, AdamW) and acts on convolution kernels only.

    Centred kernels learn no response to uniform brightness: the mean over their taps is subtracted from the gradient
    (Yong et al. 2020, "Gradient Centralization") and from Adam's update. Images are not centred, so without this a
    common trend of all taps of the first kernels outweighs the difference between the frames.

    Args:
        gradients: Gradients by name of the weight.
        weights: Variables by name.
        rate: Learning rate, a scalar.
        config: Recipe with weight decay and clipping norm.
        centred: Names of the kernels to centre, those on images.

    Returns:
        The step, and the gradient's global norm before clipping. A gradient that is not finite makes the step fail
        with ``tf.errors.InvalidArgumentError`` before any weight has changed.
    """
    names = sorted(weights)
    trained = [weights[name] for name in names]
    used = [gradients[name] - _mean_of_taps(gradients[name]) if name in centred else gradients[name] for name in names]
    norm = tf.debugging.check_numerics(tf.linalg.global_norm(used), "the gradient is not finite")
    clipped, _ = tf.clip_by_global_norm(used, config.clip_norm, use_norm=norm)
    before = [_mean_of_taps(weights[name]) for name in centred]
    with tf.control_dependencies(before):
        adam = tf.train.AdamOptimizer(rate).apply_gradients(zip(clipped, trained))
    with tf.control_dependencies([adam]):
        drifts = [_mean_of_taps(weights[name].read_value()) - mean for name, mean in zip(centred, before)]
        centring = [
            weights[name].assign_sub(tf.broadcast_to(drift, weights[name].shape))
            for name, drift in zip(centred, drifts)
        ]
    with tf.control_dependencies([adam, *centring]):
        decay = [
            weights[name].assign_sub(rate * config.weight_decay * weights[name])
            for name in names
            if name.endswith("/kernel")
        ]
        return tf.group(adam, *centring, *decay), norm


def _mean_of_taps(kernel: tf.Tensor) -> tf.Tensor:
    """Return the mean over the taps of a kernel, [1, 1, I, O]."""
    return tf.reduce_mean(kernel, [0, 1], keepdims=True)
