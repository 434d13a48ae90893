"""Scenes drawn from a seed in the manner of FlyingChairs, with motions from half a pixel to a large part of the frame.

The background moves, objects move with it, and most of them move relative to it as well. Lengths of motions are uniform
on a logarithmic scale. Textures are taken from a set that is drawn once, and are placed, rotated, zoomed and coloured
differently in each layer.
"""

import functools
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np

from edgeflownas.config import FlyingShapesData
from edgeflownas.data.drawn import SUBPIXEL, DrawnDataset, MovingLayer, draw_polygons, render_layers
from edgeflownas.data.sample import Sample

_SMALLEST = 0.5  # pixels, of a motion
_STILL = 0.3  # probability that an object moves with the background
_RIGID = 0.6  # probability that a layer does not deform
_TEXTURES = 256
_SIDE = 256  # pixels, of a texture
_OCTAVES = 6


@dataclass(frozen=True)
class _Shape(MovingLayer):
    """Layer with a placed and coloured texture.

    Attributes:
        texture: RGB, uint8 [h, w, 3].
        placement: Affine map from the first frame to the texture, float32 [2, 3].
        colours: Affine map of the texture's colours, float32 [3, 4].
        opacity: Opacity in the frame and a margin around it, float32 [h, w]; None: opaque everywhere.
        margin: Width of the margin on the left and right, and at the top and bottom, in pixels, [2].
    """

    texture: np.ndarray
    placement: np.ndarray
    colours: np.ndarray
    opacity: Optional[np.ndarray]
    margin: np.ndarray

    def look_up(self, points: np.ndarray) -> np.ndarray:
        """Return colour and opacity at points [H, W, 2] of the first frame, [H, W, 4]."""
        where = cv2.transform(points, self.placement)
        result = np.ones((*points.shape[:2], 4), np.float32)
        image = cv2.remap(self.texture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        result[..., :3] = cv2.transform(image.astype(np.float32), self.colours)
        if self.opacity is not None:
            result[..., 3] = cv2.remap(self.opacity, (points + self.margin).astype(np.float32), None, cv2.INTER_LINEAR)
        return result


class FlyingShapesDataset(DrawnDataset[FlyingShapesData]):
    """Scenes of a moving background and objects that move relative to it."""

    def _draw(self, rng: np.random.Generator) -> Sample:
        config = self._config
        size = np.array([config.width, config.height], np.float64)
        textures = _draw_textures(config.seed, self._part)
        margin = np.full(2, np.ceil(1.5 * config.motion))  # shapes that move into the frame
        motion = _draw_motion(rng, size, config.motion)
        layers = [_draw_shape(rng, size, margin, motion, textures, opaque=True)]
        for _ in range(int(rng.integers(config.objects + 1))):
            own = np.eye(3) if rng.random() < _STILL else _draw_motion(rng, size, config.motion / 2)
            layers.append(_draw_shape(rng, size, margin, own @ motion, textures, opaque=False))
        return render_layers(layers, config.height, config.width, np.zeros(2, np.float32))


def _draw_motion(rng: np.random.Generator, size: np.ndarray, largest: float) -> np.ndarray:
    """Draw an affine motion as a matrix, [3, 3]: a translation, and a small rotation, zoom and shear."""
    length, angle = np.exp(rng.uniform(np.log(_SMALLEST), np.log(largest))), rng.uniform(0, 2 * np.pi)
    spread = 0.08 * rng.random() ** 2  # of rotation and zoom; a third of it for the shear
    matrix = _rotation(rng.normal(0.0, spread)) @ (
        np.eye(2) * (1 + rng.normal(0.0, spread)) + rng.normal(0.0, spread / 3, (2, 2))
    )
    return _affine(matrix, rng.uniform(0, size), length * np.array([np.cos(angle), np.sin(angle)]))


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _affine(matrix: np.ndarray, centre: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the map that transforms by a matrix around a centre and then shifts, [3, 3]."""
    result = np.eye(3)
    result[:2, :2], result[:2, 2] = matrix, centre - matrix @ centre + shift
    return result


def _draw_shape(
    rng: np.random.Generator,
    size: np.ndarray,
    margin: np.ndarray,
    motion: np.ndarray,
    textures: np.ndarray,
    opaque: bool,
) -> _Shape:
    """Draw a layer with a motion: the background (opaque) or an object."""
    count = 0 if rng.random() < _RIGID else 2
    vectors = rng.uniform(-1, 1, (count, 2)) * 2 * np.pi / size.min()
    waves = np.stack([vectors, rng.uniform(-1, 1, (count, 2)) * 0.02 * size.min()], axis=1)
    zoom = np.exp(rng.uniform(np.log(0.6), np.log(1.5)))
    placement = _affine(zoom * _rotation(rng.uniform(0, 2 * np.pi)), size / 2, rng.uniform(0, _SIDE, 2) - size / 2)
    texture = textures[rng.integers(len(textures))]
    phases = rng.uniform(0, 2 * np.pi, count)
    return _Shape(
        motion[:2].astype(np.float32),
        waves.astype(np.float32),
        phases.astype(np.float32),
        texture,
        placement[:2].astype(np.float32),
        _draw_colours(rng),
        None if opaque else _draw_opacity(rng, size, margin),
        margin,
    )


def _draw_colours(rng: np.random.Generator) -> np.ndarray:
    """Draw an affine map of colours, float32 [3, 4]: contrast, mixed channels, and brightness."""
    mixed = np.eye(3)[rng.permutation(3)] + rng.uniform(-0.3, 0.3, (3, 3))
    linear = mixed * rng.choice([-1.0, 1.0]) * np.exp(rng.uniform(np.log(0.5), np.log(1.2)))
    target = rng.uniform(60, 195) + rng.uniform(-30, 30, 3)
    return np.column_stack([linear, target - linear @ np.full(3, 127.5)]).astype(np.float32)


def _draw_opacity(rng: np.random.Generator, size: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Draw the opacity of an object, a union of one to four polygons, float32 [h, w]."""
    width, height = (size + 2 * margin).astype(int).tolist()
    mask = np.zeros((height, width), np.float32)
    radius = size.min() * np.exp(rng.uniform(np.log(0.15), np.log(0.7)))
    count = int(rng.integers(1, 5))
    centre = margin + rng.uniform(-0.1, 1.1, 2) * size
    centres = centre + rng.uniform(-0.7, 0.7, (count, 2)) * radius * (np.arange(count) > 0)[:, None]
    for outline in draw_polygons(rng, centres, radius * rng.uniform(0.5, 1.0, count)):
        cv2.fillPoly(mask, [outline], 1.0, cv2.LINE_8, SUBPIXEL)
    return cv2.GaussianBlur(mask, (3, 3), 0.5)


@functools.lru_cache(maxsize=4)
def _draw_textures(seed: int, part: int) -> np.ndarray:
    """Draw the textures of a part of a data set, uint8 [n, h, w, 3]."""
    rng = np.random.default_rng([seed, part])
    return np.stack([_draw_texture(rng) for _ in range(_TEXTURES)])


def _draw_texture(rng: np.random.Generator) -> np.ndarray:
    """Draw a mixture of clouds and polygons."""
    share = np.float32(np.clip(rng.uniform(-0.3, 1.3), 0, 1))
    image = (1 - share) * _draw_clouds(rng) + share * _draw_polygons(rng)
    blurred = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))
    mean, deviation = blurred.mean(dtype=np.float64), blurred.std(dtype=np.float64)
    scale = np.float32(rng.uniform(40, 70) / max(deviation, 1.0))
    return np.clip(np.round((blurred - np.float32(mean)) * scale + np.float32(127.5)), 0, 255).astype(np.uint8)


def _draw_clouds(rng: np.random.Generator) -> np.ndarray:
    """Draw noise of all scales, mostly grey, around 0."""
    fall = rng.uniform(0.4, 1.0)  # of the amplitude from one octave to the next finer one
    colour = rng.random() ** 2
    image = np.zeros((_SIDE, _SIDE, 3), np.float32)
    for octave in range(_OCTAVES):
        cells = 4 * 2**octave
        noise = rng.standard_normal((cells, cells, 3), np.float32)
        noise = np.float32(1 - colour) * noise[..., :1] + np.float32(colour) * noise
        image += np.float32(fall**octave) * cv2.resize(noise, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return image * np.float32(60 / image.std(dtype=np.float64))


def _draw_polygons(rng: np.random.Generator) -> np.ndarray:
    """Draw many sharp-edged polygons, from large to small, around 0."""
    image = np.empty((_SIDE, _SIDE, 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    count = int(np.exp(rng.uniform(np.log(50), np.log(500))))
    radii = np.sort(32 * rng.uniform(0.04, 1.0, count) ** 2)[::-1]
    colours = np.clip(rng.uniform(0, 255, (count, 1)) + rng.uniform(-1, 1, (count, 3)) * 128 * rng.random(), 0, 255)
    outlines = draw_polygons(rng, rng.uniform(0, _SIDE, (count, 2)), radii)
    for outline, colour in zip(outlines, colours.tolist()):
        cv2.fillPoly(image, [outline], colour, cv2.LINE_8, SUBPIXEL)
    return image.astype(np.float32) - 127.5
