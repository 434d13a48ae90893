"""The multi-scale loss "LinearSoftplus" of EdgeFlowNet (Raju et al., RA-L 2024), and the end-point error."""

from typing import List, Tuple

from edgeflownas.tf_runtime.stack import tf

MIN_SIGMA = 1e-3  # pixels


def multiscale_loss(
    predictions: List[tf.Tensor], flow: tf.Tensor, valid: tf.Tensor, uncertainty_weight: tf.Tensor
) -> tf.Tensor:
    """Sums the scales' losses, with weights 1/2, 1/4, 1/8 from fine to coarse.

    Per scale: L1 of the flow, and ``uncertainty_weight`` times (mean of |error| / sigma + mean of softplus(s)), with
    sigma = max(softplus(s), 1e-3).

    Args:
        predictions: coarse to fine, [B, h, w, 4]: flow in pixels of the input, and s.
        flow: [B, H, W, 2] ground truth, pixels; finite everywhere.
        valid: [B, H, W, 1], 1 where the ground truth is known and 0 elsewhere.
        uncertainty_weight: scalar, 0 to train by L1 alone.

    Returns:
        Scalar.
    """
    total = tf.constant(0.0)
    for i, prediction in enumerate(reversed(predictions)):
        target, known = _shrunk(flow, valid, 2**i)
        shift, uncertainty = tf.split(prediction, 2, axis=-1)
        error = tf.abs(shift - target)
        spread = tf.nn.softplus(uncertainty)
        per_pixel = error + uncertainty_weight * (error / tf.maximum(spread, MIN_SIGMA) + spread)
        total += 0.5 ** (i + 1) * tf.reduce_sum(per_pixel * known) / tf.maximum(2.0 * tf.reduce_sum(known), 1.0)
    return total


def _shrunk(flow: tf.Tensor, valid: tf.Tensor, factor: int) -> Tuple[tf.Tensor, tf.Tensor]:
    """The mean flow over the valid pixels of each factor x factor cell, and whether the cell has any."""
    if factor == 1:
        return flow, valid
    window = [1, factor, factor, 1]
    share = tf.nn.avg_pool(valid, window, window, "VALID")
    mean = tf.nn.avg_pool(flow * valid, window, window, "VALID") / tf.maximum(share, 1e-6)
    return mean, tf.cast(share > 0.0, tf.float32)


def endpoint_error_sums(prediction: tf.Tensor, flow: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Sum of the Euclidean flow errors over each pair's valid pixels.

    Args:
        prediction: [..., H, W, >=2], pixels.
        flow: [..., H, W, 2], pixels.
        valid: [..., H, W, 1].

    Returns:
        [...], pixels.
    """
    distance = tf.norm(prediction[..., :2] - flow, axis=-1)
    return tf.reduce_sum(distance * valid[..., 0], axis=[-2, -1])
