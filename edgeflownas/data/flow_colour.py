"""Flow as colours, the Middlebury way: hue is the direction, saturation the length (Baker et al., IJCV 2011)."""

from typing import Optional, Tuple

import numpy as np

# Around the wheel: number of steps from one colour to the next, and the channels that rise or fall meanwhile.
_SEGMENTS: Tuple[Tuple[int, Tuple[int, int, int], Tuple[int, int, int]], ...] = (
    (15, (1, 0, 0), (0, 1, 0)),  # red to yellow
    (6, (1, 1, 0), (-1, 0, 0)),  # yellow to green
    (4, (0, 1, 0), (0, 0, 1)),  # green to cyan
    (11, (0, 1, 1), (0, -1, 0)),  # cyan to blue
    (13, (0, 0, 1), (1, 0, 0)),  # blue to magenta
    (6, (1, 0, 1), (0, 0, -1)),  # magenta to red
)
_BEYOND = 0.75  # brightness of what is longer than the longest that is shown


def _wheel() -> np.ndarray:
    """The 55 colours of the wheel, [55, 3] in [0, 1]."""
    parts = []
    for steps, start, change in _SEGMENTS:
        share = np.floor(255 * np.arange(steps) / steps)[:, None] / 255
        parts.append(np.array(start) + share * np.array(change))
    return np.concatenate(parts)


def colour_flow(flow: np.ndarray, longest: Optional[float] = None, valid: Optional[np.ndarray] = None) -> np.ndarray:
    """Draws flow.

    Args:
        flow: float32 [H, W, 2], pixels.
        longest: length that is shown fully saturated, pixels; None: the flow's own longest.
        valid: bool [H, W]; what is not valid is black.

    Returns:
        uint8 [H, W, 3], RGB; no motion is white.
    """
    known = np.ones(flow.shape[:2], bool) if valid is None else valid
    length = np.linalg.norm(flow, axis=-1)
    if longest is None:
        longest = float(length[known].max()) if known.any() else 0.0
    radius = length / max(longest, 1e-9)
    wheel = _wheel()
    place = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(int)
    share = (place - below)[..., None]
    colour = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]
    pale = 1 - radius[..., None] * (1 - colour)
    image = np.where(radius[..., None] <= 1 + 1e-6, pale, colour * _BEYOND)
    return np.where(known[..., None], np.floor(255 * np.clip(image, 0, 1)), 0).astype(np.uint8)
