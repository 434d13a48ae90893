"""Exported networks, opened from their files alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

from edgeflownas.errors import InputError
from edgeflownas.storage.files import read_json

if TYPE_CHECKING:
    from edgeflownas.hardware.quantised import QuantisedNetwork

_MAGIC = b"TFL3"  # identifier of the file, at its fifth byte
_MULTIPLE = 16  # frames are padded by less than this


def open_exported(path: Path) -> "QuantisedNetwork":
    """Open the .tflite file of an exported network.

    Raises:
        InputError: The file is missing or is not a network for flow, or it was compiled for an NPU.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise InputError(f"network {path}: cannot be read: {error.strerror}; `export` writes networks") from None
    if model[4:8] != _MAGIC:
        raise InputError(f"network {path}: is not a TFLite file; `export` writes networks")
    from edgeflownas.hardware.quantised import QuantisedNetwork

    try:
        network = QuantisedNetwork(model)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is damaged"
        if "custom op" in str(error):
            reason = "it is compiled for an NPU; use the file before Vela, without _vela in its name"
        raise InputError(f"network {path}: cannot be run on this CPU: {reason}") from None
    if network.channels != (6, 4):
        raise InputError(
            f"network {path}: has {network.channels[0]} input and {network.channels[1]} output channels, not the 6 and "
            f"4 of a network for flow; name a network that `export` has written"
        )
    return network


def choose_size(path: Path, network: "QuantisedNetwork", frames: Tuple[int, int]) -> Optional[Tuple[int, int]]:
    """Choose the size to which frames are resized for an exported network, whose input has a fixed size.

    A bundle records the size of its frames in io.json. Without it, frames that almost fill the input are padded, as
    they are for training, and others are resized to the size of the input.

    Args:
        path: Path of the network's file.
        network: The network.
        frames: Height and width of the frames, in pixels.

    Returns:
        Height and width, in pixels; None if the frames are not resized.
    """
    recorded = _read_frame_size(path.with_name("io.json")) if path.name == "network.tflite" else None
    if recorded is not None:
        return recorded
    margins = [size - frame for size, frame in zip(network.size, frames)]
    return None if all(0 <= margin < _MULTIPLE for margin in margins) else network.size


def _read_frame_size(path: Path) -> Optional[Tuple[int, int]]:
    """Return height and width of the frames that a bundle is made for; None if it is not a bundle."""
    if not path.exists():
        return None
    try:
        crop = read_json(path)["output"]["crop"]
        return int(crop["rows"][1]), int(crop["columns"][1])
    except (LookupError, TypeError, ValueError):
        raise InputError(f"{path}: does not describe an exported network; write the bundle again") from None
