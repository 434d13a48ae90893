"""Data sets of drawn scenes: textured layers that move by affine maps plus small smooth deformations.

Layers use the coordinates of the first frame. A point x of a layer appears in the second frame at ``A (x + d(x))``,
where ``A`` is affine and ``d`` is a sum of low-frequency waves, so the flow is known exactly. The second frame is
rendered by inverting that map. Near layers hide those behind them, which gives the occlusion as well.
"""

from dataclasses import dataclass
from typing import Generic, List, Optional, Sequence, Tuple, TypeVar, Union

import cv2
import numpy as np

from edgeflownas.config import FlyingShapesData, ProceduralData
from edgeflownas.data.sample import Sample, mirror

_INVERSION_STEPS = 4  # the error shrinks to about a tenth in every step
_CORNERS = 8  # largest number of corners of a polygon
SUBPIXEL = 4  # fractional bits of the coordinates of drawn polygons

Config = TypeVar("Config", bound=Union[FlyingShapesData, ProceduralData])


class DrawnDataset(Generic[Config]):
    """Data set of scenes drawn from a seed; an index always gives the same scene."""

    def __init__(self, config: Config, part: str) -> None:
        """Set up the training ("train") or validation ("val") scenes."""
        self._config = config
        self._part = {"train": 0, "val": 1}[part]
        self._count = config.train_pairs if part == "train" else config.val_pairs

    def __len__(self) -> int:
        """Return the number of scenes."""
        return self._count

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Draw the scene of an index; with a generator, mirror it at random."""
        sample = self._draw(np.random.default_rng([self._config.seed, self._part, index]))
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

    def _draw(self, rng: np.random.Generator) -> Sample:
        """Draw a scene whose flow is known everywhere."""
        raise NotImplementedError


@dataclass(frozen=True)
class MovingLayer:
    """Layer and its motion.

    Attributes:
        affine: Affine part of the motion, in pixels of the frame, float32 [2, 3].
        waves: Wave vectors (radians per pixel) and amplitudes (pixels) of the deformation, [n, 2, 2]; n = 0: rigid.
        phases: Phases of the waves, in radians, [n].
    """

    affine: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    def look_up(self, points: np.ndarray) -> np.ndarray:
        """Return colour and opacity at points [H, W, 2] of the first frame, [H, W, 4]."""
        raise NotImplementedError

    def deformation(self, points: np.ndarray) -> np.ndarray:
        """Return the deformation at points [H, W, 2], in pixels."""
        if not len(self.waves):
            return np.zeros_like(points)
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
        for _ in range(_INVERSION_STEPS if len(self.waves) else 0):
            result = undeformed - self.deformation(result)
        return result


def render_layers(layers: Sequence[MovingLayer], height: int, width: int, jitter: np.ndarray) -> Sample:
    """Render both frames of a scene.

    Args:
        layers: Layers from far to near; the first one is opaque.
        height: Height of the frames, in pixels.
        width: Width of the frames, in pixels.
        jitter: Offset of the textures in pixels, [2], so that both frames are interpolated and equally sharp.

    Returns:
        Sample whose flow is known everywhere.
    """
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    first = [layer.look_up(grid + jitter) for layer in layers]
    second = [layer.look_up(layer.map_backward(grid) + jitter) for layer in layers]
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


def draw_polygons(rng: np.random.Generator, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Draw star-shaped outlines with 3 to 8 corners around centres [n, 2], as fixed-point int32 [n, 8, 1, 2]."""
    shape = (len(centres), _CORNERS)
    surplus = np.arange(_CORNERS) >= rng.integers(3, _CORNERS + 1, shape[0])[:, None]
    angles = np.sort(np.where(surplus, 0.0, rng.uniform(0, 2 * np.pi, shape)))
    reach = radii[:, None] * np.where(angles > 0, rng.uniform(0.4, 1.0, shape), 0.7)  # surplus corners coincide
    points = centres[:, None] + reach[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.round(points * (1 << SUBPIXEL)).astype(np.int32)[:, :, None]


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
