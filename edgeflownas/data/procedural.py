"""Scenes drawn from a seed: a textured background and a few polygons in front of it."""

from dataclasses import dataclass

import cv2
import numpy as np

from edgeflownas.config import ProceduralData
from edgeflownas.data.drawn import SUBPIXEL, DrawnDataset, MovingLayer, draw_polygons, render_layers
from edgeflownas.data.sample import Sample


@dataclass(frozen=True)
class _TexturedLayer(MovingLayer):
    """Layer with its own texture.

    Attributes:
        texture: RGB and opacity of the frame and a margin around it, float32 [h, w, 4].
        margin: Width of the margin on the left and right, and at the top and bottom, in pixels, [2].
    """

    texture: np.ndarray
    margin: np.ndarray

    def look_up(self, points: np.ndarray) -> np.ndarray:
        """Return colour and opacity at points [H, W, 2] of the first frame, [H, W, 4]."""
        where = (points + self.margin).astype(np.float32)
        return cv2.remap(self.texture, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


class ProceduralDataset(DrawnDataset[ProceduralData]):
    """Scenes of a textured background and a few moving polygons."""

    def _draw(self, rng: np.random.Generator) -> Sample:
        config = self._config
        size = np.array([config.width, config.height], np.float64)
        margin = np.full(2, np.ceil(1.5 * config.motion + 0.1 * np.min(size)))  # texture that moves into the frame
        layers = [_draw_layer(rng, size, margin, config.motion, background=True)]
        for _ in range(int(rng.integers(config.layers + 1))):
            layers.append(_draw_layer(rng, size, margin, config.motion, background=False))
        jitter = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
        return render_layers(layers, config.height, config.width, jitter)


def _draw_layer(
    rng: np.random.Generator, size: np.ndarray, margin: np.ndarray, motion: float, background: bool
) -> _TexturedLayer:
    canvas = (size + 2 * margin).astype(int)
    texture = np.empty((canvas[1], canvas[0], 4), np.float32)
    texture[..., :3] = _draw_texture(rng, canvas, float(size.min()))
    texture[..., 3] = 1.0 if background else _draw_mask(rng, canvas, size, margin)
    angle = rng.normal(0.0, 0.06)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ (np.eye(2) + rng.normal(0.0, 0.03, (2, 2)))
    waves = np.stack(
        [rng.uniform(-1, 1, (2, 2)) * 2 * np.pi / size.min(), rng.uniform(-1, 1, (2, 2)) * 0.02 * size.min()], axis=1
    )
    centre = (size - 1) / 2
    shift = centre - matrix @ centre + rng.uniform(-motion, motion, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    affine = np.column_stack([matrix, shift]).astype(np.float32)
    return _TexturedLayer(affine, waves.astype(np.float32), phases.astype(np.float32), texture, margin)


def _draw_texture(rng: np.random.Generator, canvas: np.ndarray, side: float) -> np.ndarray:
    """Draw many sharp-edged shapes, from large to small, on a uniform background; float32 [h, w, 3]."""
    image = np.empty((canvas[1], canvas[0], 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    count = int(canvas.prod() / side**2 * 16)
    radii = np.sort(side * 0.5 * rng.uniform(0.04, 1.0, count) ** 2)[::-1]
    outlines = draw_polygons(rng, rng.uniform(0, canvas, (count, 2)), radii)
    for outline, colour in zip(outlines, rng.integers(0, 256, (count, 3)).tolist()):
        cv2.fillPoly(image, [outline], colour, cv2.LINE_8, SUBPIXEL)
    return cv2.GaussianBlur(image.astype(np.float32), (3, 3), 0.5)


def _draw_mask(
    rng: np.random.Generator, canvas: np.ndarray, size: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Draw the opacity of a polygon in the frame, float32 [h, w]."""
    mask = np.zeros((canvas[1], canvas[0]), np.float32)
    radius = size.min() * rng.uniform(0.2, 0.6, 1)
    outlines = draw_polygons(rng, margin + rng.uniform(0, size, (1, 2)), radius)
    cv2.fillPoly(mask, list(outlines), 1.0, cv2.LINE_8, SUBPIXEL)
    return cv2.GaussianBlur(mask, (3, 3), 0.5)
