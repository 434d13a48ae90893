"""Pictures of predicted flow beside its frames, with a legend, without ground truth."""

from typing import Optional, Sequence

import cv2
import numpy as np

from edgeflownas.data.flow_colour import colour_flow

_HEIGHT, _WIDTH = 240, 640  # pixels up to which small frames are enlarged, by a whole factor
_LEGEND = 72  # height of the legend, in pixels
_MARGIN = 6  # pixels
_LINE = 18  # height of a line of text, in pixels
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_ARROWS = 18  # arrows along the longer side of a frame
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def draw_prediction(
    frames: Sequence[np.ndarray],
    flow: np.ndarray,
    longest: float,
    arrows: bool = False,
    largest_width: Optional[int] = None,
) -> np.ndarray:
    """Draw frames and their flow side by side, above a legend.

    Args:
        frames: RGB frames, uint8 [H, W, 3] each; the flow begins at the first.
        flow: Flow in pixels, float32 [H, W, 2].
        longest: Length that is drawn fully saturated, in pixels.
        arrows: Whether to draw the flow as arrows on the first frame.
        largest_width: Width up to which larger frames are made smaller, in pixels; if None, they keep their size.

    Returns:
        RGB image, uint8 [H', W', 3].
    """
    panels = [_zoom(image, largest_width) for image in (*frames, colour_flow(flow, longest))]
    text = [f"largest motion {_largest_motion(flow):.2f} px", f"full colour at {longest:.2f} px; white: no motion"]
    if arrows:
        factor = _draw_arrows(panels[0], flow, longest)
        text.append(f"arrows: {factor:.2g} times the motion")
    picture = np.concatenate(panels, axis=1)
    legend = _draw_legend(text)
    width = max(picture.shape[1], legend.shape[1])
    return np.concatenate([_fill_to_width(picture, width), _fill_to_width(legend, width)])


def draw_wheel(size: int) -> np.ndarray:
    """Draw the colours of all flow up to the scale: each direction seen from the centre.

    Args:
        size: Height and width, in pixels.

    Returns:
        RGB image, uint8 [size, size, 3], white outside the wheel.
    """
    radius = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - radius
    flow = np.stack([x, y], axis=-1).astype(np.float32) / radius
    inside = np.hypot(x, y) <= radius
    return np.where(inside[..., None], colour_flow(flow, 1.0), np.uint8(255))


def _largest_motion(flow: np.ndarray) -> float:
    return float(np.linalg.norm(flow, axis=-1).max())


def _zoom(image: np.ndarray, largest_width: Optional[int]) -> np.ndarray:
    """Enlarge a small image by a whole factor, or make a large one smaller."""
    height, width = image.shape[:2]
    if largest_width is not None and width > largest_width:
        size = largest_width, max(1, round(height * largest_width / width))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    factor = max(1, min(-(-_HEIGHT // height), _WIDTH // width))
    return np.ascontiguousarray(image.repeat(factor, axis=0).repeat(factor, axis=1))


def _draw_arrows(panel: np.ndarray, flow: np.ndarray, longest: float) -> float:
    """Draw the flow as arrows on a panel; the longest possible arrow fills the distance between two arrows.

    Returns:
        Length of an arrow as a multiple of the motion.
    """
    zoom = panel.shape[0] / flow.shape[0]
    step = max(12, round(max(panel.shape[:2]) / _ARROWS))
    factor = step / (zoom * max(longest, 1e-9))
    for y in range(step // 2, panel.shape[0], step):
        for x in range(step // 2, panel.shape[1], step):
            u, v = flow[min(int(y / zoom), len(flow) - 1), min(int(x / zoom), flow.shape[1] - 1)] * zoom * factor
            end = round(float(x + u)), round(float(y + v))
            for colour, thickness in ((_BLACK, 3), (_WHITE, 1)):
                cv2.arrowedLine(panel, (x, y), end, colour, thickness, cv2.LINE_AA, tipLength=0.35)
    return factor


def _draw_legend(text: Sequence[str]) -> np.ndarray:
    """Draw the wheel, and lines of text to the right of it."""
    wheel = np.pad(
        draw_wheel(_LEGEND - 2 * _MARGIN), ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255
    )
    widths = [cv2.getTextSize(line, _FONT, _FONT_SCALE, 1)[0][0] for line in text]
    lines = np.full((_LEGEND, max(widths) + 2 * _MARGIN, 3), 255, np.uint8)
    first = (_LEGEND - len(text) * _LINE) // 2 + _LINE - 5
    for place, line in enumerate(text):
        cv2.putText(lines, line, (_MARGIN, first + place * _LINE), _FONT, _FONT_SCALE, _BLACK, 1, cv2.LINE_AA)
    return np.concatenate([wheel, lines], axis=1)


def _fill_to_width(image: np.ndarray, width: int) -> np.ndarray:
    """Add white at the right of an image."""
    return np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), mode="constant", constant_values=255)
