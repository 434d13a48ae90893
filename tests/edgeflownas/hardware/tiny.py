"""A space of six architectures, and the real board and compiler."""

from pathlib import Path

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.vela import default_command
from edgeflownas.network.operations import Conv, Flow, Residual, Upsample
from edgeflownas.network.skeleton import Skeleton
from tests.small import make_stage

ROOT = Path(__file__).parents[3]
BOARDS = ROOT / "configs/hardware"
VELA = str(ROOT / default_command())  # an absolute one stays as it is
HEIGHT, WIDTH = 32, 48

TINY = Skeleton(
    8,
    (
        make_stage("E0", Conv, (3,), width=1, stride=2),
        make_stage("EB0", Residual, (1, 2, 3), width=1),
        make_stage("Coarse", Flow, (3,)),
        make_stage("Up", Upsample, (3,), width=0.5),
        make_stage("Out", Flow, (3, 7)),
    ),
)


def grove() -> Board:
    return Board.load(BOARDS / "grove_vision_ai_v2.yaml")
