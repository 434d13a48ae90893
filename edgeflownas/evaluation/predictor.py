"""The interface of everything that predicts flow, and prediction at a different size than that of the images."""

from typing import Optional, Tuple

import cv2
import numpy as np
from typing_extensions import Protocol


class Predictor(Protocol):
    """Predicts flow."""

    def flow(self, images: np.ndarray) -> np.ndarray:
        """Predict the flow of a pair.

        Args:
            images: Two stacked RGB frames, uint8 [H, W, 6].

        Returns:
            Flow, float32 [H, W, 2], in pixels.
        """
        ...


def pad_images(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pad images [H, W, C] to height x width pixels, at the bottom and on the right; the padding repeats the edges."""
    margins = ((0, height - images.shape[0]), (0, width - images.shape[1]), (0, 0))
    return np.pad(images, margins, mode="edge")


def predict_at_size(predictor: Predictor, images: np.ndarray, size: Optional[Tuple[int, int]]) -> np.ndarray:
    """Predict the flow of images that are resized for the network; the flow is resized back.

    Args:
        predictor: Predictor of the flow.
        images: Two stacked RGB frames, uint8 [H, W, 6].
        size: Height and width at which the network sees the images; if None, those of the images.

    Returns:
        Flow, float32 [H, W, 2], in pixels of the given images.
    """
    height, width = images.shape[:2]
    if size is None or size == (height, width):
        return predictor.flow(images)
    frames = [_resize(images[..., :3], size), _resize(images[..., 3:], size)]
    flow = predictor.flow(np.concatenate(frames, axis=-1))
    scale = np.array([width / size[1], height / size[0]], np.float32)
    return _resize(flow, (height, width)) * scale


def _resize(image: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """Resize an image; pixels are averaged where it becomes smaller, and interpolated otherwise."""
    smaller = size[0] < image.shape[0] and size[1] < image.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=interpolation))
