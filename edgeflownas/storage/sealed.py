"""HDF5 files with a checksum of every byte, which are changed in memory and written as a whole.

A file on disk begins with an HDF5 *user block*: 512 bytes that every HDF5 reader skips. It holds the SHA-256 of all
other bytes. A changed byte is detected wherever it is, even between data sets, and no damaged byte reaches the HDF5
library, which could crash.
"""

import contextlib
import hashlib
import io
import struct
from pathlib import Path
from typing import Any, Iterator

import h5py

from edgeflownas.errors import InputError
from edgeflownas.storage.files import choose_remedy, keep, replacing

_USER_BLOCK = 512
_HEAP_MAGIC = b"GCOL\x01"
_HEAP_HEADER = 16  # bytes, of a global heap and of each object in it

# Errors raised on reading a file that is intact but does not have the expected content.
MALFORMED = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError)


class DamagedError(Exception):
    """A sealed file has changed since it was written."""


class File(h5py.File):
    """An HDF5 file in memory; only ``write`` changes the file on disk.

    Attributes:
        image: Bytes of the HDF5 file.
        seal: User block of the file on disk that the image was read from or last written to; empty if there is none.
    """

    def __init__(self, image: io.BytesIO, mode: str, seal: bytes = b"") -> None:
        self.image = image
        self.seal = seal
        super().__init__(image, mode)


def create() -> File:
    """Create an empty file in memory."""
    return File(io.BytesIO(), "w")


def read(path: Path) -> File:
    """Read a sealed file, which can be changed and written again.

    Raises:
        DamagedError: The file has changed since it was written.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        seal, image = file.read(_USER_BLOCK), file.read()
    if seal != _make_seal(hashlib.sha256(image)):
        raise DamagedError("truncated or damaged (its checksum does not match)")
    if not image or _has_malformed_heap(image):  # h5py turns an empty image into a new file
        raise DamagedError("not HDF5 that can be read (it is empty, or a global heap is malformed)")
    try:
        return File(io.BytesIO(image), "r+", seal)
    except (OSError, RuntimeError, ValueError) as error:
        raise DamagedError(f"not HDF5 ({error})") from None


def write(file: File, path: Path) -> None:
    """Write a file to disk atomically, and keep its old content as the previous file.

    ``path`` is intact at any moment, and so is the previous file once there is one.

    Raises:
        DamagedError: The file on disk has changed since it was read or last written.
    """
    file.flush()
    if file.seal and path.exists() and not _is_unchanged(path, file.seal):
        raise DamagedError("truncated or damaged (its checksum does not match)")
    with file.image.getbuffer() as image, replacing(path) as temporary:
        seal = _make_seal(hashlib.sha256(image))
        with temporary.open("wb") as output:
            output.write(seal)
            output.write(image)
        if path.exists():
            keep(path)
    file.seal = seal


@contextlib.contextmanager
def named_errors(path: Path, content: str, resume: str, restart: str) -> Iterator[None]:
    """Turn errors on reading a sealed file into one line that says how to continue.

    Args:
        path: Path of the file.
        content: Expected content, such as "a search".
        resume: Remedy if the previous file is intact; its name is put in place of ``{}``.
        restart: Remedy without the previous file.

    Raises:
        InputError: The block raised ``DamagedError`` or one of ``MALFORMED``.
    """
    try:
        yield
        return
    except DamagedError as error:
        problem = f"is {error}"
    except FileNotFoundError:
        problem = "is missing"
    except MALFORMED as error:
        reason = isinstance(error, OSError) and error.strerror
        problem = f"cannot be read: {reason}" if reason else f"does not contain {content}: {_join_lines(error)}"
    remedy = choose_remedy(path, lambda previous: read(previous).close(), resume, restart)
    raise InputError(f"{path}: {problem}; {remedy}") from None


def check_format(file: File, name: str, version: int) -> None:
    """Check the format that a file names in its attributes.

    Raises:
        ValueError: The format or its version differs.
    """
    if file.attrs.get("format") != name or file.attrs.get("format_version") != version:
        raise ValueError(f"its format is not {name}, version {version}")


def member(group: h5py.Group, name: str) -> Any:
    """Return a group or data set, provided that it is stored in the file itself.

    Raises:
        KeyError: There is no such member.
        ValueError: The member is a link, or a data set whose values are in another file.
    """
    *folders, last = name.split("/")
    for folder in folders:
        group = member(group, folder)
    if not isinstance(group.get(last, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    item = group[last]
    if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
        raise ValueError(f"{name} is stored in another file")
    return item


def _is_unchanged(path: Path, seal: bytes) -> bool:
    """Return whether a file on disk still has a seal, and the content that the seal belongs to."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if file.read(_USER_BLOCK) != seal:
            return False
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return _make_seal(digest) == seal


def _make_seal(digest: Any) -> bytes:
    """Return the user block of an image with this SHA-256."""
    return f"edgeflownas\nsha256 {digest.hexdigest()}\n".encode().ljust(_USER_BLOCK, b"\0")


def _has_malformed_heap(image: bytes) -> bool:
    """Return whether a global heap, in which HDF5 stores text of variable length, could make HDF5 loop forever.

    HDF5 1.12 and 1.14 loop forever on a heap with an object of size 0. HDF5 never writes one, but in a shared file with
    a valid checksum there may be one. (HDF5 File Format Specification 3.0, III.E: global heap.) A heap within a heap is
    rejected, too: many of them would take hours to read.
    """
    end, start = 0, image.find(_HEAP_MAGIC)
    while start >= 0:
        size = int.from_bytes(image[start + 8 : start + _HEAP_HEADER], "little")
        if size <= len(image) - start:  # otherwise HDF5 refuses the heap
            if start < end:
                return True
            place, end = start + _HEAP_HEADER, start + size
            while place + _HEAP_HEADER <= end:
                index, length = struct.unpack_from("<H6xQ", image, place)
                # The object with index 0 is the free space; its length includes the header.
                length = _HEAP_HEADER + (length + 7) // 8 * 8 if index else length
                if not _HEAP_HEADER <= length <= end - place:
                    return True
                place += length
        start = image.find(_HEAP_MAGIC, start + 1)
    return False


def _join_lines(error: Exception) -> str:
    return " ".join(str(error).split())
