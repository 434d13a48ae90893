"""A fair cycle whose paths run on several devices.

A path stays on its device from the first choice to the loss: between devices go the stem's activation, the weights of
the options that it takes, and their gradients. (Were options kept on devices and activations handed around, the device
with the heaviest option would hold up the others at every gene.) Each path sees the whole batch, so BN statistics and
gradients are those of one device; and it computes only the options that it takes.
"""

import functools
from typing import List, Sequence

from edgeflownas.network.build import BatchNorm, Weights, accumulate_flow, apply_stage
from edgeflownas.network.skeleton import Kind, Skeleton, Stage
from edgeflownas.tf_runtime.devices import HOST
from edgeflownas.tf_runtime.stack import tf
from supernet.routed import compute_chosen


def build_parallel_cycle(
    skeleton: Skeleton,
    x: tf.Tensor,
    weights: Weights,
    path_of: tf.Tensor,
    option_of: tf.Tensor,
    devices: Sequence[str],
) -> List[List[tf.Tensor]]:
    """Runs all paths of a cycle on one batch, path p on device p modulo their number.

    Args:
        skeleton: the network's definition.
        x: [B, H, W, 6] in [-1, 1].
        weights: the supernet's.
        path_of: int32 [genes, paths], the path that each slot of a gene serves (see ``fairness.routing``).
        option_of: int32 [genes, paths], the option in each slot.
        devices: names.

    Returns:
        For each path its predictions, coarse to fine, as ``routed.build_fair_cycle`` gives them, on the path's device.
    """
    norm = BatchNorm(weights)
    stages = list(skeleton.stages)
    with tf.device(devices[0]):
        while len(stages[0].options) == 1:  # the stem, which the paths share
            x = apply_stage(skeleton, stages.pop(0), 0, x, norm)
    with tf.device(HOST):
        slots = [tf.math.invert_permutation(row) for row in tf.unstack(path_of)]
        options = [tf.unstack(tf.gather(row, slot)) for row, slot in zip(tf.unstack(option_of), slots)]
    predictions = []
    for path in range(path_of.shape[1].value):
        with tf.device(devices[path % len(devices)]):
            predictions.append(_path(skeleton, stages, x, norm, [of_gene[path] for of_gene in options]))
    return predictions


def _path(
    skeleton: Skeleton, stages: Sequence[Stage], x: tf.Tensor, norm: BatchNorm, options: Sequence[tf.Tensor]
) -> List[tf.Tensor]:
    """One path behind the stem, its options fed."""
    genes = iter(options)
    flows: List[tf.Tensor] = []
    for stage in stages:
        branches = [
            functools.partial(apply_stage, skeleton, stage, option, x, norm) for option in range(len(stage.options))
        ]
        y = compute_chosen(next(genes), branches) if len(branches) > 1 else branches[0]()
        if stage.kind is Kind.FLOW:
            flows.append(accumulate_flow(flows, y))
        else:
            x = y
    return flows
