"""A fair cycle as one static graph that computes each option once.

The three paths of a cycle take different options at every gene. So each option gets the activation of the path that
wants it, runs once, and hands the result back; no branch is computed to be masked out. Which path goes where is fed,
and the activations themselves are passed on, not copied.
"""

import functools
from typing import Callable, List, Sequence, Tuple

from edgeflownas.network.build import BatchNorm, Weights, accumulate_flow, apply_stage
from edgeflownas.network.skeleton import Kind, Skeleton, Stage
from edgeflownas.tf_runtime.stack import tf


def compute_chosen(index: tf.Tensor, branches: Sequence[Callable[[], tf.Tensor]]) -> tf.Tensor:
    """Computes the branch at a fed index, and no other; the branches give tensors of one shape."""
    if len(branches) == 1:
        return branches[0]()
    half = len(branches) // 2
    return tf.cond(
        index < half,
        lambda: compute_chosen(index, branches[:half]),
        lambda: compute_chosen(index - half, branches[half:]),
    )


def select_tensor(index: tf.Tensor, tensors: List[tf.Tensor]) -> tf.Tensor:
    """The tensor at a fed index, handed on without a copy."""
    result = compute_chosen(index, [functools.partial(tf.identity, tensor) for tensor in tensors])
    result.set_shape(tensors[0].shape)
    return result


def permute(tensors: List[tf.Tensor], order: tf.Tensor, inverse: tf.Tensor) -> List[tf.Tensor]:
    """Reorders tensors of one shape: result i is tensor order[i]. The gradient is reordered back.

    Args:
        tensors: n tensors.
        order: int32 [n], a permutation.
        inverse: int32 [n], its inverse.
    """

    @tf.custom_gradient
    def route(*tensors: tf.Tensor) -> Tuple[List[tf.Tensor], Callable[..., List[tf.Tensor]]]:
        def back(*upstream: tf.Tensor) -> List[tf.Tensor]:
            return [select_tensor(inverse[i], list(upstream)) for i in range(len(tensors))]

        return [select_tensor(order[i], list(tensors)) for i in range(len(tensors))], back

    return list(route(*tensors))


def build_fair_cycle(
    skeleton: Skeleton, x: tf.Tensor, weights: Weights, path_of: tf.Tensor, option_of: tf.Tensor
) -> List[List[tf.Tensor]]:
    """Runs all paths of a cycle on one batch.

    Args:
        skeleton: the network's definition.
        x: [B, H, W, 6] in [-1, 1].
        weights: the supernet's.
        path_of: int32 [genes, paths], the path that each slot of a gene serves (see ``fairness.routing``).
        option_of: int32 [genes, paths], the option in each slot.

    Returns:
        For each path its predictions, coarse to fine, as ``network.child`` gives them. BN statistics are per path.
    """
    paths = path_of.shape[1].value
    norm = BatchNorm(weights)
    activations = [x] * paths
    shared = True  # the paths part at the first choice; what comes before is computed once
    predictions: List[List[tf.Tensor]] = [[] for _ in range(paths)]
    gene = 0
    for stage in skeleton.stages:
        if len(stage.options) > 1:
            slots = _slots(skeleton, stage, activations, norm, path_of[gene], option_of[gene])
            outputs = permute(slots, tf.math.invert_permutation(path_of[gene]), path_of[gene])
            gene, shared = gene + 1, False
        elif shared:
            outputs = [apply_stage(skeleton, stage, 0, x, norm)] * paths
            x = outputs[0]
        else:
            outputs = [apply_stage(skeleton, stage, 0, each, norm) for each in activations]
        if stage.kind is Kind.FLOW:
            for flows, output in zip(predictions, outputs):
                flows.append(accumulate_flow(flows, output))
        else:
            activations = outputs
    return predictions


def _slots(
    skeleton: Skeleton,
    stage: Stage,
    activations: List[tf.Tensor],
    norm: BatchNorm,
    path_of: tf.Tensor,
    option_of: tf.Tensor,
) -> List[tf.Tensor]:
    """Each slot's output: its option applied to the path that it serves."""
    if all(each is activations[0] for each in activations):
        served = activations
    else:
        served = permute(activations, path_of, tf.math.invert_permutation(path_of))
    count = len(stage.options)
    outputs = [apply_stage(skeleton, stage, option, served[option], norm) for option in range(count)]
    for slot in range(count, len(activations)):
        branches = [
            lambda option=option, slot=slot: apply_stage(skeleton, stage, option, served[slot], norm)
            for option in range(count)
        ]
        outputs.append(compute_chosen(option_of[slot], branches))
    return outputs
