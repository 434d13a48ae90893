"""A fair cycle as one static graph that computes each option once.

The three paths of a cycle take different options at every gene. Each option therefore receives the activation of the
path that takes it, runs once, and returns the result to that path; no branch is computed only to be masked out. The
routes are fed to the graph, and the activations are passed on without copying. Pooled features that control gates
accompany their path.
"""

import functools
from typing import Callable, Dict, List, Sequence

from edgeflownas.network.build import (
    CURRENT,
    Activations,
    BatchNorm,
    Weights,
    accumulate_flow,
    apply_stage,
    follow_stage,
)
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.tf_runtime.gradients import attach_gradient
from edgeflownas.tf_runtime.stack import tf


def compute_chosen(index: tf.Tensor, branches: Sequence[Callable[[], tf.Tensor]]) -> tf.Tensor:
    """Compute only the branch at a fed index; all branches return tensors of the same shape."""
    if len(branches) == 1:
        return branches[0]()
    half = len(branches) // 2
    return tf.cond(
        index < half,
        lambda: compute_chosen(index, branches[:half]),
        lambda: compute_chosen(index - half, branches[half:]),
    )


def select_tensor(index: tf.Tensor, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the tensor at a fed index without copying it."""
    result = compute_chosen(index, [functools.partial(tf.identity, tensor) for tensor in tensors])
    result.set_shape(tensors[0].shape)
    return result


def permute(tensors: List[tf.Tensor], order: tf.Tensor, inverse: tf.Tensor) -> List[tf.Tensor]:
    """Reorder tensors so that result i is tensor order[i]; gradients are returned to the original order.

    Args:
        tensors: Tensors of the same shape.
        order: Permutation, int32 [n].
        inverse: Inverse permutation, int32 [n].
    """

    def reorder(tensors: Sequence[tf.Tensor], order: tf.Tensor) -> List[tf.Tensor]:
        return [select_tensor(order[i], tensors) for i in range(len(tensors))]

    return attach_gradient(reorder(tensors, order), tensors, lambda *upstream: reorder(upstream, inverse))


def build_fair_cycle(
    skeleton: Skeleton, x: tf.Tensor, weights: Weights, path_of: tf.Tensor, option_of: tf.Tensor
) -> List[List[tf.Tensor]]:
    """Build all paths of a cycle on one batch.

    Args:
        skeleton: Definition of the network.
        x: Images [B, H, W, 6] in [-1, 1].
        weights: Weights of the supernet.
        path_of: Path that each slot of a gene serves, int32 [genes, paths] (see ``fairness.route_paths``).
        option_of: Option in each slot, int32 [genes, paths].

    Returns:
        Predictions of each path, coarse to fine, as returned by ``build_child``. BN statistics are per path.
    """
    paths = path_of.shape[1].value
    norm = BatchNorm(weights)
    inputs: List[Activations] = [{CURRENT: x}] * paths
    shared = True  # the stem before the first gene is computed once for all paths
    predictions: List[List[tf.Tensor]] = [[] for _ in range(paths)]
    gene = 0
    for stage in skeleton.stages:
        if stage.is_gene:
            slots = _build_slots(skeleton, stage, inputs, norm, path_of[gene], option_of[gene])
            outputs = permute(slots, tf.math.invert_permutation(path_of[gene]), path_of[gene])
            gene, shared = gene + 1, False
        elif shared:
            outputs = [apply_stage(skeleton, stage, 0, inputs[0], norm)] * paths
        else:
            outputs = [apply_stage(skeleton, stage, 0, of_path, norm) for of_path in inputs]
        if stage.is_flow:
            for flows, output in zip(predictions, outputs):
                flows.append(accumulate_flow(flows, output))
        elif shared:
            inputs = [follow_stage(skeleton, stage, inputs[0], outputs[0])] * paths
        else:
            inputs = [follow_stage(skeleton, stage, of_path, output) for of_path, output in zip(inputs, outputs)]
    return predictions


def _build_slots(
    skeleton: Skeleton,
    stage: Stage,
    inputs: Sequence[Activations],
    norm: BatchNorm,
    path_of: tf.Tensor,
    option_of: tf.Tensor,
) -> List[tf.Tensor]:
    """Return the output of each slot: its option applied to the path that it serves."""
    served: List[Dict[str, tf.Tensor]] = [{} for _ in inputs]
    for name in (CURRENT, *sorted(stage.sources)):
        tensors = [of_path[name] for of_path in inputs]
        if any(tensor is not tensors[0] for tensor in tensors):
            tensors = permute(tensors, path_of, tf.math.invert_permutation(path_of))
        for of_slot, tensor in zip(served, tensors):
            of_slot[name] = tensor
    count = len(stage.options)
    outputs = [apply_stage(skeleton, stage, option, served[option], norm) for option in range(count)]
    for slot in range(count, len(inputs)):
        branches = [
            lambda option=option, slot=slot: apply_stage(skeleton, stage, option, served[slot], norm)
            for option in range(count)
        ]
        outputs.append(compute_chosen(option_of[slot], branches))
    return outputs
