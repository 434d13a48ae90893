import itertools

import pytest

from benchmarks.fair_cycle import count_arithmetic
from edgeflownas.network.definition import default_skeleton


def test_arithmetic_of_a_fair_cycle_is_that_of_three_disjoint_paths_with_a_common_stem():
    skeleton, size = default_skeleton(8), (64, 96)
    paths = sum(
        skeleton.stage_macs(stage, option, *size)
        for choice in range(3)
        for stage, option in skeleton.route((choice,) * len(skeleton.choice_blocks))
    )
    stem = itertools.takewhile(lambda stage: len(stage.options) == 1, skeleton.stages)
    paths -= 2 * sum(skeleton.stage_macs(stage, 0, *size) for stage in stem)
    everything = sum(
        skeleton.stage_macs(stage, option, *size) for stage in skeleton.stages for option in range(len(stage.options))
    )
    assert count_arithmetic(skeleton, *size) == pytest.approx(3 * everything / paths)
    assert count_arithmetic(skeleton, *size) > 1
