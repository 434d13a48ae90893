"""Published figures of the network that the search starts from."""

from typing import NamedTuple, Tuple


class Published(NamedTuple):
    """Published figures of a network; they apply to one board and one image size only.

    Attributes:
        name: Name of the network.
        board: Name of the board, as in the board's file.
        size: Height and width of the images, in pixels.
        padded: Height and width of the network's input, in pixels.
        fps: Inferences per second.
        sram_kib: Peak size of the arena, in KiB.
    """

    name: str
    board: str
    size: Tuple[int, int]
    padded: Tuple[int, int]
    fps: float
    sram_kib: float

    def is_comparable(self, board: str, padded: Tuple[int, int]) -> bool:
        """Return whether figures for a board and an input size can be compared with the published ones."""
        return board == self.board and padded == self.padded

    def describe(self, board: str, padded: Tuple[int, int]) -> str:
        """Return a sentence with the figures, and with a reason if they cannot be compared with those of a front."""
        height, width = self.size
        figures = f"{self.name}, as published: {self.sram_kib:g} KiB of SRAM and {self.fps:g} FPS"
        place = f"on the {self.board} at {height}x{width}"
        if self.is_comparable(board, padded):
            return f"{figures} {place}, the board and size of this front."
        return f"{figures} {place}. This front is for {board} at {padded[0]}x{padded[1]}: the two cannot be compared."


# EdgeFlowNet (RA-L 2024), with its transposed convolutions.
EDGEFLOWNET = Published("EdgeFlowNet", "Grove Vision AI V2", (172, 224), (176, 224), 5.32, 1694.0)
