"""Compares the count with what the evaluator really runs, piece by piece."""

from typing import Any, List

import pytest

from benchmarks.tree_computation import TreeComputation, count_mean_single, count_single
from edgeflownas.network.build import CURRENT
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Architecture, Space
from supernet.tree import TreeEvaluator
from tests.small import DATA, OTHER_STAGES, evaluation_data, weights_for

SKELETON = Skeleton(4, OTHER_STAGES)
SPACE = Space.from_skeleton(SKELETON)
SIZE = DATA.height, DATA.width
PAIRS = 6, 6  # as evaluation_data has them


def macs(stage: Stage, option: int) -> int:
    return SKELETON.stage_macs(stage, option, *SIZE)


class CountingEvaluator(TreeEvaluator):
    """Counts the multiply-accumulates of what it runs, from the fetched tensors and the number of images."""

    total = 0.0

    def _run(self, fetches: Any, feed: Any) -> Any:
        if self._heads is not None and self._heads.inputs[CURRENT] in feed:
            self.total += len(feed[self._heads.inputs[CURRENT]]) * self._count_heads(fetches)
        for (depth, option), piece in self._pieces.items():
            x = piece.inputs[CURRENT]
            if x in feed:
                self.total += len(feed[x]) * self._count_piece(depth, option)
        return super()._run(fetches, feed)

    def _count_piece(self, depth: int, option: int) -> int:
        """Count a piece; written out for the stages of tests.small: E0 with E1, then EB0 with Up."""
        (first, second), (third, fourth) = OTHER_STAGES[:2], OTHER_STAGES[2:4]
        return macs(first, option) + macs(second, 0) if depth == 0 else macs(third, option) + macs(fourth, 0)

    def _count_heads(self, fetches: Any) -> float:
        coarse, fine, out = OTHER_STAGES[4:]
        if isinstance(next(iter(fetches.values())), dict):  # statistics, by the options of the head's body
            return float(sum(macs(fine, option) for (option,) in fetches))
        # Flows. All options of a flow stage are one kernel of the largest size, with two of four channels.
        bodies = {options for number, options in fetches if number}
        flows = macs(coarse, 1) + len(bodies) * macs(out, 1)
        return sum(macs(fine, option) for (option,) in bodies) + flows * 2 / 2


@pytest.mark.parametrize(
    "calls",
    [
        [["00000"]],
        [["00000"], ["00010"], ["03110"], ["13121"]],
        [["00000", "00001", "01010", "13121", "13101"], ["01000", "01020", "02000"]],
        [["0.", "13"], ["03", "11"]],
    ],
)
def test_count_equals_what_is_run(calls: List[List[str]]) -> None:
    tree = CountingEvaluator(SKELETON, weights_for(SKELETON), evaluation_data(), threads=1)
    count = TreeComputation(SKELETON, SIZE, PAIRS)
    for call in calls:
        prefixes = tuple(prefix.strip(".") for prefix in call)
        requested = [architecture for architecture in SPACE.all() if SPACE.format(architecture).startswith(prefixes)]
        before = tree.total
        for _ in tree.score(requested):
            pass
        assert count.count_call(requested) == pytest.approx(tree.total - before)


def test_single_architecture_computes_all_but_its_flow_outputs_twice() -> None:
    architecture: Architecture = (1, 2, 0, 1, 1)
    parts = [(macs(stage, option), stage.is_flow) for stage, option in SKELETON.route(architecture)]
    expected = sum(count * (PAIRS[1] if is_flow else sum(PAIRS)) for count, is_flow in parts)
    assert count_single(SKELETON, SIZE, PAIRS, architecture) == expected
    counts = [count_single(SKELETON, SIZE, PAIRS, architecture) for architecture in SPACE.all()]
    assert count_mean_single(SKELETON, SIZE, PAIRS) == pytest.approx(sum(counts) / len(counts))
