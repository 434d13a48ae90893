"""Reading and writing images and flow files through OpenCV, with errors that name the file."""

from pathlib import Path

import cv2
import numpy as np

from edgeflownas.errors import InputError

_FLO_HEADER = 12  # bytes: magic number, width, height
_FLO_MAGIC = b"PIEH"
UNKNOWN_FLOW = 1e9  # components beyond this mark unknown flow (Middlebury's convention)


def read_image(path: Path) -> np.ndarray:
    """Reads an image as uint8 [H, W, 3], RGB.

    Raises:
        InputError: the file is missing or no image.
    """
    data = _read(path)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise InputError(f"image {path}: cannot be read as an image; replace the file or leave the pair out")
    return np.ascontiguousarray(image[..., ::-1])


def read_flo(path: Path) -> np.ndarray:
    """Reads a .flo file as float32 [H, W, 2], (u, v) in pixels; may hold unknown or non-finite values.

    Raises:
        InputError: the file is missing, or its size does not fit what its header says.
    """
    size = len(_read(path))
    with path.open("rb") as file:
        header = file.read(_FLO_HEADER)
    if len(header) < _FLO_HEADER or header[:4] != _FLO_MAGIC:
        raise InputError(f"flow {path}: is not a .flo file (no PIEH header); replace the file or leave the pair out")
    width, height = (int(side) for side in np.frombuffer(header[4:], "<i4"))
    # Checked before OpenCV trusts the header with an allocation.
    if width < 1 or height < 1 or size != _FLO_HEADER + 8 * width * height:
        raise InputError(f"flow {path}: is truncated or damaged: {size} bytes for {width} x {height} pixels")
    flow: np.ndarray = cv2.readOpticalFlow(str(path))
    return flow


def write_flo(path: Path, flow: np.ndarray) -> None:
    """Writes float32 [H, W, 2] as a .flo file.

    Raises:
        OSError: the file cannot be written.
    """
    if not cv2.writeOpticalFlow(str(path), np.ascontiguousarray(flow, np.float32)):
        raise OSError(f"flow {path}: cannot be written")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
