"""A prediction beside the truth: first image, true flow, predicted flow, and the error, all as people know them."""

from typing import List, Tuple

import cv2
import numpy as np

from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.data.sample import Sample

LABELS = ("image", "truth", "prediction", "error")
# KITTI's colours of errors (Menze and Geiger, CVPR 2015): each holds up to its bound, in pixels; the last without end.
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
_CAPTION = 16  # pixels high
_LETTER = 7  # pixels wide
_FONT = cv2.FONT_HERSHEY_PLAIN


def colour_errors(error: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Draws end-point errors.

    Args:
        error: pixels, [H, W].
        valid: bool [H, W]; what is not valid is black.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    bounds = [bound for bound, _ in ERROR_COLOURS[:-1]]
    colours = np.array([colour for _, colour in ERROR_COLOURS], np.uint8)
    found: np.ndarray = np.where(valid[..., None], colours[np.digitize(error, bounds)], 0).astype(np.uint8)
    return found


def draw_panels(sample: Sample, flow: np.ndarray) -> List[np.ndarray]:
    """The four images, uint8 [H, W, 3] each, in the order of ``LABELS``.

    Args:
        sample: images and truth; both flows are drawn on the scale of the longest true motion.
        flow: predicted, float32 [H, W, 2], pixels.
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
    """Images side by side, with a line below: what they are where there is room, and a text under the last.

    Returns:
        uint8 [H + 16, 4 W, 3].
    """
    width = images[0].shape[1]
    strip = np.full((_CAPTION, width * len(images), 3), 255, np.uint8)
    for number, text in enumerate((*LABELS[:-1], last)):
        room = width * (1 if number < len(images) - 1 else 10)
        if len(text) * _LETTER <= room:
            cv2.putText(strip, text, (width * number + 2, _CAPTION - 4), _FONT, 0.75, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate(images, axis=1), strip])
