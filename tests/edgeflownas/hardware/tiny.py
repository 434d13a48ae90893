"""A space of six architectures, and the real board and compiler."""

from pathlib import Path

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.vela import default_command
from edgeflownas.network.skeleton import Kind, Skeleton, Stage

ROOT = Path(__file__).parents[3]
BOARDS = ROOT / "configs/hardware"
VELA = str(ROOT / default_command())  # an absolute one stays as it is
HEIGHT, WIDTH = 32, 48

TINY = Skeleton(
    8,
    (
        Stage("E0", Kind.CONV, scale=2, width=2, options=(3,), stride=2),
        Stage("EB0", Kind.RESIDUAL, scale=2, width=2, options=(1, 2, 3)),
        Stage("Coarse", Kind.FLOW, scale=2, width=0, options=(3,)),
        Stage("Up", Kind.UP, scale=1, width=1, options=(3,)),
        Stage("Out", Kind.FLOW, scale=1, width=0, options=(3, 7)),
    ),
)


def grove() -> Board:
    return Board.load(BOARDS / "grove_vision_ai_v2.yaml")
