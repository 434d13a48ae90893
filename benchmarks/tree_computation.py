"""Count the multiply-accumulates of ``supernet.tree`` without computing anything."""

import itertools
from typing import Dict, List, Sequence, Set, Tuple

import numpy as np

from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Architecture

_FLOW = 2  # channels of a flow output that the tree evaluator computes, of four

Options = Tuple[int, ...]


def count_single(
    skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int], architecture: Architecture
) -> float:
    """Return the multiply-accumulates of scoring one architecture by itself.

    Args:
        skeleton: Definition of the network.
        size: Height and width of the images, in pixels.
        pairs: Number of image pairs for calibration, and for validation.
        architecture: Architecture to score.
    """
    return sum(
        skeleton.stage_macs(stage, option, *size) * (pairs[1] if stage.is_flow else sum(pairs))
        for stage, option in skeleton.route(architecture)
    )


def count_mean_single(skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int]) -> float:
    """Return the mean of ``count_single`` over all architectures; the arguments are the same."""
    return sum(
        float(np.mean([skeleton.stage_macs(stage, option, *size) for option in range(len(stage.options))]))
        * (pairs[1] if stage.is_flow else sum(pairs))
        for stage in skeleton.stages
    )


class TreeComputation:
    """Counter of the multiply-accumulates of one tree evaluator over successive calls.

    Statistics are kept between calls, activations are not: the path to a backbone is computed again for validation in
    every call, and for calibration in every call in which something behind it has no statistics yet. All options of a
    flow stage are always computed, as one convolution with their largest kernel.
    """

    def __init__(self, skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int]) -> None:
        """Create a counter; the arguments are those of ``count_single``."""
        self._skeleton, self._size, self._pairs = skeleton, size, pairs
        first = [stage.is_flow for stage in skeleton.stages].index(True)
        self._backbone, self._head = skeleton.stages[:first], skeleton.stages[first:]
        self._known: Set[Options] = set()  # options of the path to each BN that has statistics

    def count_call(self, architectures: Sequence[Architecture]) -> float:
        """Return the multiply-accumulates of a call that scores exactly these architectures."""
        bodies: Dict[Options, Set[Options]] = {}  # options of the head's body, by those of the backbone
        for architecture in architectures:
            path = [option for stage, option in self._skeleton.route(architecture) if not stage.is_flow]
            depth = len(self._backbone)
            bodies.setdefault(tuple(path[:depth]), set()).add(tuple(path[depth:]))
        validated, calibrated = set(), set()
        heads = 0.0
        for backbone in sorted(bodies):
            paths = {backbone[: i + 1] for i in range(len(backbone))}
            validated |= paths
            macs, new = self._count_heads(backbone, bodies[backbone])
            heads += macs
            # The statistics of one stage require the activations of all stages before it.
            unknown = [path for path in paths if path not in self._known]
            deepest = len(backbone) if new else max(map(len, unknown), default=0)
            calibrated |= {path for path in paths if len(path) <= deepest}
            self._known |= paths
        count = self._count_last
        return heads + self._pairs[1] * sum(map(count, validated)) + self._pairs[0] * sum(map(count, calibrated))

    def _count_last(self, path: Options) -> int:
        """Count the last stage on a path through the backbone."""
        return self._skeleton.stage_macs(self._backbone[len(path) - 1], path[-1], *self._size)

    def _count_heads(self, backbone: Options, bodies: Set[Options]) -> Tuple[float, bool]:
        """Count the heads behind a backbone; also return whether any of their statistics were unknown.

        The body of a head is its stages without the flow stages.
        """
        stages = [stage for stage in self._head if not stage.is_flow]
        total, new = 0.0, False
        all_bodies = itertools.product(*(range(len(stage.options)) for stage in stages))
        for _, group in itertools.groupby(all_bodies, lambda body: body[:-1]):
            siblings = list(group)
            parts = [siblings] if bodies.issuperset(siblings) else [[body] for body in siblings if body in bodies]
            for part in parts:
                paths = {body[: depth + 1] for body in part for depth in range(len(stages))}
                macs = sum(self._skeleton.stage_macs(stages[len(path) - 1], path[-1], *self._size) for path in paths)
                unknown = any(backbone + path not in self._known for path in paths)
                self._known |= {backbone + path for path in paths}
                new |= unknown
                total += macs * (sum(self._pairs) if unknown else self._pairs[1])
                for stage, depth in self._flow_stages():
                    total += self._pairs[1] * self._count_flow(stage) * len({body[:depth] for body in part})
        return total, new

    def _flow_stages(self) -> List[Tuple[Stage, int]]:
        """Return the flow stages, with the number of stages of the head's body before each of them."""
        is_flow = [stage.is_flow for stage in self._head]
        return [(stage, is_flow[:i].count(False)) for i, stage in enumerate(self._head) if is_flow[i]]

    def _count_flow(self, stage: Stage) -> float:
        """Count all options of a flow stage together."""
        largest = len(stage.options) - 1
        (convolution,) = self._skeleton.convolutions(stage, largest)
        return self._skeleton.stage_macs(stage, largest, *self._size) * len(stage.options) * _FLOW / convolution.outputs
