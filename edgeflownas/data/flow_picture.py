"""Pictures of a prediction next to its ground truth: first image, true flow, predicted flow and error."""

from typing import List, Tuple

import cv2
import numpy as np

from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.data.sample import Sample

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
_CAPTION = 16  # height, in pixels
_LETTER = 7  # width, in pixels
_FONT = cv2.FONT_HERSHEY_PLAIN


def colour_errors(error: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Draw end-point errors as an image.

    Args:
        error: End-point errors, [H, W], in pixels.
        valid: Pixels with known flow, bool [H, W]; the others are black.

    Returns:
        RGB image, uint8 [H, W, 3].
    """
    bounds = [bound for bound, _ in ERROR_COLOURS[:-1]]
    colours = np.array([colour for _, colour in ERROR_COLOURS], np.uint8)
    image: np.ndarray = np.where(valid[..., None], colours[np.digitize(error, bounds)], 0).astype(np.uint8)
    return image


def draw_panels(sample: Sample, flow: np.ndarray) -> List[np.ndarray]:
    """Draw the four images, in the order of ``LABELS``. Both flows are scaled to the longest true motion.

    Args:
        sample: Images and true flow.
        flow: Predicted flow, float32 [H, W, 2], in pixels.

    Returns:
        RGB images, uint8 [H, W, 3].
    """
    lengths = np.linalg.norm(sample.flow, axis=-1)[sample.valid]
    longest = float(lengths.max()) if lengths.size else float(np.linalg.norm(flow, axis=-1).max())
    error = np.linalg.norm(flow - sample.flow, axis=-1)
    return [
        sample.images[..., :3],
        colour_flow(sample.flow, longest, sample.valid),
        colour_flow(flow, longest),
        colour_errors(error, sample.valid),
    ]


def add_captions(images: List[np.ndarray], last: str) -> np.ndarray:
    """Join the four images, with captions below: the labels that fit, and a text under the last image.

    Args:
        images: Images from ``draw_panels``.
        last: Text under the last image.

    Returns:
        RGB image, uint8 [H + 16, 4 W, 3].
    """
    width = images[0].shape[1]
    strip = np.full((_CAPTION, width * len(images), 3), 255, np.uint8)
    for number, text in enumerate((*LABELS[:-1], last)):
        room = width * (1 if number < len(images) - 1 else 10)
        if len(text) * _LETTER <= room:
            cv2.putText(strip, text, (width * number + 2, _CAPTION - 4), _FONT, 0.75, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate(images, axis=1), strip])
