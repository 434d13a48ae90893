"""Reading and writing of image and flow files, with errors that name the file.

The size in a header is compared with the size of the file before memory is allocated. The checksums of a PNG are
verified before libpng, which prints its own error messages, reads it.
"""

import re
import struct
import zlib
from pathlib import Path
from typing import Callable, Dict, Tuple

import cv2
import numpy as np
import simplejpeg

from edgeflownas.data import PIXELS
from edgeflownas.data.netpbm import BLANK, END, is_netpbm, to_8_bits
from edgeflownas.errors import InputError

cv2.setLogLevel(0)  # OpenCV's own messages do not name the file

UNKNOWN_FLOW = 1e7  # larger values mark unknown flow: Middlebury's convention is above 1e9, but some files use 1e8

_FLO_HEADER = struct.Struct("<4sii")
_SCALE = rb"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_PFM_HEADER = re.compile(rb"(PF|Pf)" + (BLANK + rb"(\d{1,9})") * 2 + BLANK + _SCALE + END)
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION  # flow does not follow the orientation in the metadata of an image
_GREY = 127  # brightest value of a mask that is not white
_JPEG_MAGIC = b"\xff\xd8"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_MAX_BYTES = 16 * PIXELS  # of a file


class BadFileError(InputError):
    """A file of a data set cannot be used.

    Attributes:
        path: Path of the file.
        reason: Reason why it cannot be used.
    """

    def __init__(self, what: str, path: Path, reason: str) -> None:
        super().__init__(f"{what} {path}: {reason}; replace the file, or leave it out with `data check`")
        self.path, self.reason = path, reason


def read_image(path: Path) -> np.ndarray:
    """Read an image.

    Returns:
        RGB image, uint8 [H, W, 3].

    Raises:
        BadFileError: The file is missing or not an image.
    """
    return np.asarray(cv2.cvtColor(_decode("image", path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def read_mask(path: Path) -> np.ndarray:
    """Read a mask from an image.

    Returns:
        Mask that is true where the image is white, bool [H, W].

    Raises:
        BadFileError: The file is missing or not an image, or grey values are its brightest.
    """
    image = _decode("mask", path, cv2.IMREAD_GRAYSCALE)
    if 0 < image.max() <= _GREY:  # a mask of 0 and 1, for example, would have no effect
        raise BadFileError("mask", path, f"contains values up to {image.max()}, but masks are white, that is, 255")
    return np.asarray(image > _GREY)


def read_flow(path: Path, may_be_unlabelled: bool = False) -> Tuple[np.ndarray, np.ndarray]:
    """Read a flow file: .flo, .pfm, or KITTI's 16-bit .png.

    Args:
        path: Path of the file.
        may_be_unlabelled: Whether flow without any finite value is treated as unknown rather than as an error.

    Returns:
        Flow (u, v) in pixels, float32 [H, W, 2], finite and 0 where it is unknown; and a mask of the pixels with known
        flow, bool [H, W].

    Raises:
        BadFileError: The file is missing or damaged, or some of its values are not finite.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        return read_kitti_flow(path)
    if suffix not in _FLOW_READERS:
        raise BadFileError("flow", path, "is not a .flo, .pfm or .png file")
    flow = _FLOW_READERS[suffix](path)
    finite = np.isfinite(flow).all(axis=-1)
    if may_be_unlabelled and not finite.any():
        return np.zeros(flow.shape, np.float32), finite
    if not finite.all():
        kind = "NaN" if np.isnan(flow).any() else "infinity"
        raise BadFileError("flow", path, f"contains {kind}; non-finite pixels: {np.sum(~finite)}")
    valid = (np.abs(flow) < UNKNOWN_FLOW).all(axis=-1)
    return np.where(valid[..., None], flow, np.float32(0)), valid


def read_flo(path: Path) -> np.ndarray:
    """Read a .flo file.

    Returns:
        Flow (u, v) in pixels, float32 [H, W, 2]; may contain unknown or non-finite values.

    Raises:
        BadFileError: The file is missing, or its size does not match its header.
    """
    data = _read("flow", path)
    if len(data) < _FLO_HEADER.size or data[:4] != b"PIEH":
        raise BadFileError("flow", path, "is not a .flo file (no PIEH header)")
    _, width, height = _FLO_HEADER.unpack_from(data)
    _check_size("flow", path, len(data) - _FLO_HEADER.size, width, height, 8)
    return np.frombuffer(data, "<f4", offset=_FLO_HEADER.size).reshape(height, width, 2).astype(np.float32)


def read_pfm(path: Path) -> np.ndarray:
    """Read a .pfm file of three channels.

    Rows are stored from bottom to top. The sign of the scale in the header gives the byte order; its magnitude, a unit
    of light intensity, is ignored.

    Returns:
        Flow (u, v) in pixels, float32 [H, W, 2]; may contain non-finite values.

    Raises:
        BadFileError: The file is missing, or its size does not match its header.
    """
    data = _read("flow", path)
    header = _PFM_HEADER.match(data[:1024])
    if header is None or header.group(1) != b"PF" or not float(header.group(4)):
        raise BadFileError("flow", path, "is not a .pfm file of three channels")
    width, height = int(header.group(2)), int(header.group(3))
    _check_size("flow", path, len(data) - header.end(), width, height, 12)
    order = "<f4" if float(header.group(4)) < 0 else ">f4"
    pixels = np.frombuffer(data, order, offset=header.end()).reshape(height, width, 3)
    return pixels[::-1, :, :2].astype(np.float32)


def read_kitti_flow(path: Path) -> Tuple[np.ndarray, np.ndarray]:
    """Read a KITTI flow file: 16-bit RGB with (u, v) * 64 + 2^15 and a flag for known flow.

    Returns:
        Flow in pixels, float32 [H, W, 2], 0 where it is unknown; and a mask of the pixels with known flow, bool [H, W].

    Raises:
        BadFileError: The file is missing or not in this format.
    """
    image = _decode("flow", path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise BadFileError("flow", path, "is not a 16-bit RGB image, as KITTI's flow is")
    valid = image[..., 0] > 0
    flow = (image[..., :0:-1].astype(np.float32) - 2**15) / 64
    return np.where(valid[..., None], flow, np.float32(0)), valid


def write_flo(path: Path, flow: np.ndarray) -> None:
    """Write flow, float32 [H, W, 2], as a .flo file.

    Raises:
        OSError: The file cannot be written.
    """
    height, width = flow.shape[:2]
    _write("flow", path, _FLO_HEADER.pack(b"PIEH", width, height) + np.ascontiguousarray(flow, "<f4").tobytes())


def write_kitti_flow(path: Path, flow: np.ndarray) -> None:
    """Write flow, float32 [H, W, 2], as KITTI's 16-bit PNG; see ``read_kitti_flow``.

    Flow is rounded to 1/64 px. The format stores -512 px to just under 512 px; other flow is marked as unknown.

    Raises:
        OSError: The file cannot be written.
    """
    coded = np.rint(flow.astype(np.float64) * 64 + 2**15)
    valid = ((coded >= 0) & (coded < 2**16)).all(axis=-1, keepdims=True)
    write_image(path, np.concatenate([np.where(valid, coded, 0), valid], axis=-1).astype(np.uint16))


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an RGB image, uint8 or uint16 [H, W, 3], as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    quality = [cv2.IMWRITE_PNG_COMPRESSION, 3]  # files are half as large as those of OpenCV's default
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]), quality)
    if not encoded:
        raise OSError(f"image {path}: cannot be encoded as PNG")
    _write("image", path, content.tobytes())


_FLOW_READERS: Dict[str, Callable[[Path], np.ndarray]] = {".flo": read_flo, ".pfm": read_pfm}


def _read(what: str, path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise BadFileError(what, path, f"is too large for an image or flow: {size:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadFileError(what, path, f"cannot be read: {error.strerror}") from None


def _write(what: str, path: Path, content: bytes) -> None:
    """Write a file; OpenCV could not write to a name that is not UTF-8."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OSError(
            f"{what} {path}: cannot be written: {error.strerror}; free some space or name another folder"
        ) from None


def _check_size(what: str, path: Path, size: int, width: int, height: int, pixel: int) -> None:
    """Check that the number of bytes after a header matches the size in the header."""
    if width < 1 or height < 1 or size != pixel * width * height:
        raise BadFileError(what, path, f"is truncated or damaged: {size} bytes for {width} x {height} pixels")


def _decode(what: str, path: Path, flags: int) -> np.ndarray:
    """Check an image file, and decode it with OpenCV."""
    data = _read(what, path)
    if data.startswith(_PNG_MAGIC):
        _check_png(what, path, data)
    elif is_netpbm(data):
        try:
            data = to_8_bits(data)
        except ValueError as error:
            raise BadFileError(what, path, str(error)) from None
    elif data.startswith(b"P1"):
        data += b"\n"  # OpenCV fails on text that ends with a digit
    elif data.startswith(_JPEG_MAGIC):
        return _decode_jpeg(what, path, data, flags == cv2.IMREAD_GRAYSCALE)
    elif data.startswith(b"P7"):  # OpenCV would swap the colours
        raise BadFileError(what, path, "is a .pam file, which is not supported; convert it to .ppm or .png")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | _AS_STORED) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise BadFileError(what, path, "cannot be read as an image")
    return np.asarray(image)


def _decode_jpeg(what: str, path: Path, data: bytes, is_grey: bool) -> np.ndarray:
    """Decode a JPEG in BGR or grey. Damaged data is an error; OpenCV would fill the rest of the image with anything."""
    try:
        height, width = simplejpeg.decode_jpeg_header(data)[:2]
        _check_claim(what, path, height, width)
        image = simplejpeg.decode_jpeg(data, "GRAY" if is_grey else "BGR", strict=True)
    except ValueError as error:
        raise BadFileError(what, path, f"cannot be read as an image: {error}") from None
    return np.asarray(image[..., 0] if is_grey else image)


def _check_claim(what: str, path: Path, height: int, width: int) -> None:
    """Check the size in the header of a compressed image, which the size of the file does not bound."""
    if not 0 < width * height <= PIXELS:
        raise BadFileError(what, path, f"cannot be read as an image: it claims {width} x {height} pixels")


def _check_png(what: str, path: Path, data: bytes) -> None:
    """Check the size of a PNG and the checksum of every chunk."""
    place = len(_PNG_MAGIC)
    kind = b""
    while kind != b"IEND":
        if place + 12 > len(data):
            raise BadFileError(what, path, "cannot be read as an image: it is truncated")
        size, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + size
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[place + 4 : end])):
            raise BadFileError(what, path, "cannot be read as an image: it is truncated or damaged")
        if kind == b"IHDR" and size == 13:
            width, height = struct.unpack_from(">II", data, place + 8)
            _check_claim(what, path, height, width)
        place = end + 4
