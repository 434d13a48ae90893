"""The multi-scale loss "LinearSoftplus" of EdgeFlowNet (Raju et al., RA-L 2024), and the end-point error."""

from typing import List, Tuple

from edgeflownas.tf_runtime.stack import tf

MIN_SIGMA = 1e-3  # pixels


def multiscale_loss(
    predictions: List[tf.Tensor], flow: tf.Tensor, valid: tf.Tensor, uncertainty_weight: tf.Tensor
) -> tf.Tensor:
    """Sum the losses of the scales, with weights 1/2, 1/4, 1/8 from fine to coarse.

    The loss of a scale is the L1 error of the flow plus ``uncertainty_weight`` times (mean of |error| / sigma + mean of
    softplus(s)), with sigma = max(softplus(s), 1e-3).

    Args:
        predictions: Predictions from coarse to fine, [B, h, w, 4] each: flow in pixels of the input, and s.
        flow: Ground-truth flow [B, H, W, 2] in pixels, finite everywhere.
        valid: Mask [B, H, W, 1]: 1 where the ground truth is known, 0 elsewhere.
        uncertainty_weight: Scalar; 0 trains by L1 alone.

    Returns:
        Scalar loss.
    """
    total = tf.constant(0.0)
    for i, prediction in enumerate(reversed(predictions)):
        target, known = _downsample(flow, valid, 2**i)
        predicted_flow, uncertainty = tf.split(prediction, 2, axis=-1)
        error = tf.abs(predicted_flow - target)
        spread = tf.nn.softplus(uncertainty)
        per_pixel = error + uncertainty_weight * (error / tf.maximum(spread, MIN_SIGMA) + spread)
        total += 0.5 ** (i + 1) * tf.reduce_sum(per_pixel * known) / tf.maximum(2.0 * tf.reduce_sum(known), 1.0)
    return total


def _downsample(flow: tf.Tensor, valid: tf.Tensor, factor: int) -> Tuple[tf.Tensor, tf.Tensor]:
    """Return the mean flow over the valid pixels of each factor x factor cell, and whether the cell has any."""
    if factor == 1:
        return flow, valid
    window = [1, factor, factor, 1]
    share = tf.nn.avg_pool(valid, window, window, "VALID")
    mean = tf.nn.avg_pool(flow * valid, window, window, "VALID") / tf.maximum(share, 1e-6)
    return mean, tf.cast(share > 0.0, tf.float32)


def endpoint_error_sums(prediction: tf.Tensor, flow: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Sum the Euclidean flow errors over the valid pixels of each pair.

    Args:
        prediction: Predicted flow [..., H, W, >=2] in pixels.
        flow: Ground-truth flow [..., H, W, 2] in pixels.
        valid: Mask [..., H, W, 1].

    Returns:
        Sums [...] in pixels.
    """
    distance = tf.norm(prediction[..., :2] - flow, axis=-1)
    return tf.reduce_sum(distance * valid[..., 0], axis=[-2, -1])
