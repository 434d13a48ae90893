"""A fair cycle whose paths run on several devices.

A path stays on its device from the first gene to the loss. Only the stem's activation, the weights of the options that
the path takes, and their gradients are transferred between devices. (If options stayed on devices and activations were
transferred, the device with the heaviest option would delay the others at every gene.) Each path sees the whole batch,
so BN statistics and gradients are the same as on one device, and it computes only the options that it takes.
"""

import functools
from typing import List, Sequence

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
    """Build all paths of a cycle on one batch, like ``build_fair_cycle``, and place them on the devices in turn.

    Returns:
        Predictions of each path, coarse to fine, on the path's device.
    """
    norm = BatchNorm(weights)
    stages = list(skeleton.stages)
    inputs: Activations = {CURRENT: x}
    with tf.device(devices[0]):
        while not (stages[0].is_gene or stages[0].is_flow):  # the stem, which all paths share
            stem = stages.pop(0)
            inputs = follow_stage(skeleton, stem, inputs, apply_stage(skeleton, stem, 0, inputs, norm))
    with tf.device(HOST):
        slots = [tf.math.invert_permutation(row) for row in tf.unstack(path_of)]
        options = [tf.unstack(tf.gather(row, slot)) for row, slot in zip(tf.unstack(option_of), slots)]
    predictions = []
    for path in range(path_of.shape[1].value):
        with tf.device(devices[path % len(devices)]):
            predictions.append(_build_path(skeleton, stages, inputs, norm, [by_path[path] for by_path in options]))
    return predictions


def _build_path(
    skeleton: Skeleton, stages: Sequence[Stage], inputs: Activations, norm: BatchNorm, options: Sequence[tf.Tensor]
) -> List[tf.Tensor]:
    """Build the path after the stem, whose options are fed."""
    genes = iter(options)
    flows: List[tf.Tensor] = []
    for stage in stages:
        branches = [
            functools.partial(apply_stage, skeleton, stage, option, inputs, norm)
            for option in range(len(stage.options))
        ]
        y = compute_chosen(next(genes), branches) if len(branches) > 1 else branches[0]()
        if stage.is_flow:
            flows.append(accumulate_flow(flows, y))
        else:
            inputs = follow_stage(skeleton, stage, inputs, y)
    return flows
