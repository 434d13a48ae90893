"""Scenes drawn from a seed: textured layers that move by affine maps plus small smooth deformations.

Layers use the coordinates of the first frame. A point x of a layer appears in the second frame at ``A (x + d(x))``,
where ``A`` is affine and ``d`` is a sum of low-frequency waves, so the flow is known exactly. The second frame is
rendered by inverting that map. Near layers hide those behind them, which gives the occlusion as well.
"""

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from edgeflownas.config import ProceduralData
from edgeflownas.data.sample import Sample, mirror

_INVERSION_STEPS = 4  # the error shrinks to about a tenth in every step
_CORNERS = 8  # largest number of corners of a polygon
_SUBPIXEL = 4  # fractional bits of the coordinates of drawn polygons


class ProceduralDataset:
    """Data set of drawn scenes; an index always gives the same scene."""

    def __init__(self, config: ProceduralData, part: str) -> None:
        """Set up the training ("train") or validation ("val") scenes."""
        self._config = config
        self._part = {"train": 0, "val": 1}[part]
        self._count = config.train_pairs if part == "train" else config.val_pairs

    def __len__(self) -> int:
        """Return the number of scenes."""
        return self._count

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Draw the scene of an index; with a generator, mirror it at random."""
        scene = np.random.default_rng([self._config.seed, self._part, index])
        sample = render(scene, self._config)
        return sample if rng is None else mirror(sample, rng)

    def full_sample(self, index: int) -> Sample:
        """Draw the scene of an index."""
        return self.sample(index, None)

    def select(self, count: int) -> Sequence[int]:
        """Return the first indices: scenes are independent of each other."""
        return range(min(count, self._count))

    def files(self, index: int) -> Tuple[str, ...]:
        """Return the index, seed and part of a scene."""
        return (f"scene {index} of seed {self._config.seed}, {('train', 'val')[self._part]}",)


@dataclass(frozen=True)
class _SceneLayer:
    """Texture and its motion.

    Attributes:
        texture: RGB and opacity of the frame and a margin around it, float32 [h, w, 4].
        affine: Affine part of the motion, in pixels of the frame, float32 [2, 3].
        waves: Wave vectors (radians per pixel) and amplitudes (pixels) of the deformation, [n, 2, 2].
        phases: Phases of the waves, in radians, [n].
    """

    texture: np.ndarray
    affine: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    def deformation(self, points: np.ndarray) -> np.ndarray:
        """Return the deformation at points [H, W, 2], in pixels."""
        x, y = np.ascontiguousarray(points[..., 0]), np.ascontiguousarray(points[..., 1])
        waves = [np.sin(x * a + y * b + phase) for (a, b), phase in zip(self.waves[:, 0], self.phases)]
        return np.stack([sum(map(np.multiply, self.waves[:, 1, axis], waves)) for axis in range(2)], -1)

    def map_forward(self, points: np.ndarray) -> np.ndarray:
        """Return the positions in the second frame of points [H, W, 2] of the first."""
        return cv2.transform(points + self.deformation(points), self.affine)

    def map_backward(self, points: np.ndarray) -> np.ndarray:
        """Return the positions in the first frame of points [H, W, 2] of the second."""
        undeformed = cv2.transform(points, cv2.invertAffineTransform(self.affine))
        result = undeformed
        for _ in range(_INVERSION_STEPS):
            result = undeformed - self.deformation(result)
        return result

    def look_up(self, points: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """Return colour and opacity at points [H, W, 2] of the first frame, [H, W, 4]."""
        where = (points + margin).astype(np.float32)
        return cv2.remap(self.texture, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def render(rng: np.random.Generator, config: ProceduralData) -> Sample:
    """Draw one scene.

    Args:
        rng: Generator of the scene.
        config: Size, number of layers and motion.

    Returns:
        Sample whose flow is known everywhere.
    """
    size = np.array([config.width, config.height], np.float64)
    margin = np.full(2, np.ceil(1.5 * config.motion + 0.1 * np.min(size)))  # texture that moves into the frame
    layers = [_draw_layer(rng, size, margin, config.motion, background=True)]
    for _ in range(int(rng.integers(config.layers + 1))):
        layers.append(_draw_layer(rng, size, margin, config.motion, background=False))
    grid = np.stack(np.meshgrid(np.arange(config.width), np.arange(config.height)), -1).astype(np.float32)
    jitter = rng.uniform(-0.5, 0.5, 2).astype(np.float32)  # interpolates both frames, so that both are equally sharp
    first = [layer.look_up(grid + jitter, margin) for layer in layers]
    second = [layer.look_up(layer.map_backward(grid) + jitter, margin) for layer in layers]
    owner = _find_nearest([layer[..., 3] for layer in first])
    target = np.stack([layer.map_forward(grid) for layer in layers])[
        owner, grid[..., 1].astype(int), grid[..., 0].astype(int)
    ]
    return Sample(
        np.concatenate([_compose(first), _compose(second)], axis=-1),
        (target - grid).astype(np.float32),
        np.ones(owner.shape, bool),
        _find_occluded(owner, target, [layer[..., 3] for layer in second]),
    )


def _draw_layer(
    rng: np.random.Generator, size: np.ndarray, margin: np.ndarray, motion: float, background: bool
) -> _SceneLayer:
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
    numbers = (np.column_stack([matrix, shift]), waves, rng.uniform(0, 2 * np.pi, 2))
    return _SceneLayer(texture, *(number.astype(np.float32) for number in numbers))


def _draw_texture(rng: np.random.Generator, canvas: np.ndarray, side: float) -> np.ndarray:
    """Draw many sharp-edged shapes, from large to small, on a uniform background; float32 [h, w, 3]."""
    image = np.empty((canvas[1], canvas[0], 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    count = int(canvas.prod() / side**2 * 16)
    radii = np.sort(side * 0.5 * rng.uniform(0.04, 1.0, count) ** 2)[::-1]
    outlines = _draw_polygons(rng, rng.uniform(0, canvas, (count, 2)), radii)
    for outline, colour in zip(outlines, rng.integers(0, 256, (count, 3)).tolist()):
        cv2.fillPoly(image, [outline], colour, cv2.LINE_8, _SUBPIXEL)
    return cv2.GaussianBlur(image.astype(np.float32), (3, 3), 0.5)


def _draw_mask(
    rng: np.random.Generator, canvas: np.ndarray, size: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Draw the opacity of a polygon in the frame, float32 [h, w]."""
    mask = np.zeros((canvas[1], canvas[0]), np.float32)
    radius = size.min() * rng.uniform(0.2, 0.6, 1)
    outlines = _draw_polygons(rng, margin + rng.uniform(0, size, (1, 2)), radius)
    cv2.fillPoly(mask, list(outlines), 1.0, cv2.LINE_8, _SUBPIXEL)
    return cv2.GaussianBlur(mask, (3, 3), 0.5)


def _draw_polygons(rng: np.random.Generator, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Draw star-shaped outlines with 3 to 8 corners around centres [n, 2], as fixed-point int32 [n, 8, 1, 2]."""
    shape = (len(centres), _CORNERS)
    surplus = np.arange(_CORNERS) >= rng.integers(3, _CORNERS + 1, shape[0])[:, None]
    angles = np.sort(np.where(surplus, 0.0, rng.uniform(0, 2 * np.pi, shape)))
    reach = radii[:, None] * np.where(angles > 0, rng.uniform(0.4, 1.0, shape), 0.7)  # surplus corners coincide
    points = centres[:, None] + reach[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.round(points * (1 << _SUBPIXEL)).astype(np.int32)[:, :, None]


def _find_nearest(opacities: List[np.ndarray]) -> np.ndarray:
    """Return the index of the nearest layer that is not transparent, [H, W]."""
    owner = np.zeros(opacities[0].shape, int)
    for i, opacity in enumerate(opacities[1:], 1):
        owner[opacity > 0.5] = i
    return owner


def _compose(layers: List[np.ndarray]) -> np.ndarray:
    """Blend layers, nearest last; uint8 [H, W, 3]."""
    image = layers[0][..., :3]
    for layer in layers[1:]:
        image = image + (layer[..., :3] - image) * layer[..., 3:]
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _find_occluded(owner: np.ndarray, target: np.ndarray, opacities: List[np.ndarray]) -> np.ndarray:
    """Return which points leave the frame or are hidden by a nearer layer in the second frame, bool [H, W]."""
    height, width = owner.shape
    x, y = target[..., 0], target[..., 1]
    hidden = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    where: Tuple[np.ndarray, np.ndarray] = (x.astype(np.float32), y.astype(np.float32))
    for i, opacity in enumerate(opacities[1:], 1):
        hidden |= (owner < i) & (cv2.remap(opacity, where[0], where[1], cv2.INTER_LINEAR) > 0.5)
    return hidden
