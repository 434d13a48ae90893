"""Initial weights for training from scratch.

With random kernels, the network predicts zero flow for a random number of steps, and then only one component of the
flow. Here the first kernels compare the two frames from the start, and later kernels pool
(results/reference/training_start).
"""

from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.network.operations import Conv, Separable, Transposed, Upsample
from edgeflownas.network.skeleton import Skeleton

_LAST_OF_BLOCK = "/bn1/gamma"  # as Skeleton.convolutions names it
_WAVELENGTH = 12.0  # pixels; more than twice the motion whose direction the first kernels distinguish
_WINDOW = 2.2  # pixels, standard deviation
_RANDOM = 0.3  # random fraction of the amplitude of a first kernel
_COMMON = 0.5  # fraction of a later kernel's variance that its taps have in common


def draw_training_weights(
    skeleton: Skeleton, rng: np.random.Generator, architecture: Optional[Sequence[int]] = None
) -> Dict[str, np.ndarray]:
    """Draw the initial weights for training from scratch.

    Args:
        skeleton: Definition of the network.
        rng: Random generator.
        architecture: One option per gene; if None, the whole supernet.
    """
    weights = draw_initial_weights(skeleton.parameters(architecture), rng)
    pooling = [
        convolution.name + "/kernel"
        for stage in skeleton.stages
        for option in range(len(stage.options))
        for operation, convolutions in skeleton.layers(stage, option)
        if isinstance(operation, (Conv, Separable, Transposed, Upsample))
        for convolution in convolutions
        if convolution.name + "/kernel" in weights and convolution.name + "/kernel" not in skeleton.image_kernels
    ]
    images = [name for name in skeleton.image_kernels if name in weights]
    return zero_last_gammas(correlate_taps(make_motion_filters(weights, images, rng), pooling))


def draw_initial_weights(
    parameters: Mapping[str, Tuple[int, ...]], rng: np.random.Generator
) -> Dict[str, np.ndarray]:
    """Draw initial weights: He-normal kernels (He et al. 2015), unit gamma, zero beta and bias."""
    weights = {}
    for name in sorted(parameters):
        shape = parameters[name]
        if name.endswith("/kernel"):
            inputs = 1 if name.endswith("/depthwise/kernel") else shape[2]
            deviation = np.sqrt(2.0 / (shape[0] * shape[1] * inputs))
            weights[name] = (rng.standard_normal(shape) * deviation).astype(np.float32)
        else:
            weights[name] = np.full(shape, 1.0 if name.endswith("/gamma") else 0.0, np.float32)
    return weights


def zero_last_gammas(weights: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return initial weights with gamma 0 in the last BN of each residual block, which makes it the identity.

    A deep network then begins to learn as early as a shallow one (Goyal et al. 2017, "Accurate, Large Minibatch SGD",
    section 5.1).
    """
    return {
        name: np.zeros_like(value) if name.endswith(_LAST_OF_BLOCK) else value
        for name, value in weights.items()
    }


def make_motion_filters(
    weights: Mapping[str, np.ndarray], names: Sequence[str], rng: np.random.Generator
) -> Dict[str, np.ndarray]:
    """Replace kernels on two stacked frames by motion energy filters, which distinguish opposite motions.

    Each filter applies a Gabor function to the first frame and the same function, a quarter of a wave later or earlier,
    to the second. Neighbouring filters differ only in this sign, so the difference of their rectified responses follows
    the direction of motion (Adelson & Bergen 1985, "Spatiotemporal energy models for the perception of motion").

    Args:
        weights: Initial weights by name.
        names: Names of the kernels on images, of shape [k, k, 6, O].
        rng: Random generator for the phases.

    Returns:
        The weights with these kernels replaced. Each filter keeps the energy of a He-normal one.
    """
    changed = dict(weights)
    for name in names:
        kernel = weights[name]
        size, outputs = kernel.shape[0], kernel.shape[3]
        y, x = np.mgrid[:size, :size] - (size - 1) / 2
        window = np.exp(-(x**2 + y**2) / (2 * _WINDOW**2))
        filters = np.empty(kernel.shape)
        phases = rng.uniform(0, 2 * np.pi, 2)
        for i in range(outputs):
            pair = i // 2  # along x, along y, both again a quarter of a wave later, then the diagonals
            angle = np.pi / 2 * (pair % 2) + np.pi / 4 * (pair // 4 % 2)
            phase = phases[pair % 2] + np.pi / 2 * (pair // 2 % 2)
            for frame, shift in enumerate((0.0, np.pi / 2 * (1 - 2 * (i % 2)))):
                wave = np.cos(2 * np.pi / _WAVELENGTH * (x * np.cos(angle) + y * np.sin(angle)) + phase + shift)
                gabor = window * (wave - (window * wave).sum() / window.sum())  # no response to uniform brightness
                filters[:, :, 3 * frame : 3 * frame + 3, i] = gabor[:, :, None]
        filters /= np.sqrt((filters**2).mean(axis=(0, 1, 2)))
        deviation = np.sqrt(2.0 / np.prod(kernel.shape[:3]))
        mixed = np.sqrt(1 - _RANDOM**2) * deviation * filters + _RANDOM * (kernel - kernel.mean(axis=(0, 1)))
        changed[name] = mixed.astype(np.float32)
    return changed


def correlate_taps(weights: Mapping[str, np.ndarray], names: Sequence[str]) -> Dict[str, np.ndarray]:
    """Give the taps of kernels a common part, so that the kernels pool, as flow is smoother than texture.

    Args:
        weights: Initial weights by name.
        names: Names of the kernels.

    Returns:
        The weights with these kernels replaced. The variance of k x k taps is 1 + 1/k of that of a He-normal kernel;
        the following BN compensates for this.
    """
    changed = dict(weights)
    for name in names:
        kernel = weights[name]
        common = kernel.mean(axis=(0, 1), keepdims=True) * np.sqrt(np.prod(kernel.shape[:2]))
        changed[name] = (np.sqrt(1 - _COMMON) * kernel + np.sqrt(_COMMON) * common).astype(np.float32)
    return changed
