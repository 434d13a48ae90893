"""What was published of the network that the search sets out from."""

from typing import NamedTuple, Tuple


class Published(NamedTuple):
    """Figures of a network; they hold for one board and one size of image alone.

    Attributes:
        name: of the network.
        board: as its file calls it.
        size: height and width of the images, pixels.
        padded: what the network works at.
        fps: inferences per second.
        sram_kib: peak of the arena.
    """

    name: str
    board: str
    size: Tuple[int, int]
    padded: Tuple[int, int]
    fps: float
    sram_kib: float

    def is_comparable(self, board: str, padded: Tuple[int, int]) -> bool:
        """Whether figures of a board and a size may stand beside these."""
        return board == self.board and padded == self.padded

    def describe(self, board: str, padded: Tuple[int, int]) -> str:
        """The figures for people, and what they may be compared with."""
        height, width = self.size
        figures = f"{self.name}, as published: {self.sram_kib:g} KiB of SRAM and {self.fps:g} FPS"
        place = f"on the {self.board} at {height}x{width}"
        if self.is_comparable(board, padded):
            return f"{figures} {place}, the board and size of this front."
        return f"{figures} {place}. This front is for {board} at {padded[0]}x{padded[1]}: the two cannot be compared."


# EdgeFlowNet (RA-L 2024), with its transposed convolutions.
EDGEFLOWNET = Published("EdgeFlowNet", "Grove Vision AI V2", (172, 224), (176, 224), 5.32, 1694.0)
