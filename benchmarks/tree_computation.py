"""How much ``supernet.tree`` computes, without computing it: multiply-accumulates in terms of one architecture's."""

import itertools
from typing import Dict, List, Sequence, Set, Tuple

import numpy as np

from edgeflownas.network.skeleton import Kind, Skeleton, Stage
from edgeflownas.network.space import Architecture

_FLOW = 2  # of the four channels of a flow output, those that the tree evaluator computes

Options = Tuple[int, ...]


def alone(skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int], architecture: Architecture) -> float:
    """Multiply-accumulates of one architecture by itself.

    Args:
        skeleton: the network's definition.
        size: height and width of the images.
        pairs: to calibrate with, and to validate with.
        architecture: to score.
    """
    return sum(
        skeleton.stage_macs(stage, option, *size) * (pairs[1] if stage.kind is Kind.FLOW else sum(pairs))
        for stage, option in skeleton.route(architecture)
    )


def mean_alone(skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int]) -> float:
    """``alone`` of the mean architecture."""
    return sum(
        float(np.mean([skeleton.stage_macs(stage, option, *size) for option in range(len(stage.options))]))
        * (pairs[1] if stage.kind is Kind.FLOW else sum(pairs))
        for stage in skeleton.stages
    )


class TreeComputation:
    """Counts what one evaluator computes from call to call.

    Statistics are kept between calls, activations are not: what leads to a backbone is computed again for validation in
    every call, and for calibration in every call in which something behind it has no statistics yet. Of a flow stage
    all options are always computed, as one convolution of their largest kernel.
    """

    def __init__(self, skeleton: Skeleton, size: Tuple[int, int], pairs: Tuple[int, int]) -> None:
        """Takes what ``alone`` takes."""
        self._skeleton, self._size, self._pairs = skeleton, size, pairs
        first = [stage.kind for stage in skeleton.stages].index(Kind.FLOW)
        self._body, self._head = skeleton.stages[:first], skeleton.stages[first:]
        self._known: Set[Options] = set()  # the options of the path to each BN that has statistics

    def call(self, architectures: Sequence[Architecture]) -> float:
        """Multiply-accumulates of a call that scores these architectures and nothing else."""
        trunks: Dict[Options, Set[Options]] = {}
        for architecture in architectures:
            path = [option for stage, option in self._skeleton.route(architecture) if stage.kind is not Kind.FLOW]
            body = len(self._body)
            trunks.setdefault(tuple(path[:body]), set()).add(tuple(path[body:]))
        validated, calibrated = set(), set()
        heads = 0.0
        for body_path in sorted(trunks):
            along = {body_path[: i + 1] for i in range(len(body_path))}
            validated |= along
            head, new = self._heads(body_path, trunks[body_path])
            heads += head
            # To find the statistics of one place, the activations of all before it are needed.
            unknown = [path for path in along if path not in self._known]
            deepest = len(body_path) if new else max(map(len, unknown), default=0)
            calibrated |= {path for path in along if len(path) <= deepest}
            self._known |= along
        total = self._pairs[1] * sum(map(self._macs, validated)) + self._pairs[0] * sum(map(self._macs, calibrated))
        return heads + total

    def _macs(self, path: Options) -> int:
        """Of the last stage on a path through the body."""
        return self._skeleton.stage_macs(self._body[len(path) - 1], path[-1], *self._size)

    def _heads(self, body: Options, trunks: Set[Options]) -> Tuple[float, bool]:
        """Of the heads behind a backbone, and whether any statistics of theirs were unknown."""
        stages = [stage for stage in self._head if stage.kind is not Kind.FLOW]
        total, new = 0.0, False
        every = itertools.product(*(range(len(stage.options)) for stage in stages))
        for _, group in itertools.groupby(every, lambda trunk: trunk[:-1]):
            together = list(group)
            parts = [together] if trunks.issuperset(together) else [[each] for each in together if each in trunks]
            for part in parts:
                along = {trunk[: depth + 1] for trunk in part for depth in range(len(stages))}
                macs = sum(self._skeleton.stage_macs(stages[len(path) - 1], path[-1], *self._size) for path in along)
                unknown = any(body + path not in self._known for path in along)
                self._known |= {body + path for path in along}
                new |= unknown
                total += macs * (sum(self._pairs) if unknown else self._pairs[1])
                for stage, depth in self._flows():
                    total += self._pairs[1] * self._flow(stage) * len({trunk[:depth] for trunk in part})
        return total, new

    def _flows(self) -> List[Tuple[Stage, int]]:
        """The flow stages, each with the number of the head's trunk stages before it."""
        kinds = [stage.kind is Kind.FLOW for stage in self._head]
        return [(stage, kinds[:i].count(False)) for i, stage in enumerate(self._head) if kinds[i]]

    def _flow(self, stage: Stage) -> float:
        """Of all options of a flow stage together."""
        largest = max(range(len(stage.options)), key=stage.options.__getitem__)
        (convolution,) = self._skeleton.convolutions(stage, largest)
        return self._skeleton.stage_macs(stage, largest, *self._size) * len(stage.options) * _FLOW / convolution.outputs
