"""PGM and PPM images, binary or text, of any maximum value, as the 8-bit files that OpenCV reads correctly.

OpenCV scales values only if the maximum is 255 or 65535, and fails on text that ends with a digit.
"""

import re
from typing import Optional

import numpy as np

BLANK = rb"\s+(?:#[^\n]*\n\s*)*"  # may contain comments
END = rb"(?:[ \t]*(?:#[^\n]*)?\r?\n|\s)"  # of a header: the rest of the line, or one blank

_HEADER = re.compile(rb"P([2356])" + (BLANK + rb"(\d{1,9})") * 3 + rb"\s")
_END = re.compile(END)
_COMMENT = re.compile(rb"#[^\n]*")
_LARGEST = 65535  # maximum value of the format


def is_netpbm(data: bytes) -> bool:
    """Return whether the content of a file begins like a PGM or PPM."""
    return data[:2] in (b"P2", b"P3", b"P5", b"P6")


def to_8_bits(data: bytes) -> bytes:
    """Return a PGM or PPM with all values scaled from the file's maximum to 255, as binary.

    Args:
        data: Content of the file.

    Raises:
        ValueError: The header is damaged, or the file is shorter than its header says; the message does not name the
            file.
    """
    header = _HEADER.match(data[:1024])
    if header is None:
        raise ValueError("is not a .pgm or .ppm file")
    kind, width, height, largest = (int(group) for group in header.groups())
    if not 0 < largest <= _LARGEST or not width * height:
        raise ValueError(f"is damaged: its header claims {width} x {height} pixels with values up to {largest}")
    count = width * height * (3 if kind in (3, 6) else 1)
    content = data[header.end() :]
    read = _read_text(content, count) if kind < 5 else _read_binary(data, header.end(), count, largest)
    if read is None:
        raise ValueError(f"is truncated or damaged: {len(content)} bytes for {width} x {height} pixels")
    values: np.ndarray = read
    if largest != 255:
        values = np.rint(np.clip(values.astype(np.float64) / largest, 0, 1) * 255)
    return b"P%d %d %d 255\n" % (6 if kind in (3, 6) else 5, width, height) + values.astype(np.uint8).tobytes()


def _read_binary(data: bytes, start: int, count: int, largest: int) -> Optional[np.ndarray]:
    """Return the values from a position; None if there are fewer. Other data, such as a second image, may follow them.

    A header that ends with CRLF or a comment is recognised by the size of the file, because values may look like both.
    """
    kind = np.dtype("u1" if largest < 256 else ">u2")
    line = _END.match(data, start - 1)
    if line is not None and len(data) - line.end() == count * kind.itemsize:
        start = line.end()
    return np.frombuffer(data, kind, count, start) if len(data) - start >= count * kind.itemsize else None


def _read_text(content: bytes, count: int) -> Optional[np.ndarray]:
    """Return the values of a text; None if there are more or fewer, or if it contains anything but numbers."""
    words = _COMMENT.sub(b"", content).split() if len(content) >= 2 * count - 1 else []
    if len(words) != count or not all(map(bytes.isdigit, words)):
        return None
    return np.array([int(word[:9]) for word in words])
