"""Pictures of a prediction next to its ground truth: first image, true flow, predicted flow and error."""

from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.data.sample import Sample
from edgeflownas.evaluation.metrics import OUTLIER_PIXELS, OUTLIER_SHARE, compute_outlier_errors

LABELS = ("image", "truth", "prediction", "error")
# KITTI's colours of errors (Menze and Geiger, CVPR 2015): upper bound of the error, in pixels, and RGB colour.
ERROR_COLOURS: Tuple[Tuple[float, Tuple[int, int, int]], ...] = (
    (0.1875, (49, 54, 149)),
    (0.375, (69, 117, 180)),
    (0.75, (116, 173, 209)),
    (1.5, (171, 217, 233)),
    (3.0, (224, 243, 248)),
    (6.0, (254, 224, 144)),
    (12.0, (253, 174, 97)),
    (24.0, (244, 109, 67)),
    (48.0, (215, 48, 39)),
    (float("inf"), (165, 0, 38)),
)
_LINE = 16  # height of a line of text, in pixels
_LETTER = 7  # width, in pixels
_SWATCH = 40  # width of a colour in the legend, in pixels
_FONT = cv2.FONT_HERSHEY_PLAIN


def colour_errors(error: np.ndarray, motion: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Draw errors as an image, in KITTI's colours: by the smaller of the absolute and the relative error.

    Args:
        error: End-point errors, [H, W], in pixels.
        motion: Lengths of the true flow, [H, W], in pixels.
        valid: Pixels with known flow, bool [H, W]; the others are black.

    Returns:
        RGB image, uint8 [H, W, 3].
    """
    bounds = [bound for bound, _ in ERROR_COLOURS[:-1]]
    colours = np.array([colour for _, colour in ERROR_COLOURS], np.uint8)
    steps = np.digitize(compute_outlier_errors(error, motion), bounds)
    image: np.ndarray = np.where(valid[..., None], colours[steps], 0).astype(np.uint8)
    return image


def longest_flow(flow: np.ndarray, valid: Optional[np.ndarray] = None) -> Optional[float]:
    """Return the length of the longest flow vector in pixels; None if no flow is known.

    Args:
        flow: Flow, float32 [H, W, 2], in pixels.
        valid: Pixels with known flow, bool [H, W]; if None, all.
    """
    lengths = np.linalg.norm(flow, axis=-1)
    known = lengths if valid is None else lengths[valid]
    return float(known.max()) if known.size else None


def describe_flow(sample: Sample, flow: np.ndarray) -> str:
    """Return a phrase with the longest true and the longest predicted flow, which the colours are scaled by."""
    true, predicted = longest_flow(sample.flow, sample.valid), longest_flow(flow)
    return f"longest flow {'n/a' if true is None else f'{true:.1f} px'}, predicted {predicted:.1f} px"


def draw_panels(sample: Sample, flow: np.ndarray) -> List[np.ndarray]:
    """Draw the four images, in the order of ``LABELS``. Both flows are scaled to the longest true motion.

    If no true flow is known, or nothing moves, the predicted flow is scaled to its own longest motion.

    Args:
        sample: Images and true flow.
        flow: Predicted flow, float32 [H, W, 2], in pixels.

    Returns:
        RGB images, uint8 [H, W, 3].
    """
    longest = longest_flow(sample.flow, sample.valid) or longest_flow(flow)
    error = np.linalg.norm(flow - sample.flow, axis=-1)
    return [
        sample.images[..., :3],
        colour_flow(sample.flow, longest, sample.valid),
        colour_flow(flow, longest),
        colour_errors(error, np.linalg.norm(sample.flow, axis=-1), sample.valid),
    ]


def draw_picture(sample: Sample, flow: np.ndarray, epe: Optional[float]) -> np.ndarray:
    """Draw the four images side by side, and below them the EPE, the longest flow and the colours of the errors.

    Args:
        sample: Images and true flow.
        flow: Predicted flow, float32 [H, W, 2], in pixels.
        epe: EPE of the pair in pixels; None if no flow is known.

    Returns:
        RGB image, uint8 [H', W', 3]; at least as wide as the text needs, white beside the images.
    """
    height, width = sample.valid.shape
    text = f"EPE {'n/a' if epe is None else f'{epe:.3f} px'}; {describe_flow(sample, flow)}"
    labels = [label if len(label) * _LETTER < width else "" for label in LABELS]
    legend = draw_legend()
    whole = max(len(LABELS) * width, legend.shape[1], len(text) * _LETTER)
    rows = [
        np.concatenate(draw_panels(sample, flow), axis=1),
        _write_line(whole, [(place * width, label) for place, label in enumerate(labels)]),
        _write_line(whole, [(0, text)]),
        legend,
    ]
    return np.concatenate([_fill_to_width(row, whole) for row in rows])


def draw_legend() -> np.ndarray:
    """Draw the colours of errors, with their bounds in pixels above and in percent of the true flow below them.

    Returns:
        RGB image, uint8 [64, 480, 3].
    """
    count = len(ERROR_COLOURS)
    width = (count + 2) * _SWATCH
    bounds = [bound for bound, _ in ERROR_COLOURS[:-1]]
    places = [(step + 1) * _SWATCH - 2 * _LETTER for step in range(1, count)]
    percents = [100 * bound * OUTLIER_SHARE / OUTLIER_PIXELS for bound in bounds]
    colours = np.full((_LINE, width, 3), 255, np.uint8)
    for step, (_, colour) in enumerate(ERROR_COLOURS, 1):
        colours[:, step * _SWATCH : (step + 1) * _SWATCH] = colour
    return np.concatenate([
        _write_line(width, [(0, "error: px or % of the true flow, whichever is smaller")]),
        _write_line(width, [(0, "px"), *zip(places, (f"{bound:.3g}" for bound in bounds))]),
        colours,
        _write_line(width, [(0, "%"), *zip(places, (f"{percent:.3g}" for percent in percents))]),
    ])  # fmt: skip


def _write_line(width: int, texts: Sequence[Tuple[int, str]]) -> np.ndarray:
    """Draw a white strip with texts at given positions, in pixels from the left."""
    line = np.full((_LINE, width, 3), 255, np.uint8)
    for place, text in texts:
        cv2.putText(line, text, (place + 2, _LINE - 4), _FONT, 0.75, (0, 0, 0), 1, cv2.LINE_AA)
    return line


def _fill_to_width(image: np.ndarray, width: int) -> np.ndarray:
    """Add white at the right of an image."""
    return np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), mode="constant", constant_values=255)
