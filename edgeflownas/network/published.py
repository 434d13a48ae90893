"""Weights of the original EdgeFlowNet from the checkpoint that its authors published.

The checkpoint (TensorFlow 1, ``MultiScaleResNet`` with two sub-blocks; Raju et al., RA-L 2024) names its layers by
scopes that are numbered in the order in which they are built: ``…/Conv11/conv2d/kernel`` is followed by
``…/BN12/batch_normalization/gamma``. Layers are therefore matched by their order, not by their full names.

Three things differ between the two definitions:

* The authors' images are BGR with values from 0 to 255; here they are RGB in [-1, 1]. The first convolution absorbs the
  difference, except that zero padding was black there and is grey here.
* Their batch normalisation uses stored means and variances, in training as well. They are stored with the weights, so
  that they are not recalibrated.
* Their convolutions before a batch normalisation have a bias, which is subtracted from the stored mean.
"""

import re
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.definition import read_space
from edgeflownas.network.operations import Convolution, Method
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.wording import format_count

SPACE = "edgeflownet"
_LAYER = re.compile(r"EncoderDecoderBlock.*/(Conv|ConvTranspose|BN)(\d+)/[a-z0-9_]+/(\w+)")
_HALF_RANGE = 127.5  # of the values of an image
_NORM = {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "variance": "moving_variance"}
_FRAME = [2, 1, 0]  # order of the colours of a frame


class PublishedWeights(NamedTuple):
    """Weights of the original EdgeFlowNet.

    Attributes:
        skeleton: Definition of the network, with the base width of the checkpoint.
        tensors: Trainable tensors, and the means and variances of BN, by name.
    """

    skeleton: Skeleton
    tensors: Dict[str, np.ndarray]


class _Layer(NamedTuple):
    """Tensors of a convolution and of the BN that follows it, by the last part of their names."""

    convolution: Mapping[str, np.ndarray]
    norm: Mapping[str, np.ndarray]


def read_checkpoint(path: Path) -> PublishedWeights:
    """Read a checkpoint of the authors' code.

    Args:
        path: Path of the checkpoint without the suffix of its files, such as ``checkpoints/best.ckpt``.

    Raises:
        InputError: There is no such checkpoint, or it contains a different network.
    """
    layers = _pair_layers(_read_tensors(path))
    if not layers:
        raise InputError(f"checkpoint {path}: has no layers of EncoderDecoderBlock; name a checkpoint of EdgeFlowNet")
    skeleton = Skeleton(layers[0].convolution["kernel"].shape[3], read_space(SPACE).lay_out())
    convolutions = [
        convolution for stage, option in skeleton.route(()) for convolution in skeleton.convolutions(stage, option)
    ]
    if len(layers) != len(convolutions):
        raise InputError(
            f"checkpoint {path}: has {format_count(len(layers), 'convolution')}, but EdgeFlowNet with two sub-blocks "
            f"has {len(convolutions)}; import a checkpoint of that network"
        )
    tensors: Dict[str, np.ndarray] = {}
    for number, (convolution, layer) in enumerate(zip(convolutions, layers)):
        tensors.update(_convert(convolution, layer, is_first=number == 0))
    mismatch = skeleton.find_mismatch(tensors) or _find_missing(convolutions, tensors)
    if mismatch is not None:
        raise InputError(
            f"checkpoint {path}: {mismatch} is missing or has a different shape than in EdgeFlowNet at base width "
            f"{skeleton.width}; import a checkpoint with two sub-blocks and four outputs"
        )
    return PublishedWeights(skeleton, tensors)


def _read_tensors(path: Path) -> Dict[str, np.ndarray]:
    if not Path(f"{path}.index").exists():
        raise InputError(f"checkpoint {path}: {path}.index does not exist; name the checkpoint without its last suffix")
    try:
        reader = tf.train.load_checkpoint(str(path))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if _LAYER.fullmatch(name)}
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        raise InputError(f"checkpoint {path}: cannot be read: {' '.join(str(error).split())}; copy it again") from None


def _pair_layers(tensors: Mapping[str, np.ndarray]) -> List[_Layer]:
    """Return the convolutions in the order in which they run, each with the BN that follows it."""
    numbered: Dict[Tuple[int, bool], Dict[str, np.ndarray]] = {}
    for name, value in tensors.items():
        match = _LAYER.fullmatch(name)
        assert match is not None
        numbered.setdefault((int(match.group(2)), match.group(1) == "BN"), {})[match.group(3)] = value
    layers: List[_Layer] = []
    for (_, is_norm), parts in sorted(numbered.items(), key=lambda item: item[0]):
        if is_norm and layers:
            layers[-1] = layers[-1]._replace(norm=parts)
        elif "kernel" in parts:
            layers.append(_Layer(parts, {}))
    return layers


def _convert(convolution: Convolution, layer: _Layer, is_first: bool) -> Dict[str, np.ndarray]:
    """Return the tensors of a convolution and of its BN under the names of this project."""
    kernel = layer.convolution["kernel"].astype(np.float32)
    bias = layer.convolution.get("bias", np.zeros(convolution.outputs)).astype(np.float64)
    if convolution.method is Method.TRANSPOSED:
        kernel = kernel.transpose(0, 1, 3, 2)
    if is_first:
        kernel = kernel[:, :, [*_FRAME, *(3 + channel for channel in _FRAME)]] * np.float32(_HALF_RANGE)
        bias += kernel.sum(axis=(0, 1, 2), dtype=np.float64)
    result = {f"{convolution.name}/kernel": kernel}
    if convolution.norm is None:
        result[f"{convolution.name}/bias"] = bias.astype(np.float32)
        return result
    for ours, theirs in _NORM.items():
        if theirs in layer.norm:
            value = layer.norm[theirs] - bias if ours == "mean" else layer.norm[theirs]
            result[f"{convolution.norm}/{ours}"] = value.astype(np.float32)
    return result


def _find_missing(convolutions: Sequence[Convolution], tensors: Mapping[str, np.ndarray]) -> Optional[str]:
    """Return the first mean or variance of BN that is missing; None if all are there."""
    norms = [convolution.norm for convolution in convolutions if convolution.norm is not None]
    names = [f"{norm}/{part}" for norm in norms for part in ("mean", "variance")]
    return next((name for name in names if name not in tensors), None)
