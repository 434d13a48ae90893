"""Augmentation of training pairs: crop, zoom, mirroring, colour and noise, all drawn from one generator."""

from typing import Optional

import cv2
import numpy as np

from edgeflownas.config import FileData
from edgeflownas.data.sample import Sample, mirror

_APART = 0.2  # probability that the two images change colour differently (RAFT: Teed & Deng, ECCV 2020)
_HUE = 0.4  # radians of hue at strength 1; RAFT uses 0.5 / 3.14 of a half turn with a strength of 0.4
_GREY = np.array([0.299, 0.587, 0.114])
_NEAREST = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST does not use pixel centres


def crop(sample: Sample, config: FileData, rng: Optional[np.random.Generator]) -> Sample:
    """Crop a sample to the configured size: at its centre or, with a generator, at a random position and zoom.

    The window is cut out first and zoomed afterwards. It is never larger than the sample.
    """
    height, width = sample.valid.shape
    rows, columns = config.height, config.width
    if rng is not None and config.scale != [1.0, 1.0]:
        smallest = max(rows / height, columns / width)
        factor = max(float(np.exp(rng.uniform(*np.log(config.scale)))), smallest)
        rows, columns = min(height, int(round(rows / factor))), min(width, int(round(columns / factor)))
    top, left = (height - rows) // 2, (width - columns) // 2
    if rng is not None and config.crop:
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    where = (slice(top, top + rows), slice(left, left + columns))
    occluded = None if sample.occluded is None else sample.occluded[where]
    images, flow = (np.ascontiguousarray(array[where]) for array in (sample.images, sample.flow))
    return resize(Sample(images, flow, sample.valid[where], occluded), config.height, config.width)


def resize(sample: Sample, height: int, width: int) -> Sample:
    """Resize a sample to height x width pixels, and scale its flow accordingly.

    Flow that is known everywhere is interpolated. Otherwise every pixel takes the flow of the nearest pixel, known or
    unknown, so that unknown values do not leak into known ones.
    """
    rows, columns = sample.valid.shape
    if (rows, columns) == (height, width):
        return sample
    size, factors = (width, height), np.array([width / columns, height / rows], np.float32)
    flow = cv2.resize(sample.flow, size, interpolation=cv2.INTER_LINEAR if sample.valid.all() else _NEAREST)
    valid = cv2.resize(sample.valid.astype(np.uint8), size, interpolation=_NEAREST) > 0
    occluded = None
    if sample.occluded is not None:
        occluded = cv2.resize(sample.occluded.astype(np.uint8), size, interpolation=_NEAREST) > 0
    images = cv2.resize(sample.images, size, interpolation=cv2.INTER_LINEAR)
    return Sample(images, flow * factors, valid, occluded)


def augment(sample: Sample, config: FileData, rng: np.random.Generator) -> Sample:
    """Crop and change a training sample as configured."""
    sample = crop(sample, config, rng)
    if config.flips:
        sample = mirror(sample, rng)
    images = sample.images
    if config.colour:
        images = _change_colours(images, config.colour, rng)
    if config.noise:
        deviation = np.float32(rng.uniform(0, config.noise))
        noise = rng.standard_normal(images.shape, np.float32) * deviation
        images = np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)
    return Sample(images, sample.flow, sample.valid, sample.occluded)


def _change_colours(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of uint8 [H, W, 6], usually of both images in the same way."""
    frames = [np.ascontiguousarray(images[..., part]) for part in (slice(3), slice(3, 6))]
    means = [np.asarray(cv2.mean(frame)[:3]) for frame in frames]
    if rng.random() < _APART:
        changes = [_draw_colour_matrix(mean, strength, rng) for mean in means]
    else:
        changes = [_draw_colour_matrix(np.mean(means, axis=0), strength, rng)] * 2
    return np.asarray(cv2.merge([cv2.transform(frame, change) for frame, change in zip(frames, changes)]))


def _draw_colour_matrix(mean: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Draw an affine map of RGB colours, [3, 4]: the composition of all changes, each of which is affine."""
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    angle = rng.uniform(-1, 1) * _HUE * strength
    axis = np.ones(3) / np.sqrt(3)  # greys stay grey
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    hue = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    grey = np.tile(_GREY, (3, 1))
    linear = brightness * contrast * (hue @ (saturation * np.eye(3) + (1 - saturation) * grey))
    shift = brightness * (1 - contrast) * float(_GREY @ mean)
    return np.column_stack([linear, np.full(3, shift)])
