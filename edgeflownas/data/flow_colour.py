"""Middlebury's colour coding of flow: hue is direction, saturation is length (Baker et al., IJCV 2011)."""

from typing import Optional, Tuple

import numpy as np

# Segments of the wheel: number of steps, first colour, and change of the channels over the segment.
_SEGMENTS: Tuple[Tuple[int, Tuple[int, int, int], Tuple[int, int, int]], ...] = (
    (15, (1, 0, 0), (0, 1, 0)),  # red to yellow
    (6, (1, 1, 0), (-1, 0, 0)),  # yellow to green
    (4, (0, 1, 0), (0, 0, 1)),  # green to cyan
    (11, (0, 1, 1), (0, -1, 0)),  # cyan to blue
    (13, (0, 0, 1), (1, 0, 0)),  # blue to magenta
    (6, (1, 0, 1), (0, 0, -1)),  # magenta to red
)
_BEYOND = 0.75  # brightness of flow that is longer than the scale


def _make_wheel() -> np.ndarray:
    """Return the 55 colours of the wheel, [55, 3] in [0, 1]."""
    parts = []
    for steps, start, change in _SEGMENTS:
        share = np.floor(255 * np.arange(steps) / steps)[:, None] / 255
        parts.append(np.array(start) + share * np.array(change))
    return np.concatenate(parts)


def colour_flow(flow: np.ndarray, longest: Optional[float] = None, valid: Optional[np.ndarray] = None) -> np.ndarray:
    """Draw flow as an image. No motion is white.

    Args:
        flow: Flow, float32 [H, W, 2], in pixels.
        longest: Length that is drawn fully saturated, in pixels; if None, the largest length in the flow.
        valid: Pixels with known flow, bool [H, W]; the others are black.

    Returns:
        RGB image, uint8 [H, W, 3].
    """
    known = np.ones(flow.shape[:2], bool) if valid is None else valid
    length = np.linalg.norm(flow, axis=-1)
    if longest is None:
        longest = float(length[known].max()) if known.any() else 0.0
    radius = length / max(longest, 1e-9)
    wheel = _make_wheel()
    place = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(int)
    share = (place - below)[..., None]
    colour = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]
    pale = 1 - radius[..., None] * (1 - colour)
    image = np.where(radius[..., None] <= 1 + 1e-6, pale, colour * _BEYOND)
    return np.where(known[..., None], np.floor(255 * np.clip(image, 0, 1)), 0).astype(np.uint8)
