import pytest

from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.operations import Flow
from edgeflownas.network.skeleton import Skeleton
from tests.small import NINE_GENES, make_stage


def test_supernet_has_exactly_the_parameters_of_its_children():
    skeleton = default_skeleton(8)
    children = {}
    for option in range(3):
        children.update(skeleton.parameters((option,) * 9))
    assert children == skeleton.parameters()


def test_depth_options_share_no_weights_and_kernel_options_share_their_bn():
    skeleton = default_skeleton(8)
    one, three = (set(skeleton.parameters((option,) + (0,) * 8)) for option in (0, 2))
    assert not {name for name in one & three if name.startswith("EB0")}
    small, large = (set(skeleton.parameters((0,) * 5 + (option,) + (0,) * 3)) for option in (0, 2))
    assert {name for name in small & large if name.startswith("H1/")} == {"H1/bn/gamma", "H1/bn/beta"}


def test_macs_of_the_lightest_architecture_match_a_count_by_hand():
    height, width, c = 64, 96, 8
    pixels = height * width
    macs = (
        pixels // 4 * 49 * 6 * c  # E0
        + pixels // 16 * 25 * c * 2 * c  # E1
        + pixels // 16 * 2 * 9 * (2 * c) ** 2  # EB0
        + pixels // 64 * 9 * 2 * c * 4 * c  # Down1
        + pixels // 64 * 2 * 9 * (4 * c) ** 2  # EB1
        + pixels // 256 * 9 * 4 * c * 8 * c  # Down2
        + pixels // 256 * 2 * 9 * (8 * c) ** 2  # DB0
        + pixels // 64 * 9 * 8 * c * 4 * c  # Up1
        + pixels // 64 * 2 * 9 * (4 * c) ** 2  # DB1
        + pixels // 16 * 9 * 4 * c * 2 * c  # Up2
        + pixels // 16 * 9 * 2 * c * 4  # H0Out
        + pixels // 4 * 9 * 2 * c * c  # H1
        + pixels // 4 * 9 * c * 4  # H1Out
        + pixels * 9 * c * (c // 2)  # H2
        + pixels * 9 * (c // 2) * 4  # H2Out
    )
    assert default_skeleton(c).macs((0,) * 9, height, width) == macs


@pytest.mark.parametrize("gene", range(9))
def test_heavier_options_cost_more(gene):
    skeleton = default_skeleton(8)
    macs = [skeleton.macs(tuple(option if i == gene else 1 for i in range(9)), 64, 96) for option in range(3)]
    assert macs == sorted(macs) and len(set(macs)) == 3


def test_digest_differs_between_definitions():
    other = NINE_GENES[:-1] + (make_stage("H2Out", Flow, (3, 5, 9)),)
    assert len({default_skeleton(8).digest(), default_skeleton(16).digest(), Skeleton(8, other).digest()}) == 3
    assert default_skeleton(8).digest() == Skeleton(8, NINE_GENES).digest()


@pytest.mark.parametrize("width", [0, 7, -2])
def test_odd_or_non_positive_width_is_refused(width):
    with pytest.raises(ValueError, match="even number"):
        default_skeleton(width)
