"""HDF5 files that are built in memory, written whole, and checked byte by byte before HDF5 sees them.

The file on disk begins with an HDF5 *user block*, 512 bytes that every HDF5 reader skips. It holds the SHA-256 of all
the rest. So any changed byte is found, those between the data too, and no damaged byte reaches the HDF5 library, which
can crash on one.
"""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import h5py

from edgeflownas.files import keep, replacing

_USER_BLOCK = 512
_GROWTH = 1 << 16  # bytes by which the memory of a file grows
_numbers = itertools.count()  # HDF5 takes two files in memory with one name for the same


# What reading a file raises that is whole, but not what it should be.
MALFORMED = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError)


class DamagedError(Exception):
    """A sealed file that is not as it was written."""


def create() -> h5py.File:
    """An empty HDF5 file in memory."""
    return h5py.File(f"memory {next(_numbers)}", "w", driver="core", backing_store=False, block_size=_GROWTH)


def read(path: Path) -> h5py.File:
    """Reads a sealed file into memory, where it can be changed and written again.

    Raises:
        DamagedError: it is not as it was written.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    image = content[_USER_BLOCK:]
    if content[:_USER_BLOCK] != _seal(image):
        raise DamagedError("truncated or damaged (its checksum does not match)")
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(_GROWTH, False)
    try:
        access.set_file_image(image)
        return h5py.File(h5py.h5f.open(f"memory {next(_numbers)}".encode(), h5py.h5f.ACC_RDWR, access))
    except (OSError, RuntimeError, ValueError) as error:
        raise DamagedError(f"not HDF5 ({error})") from None


def member(group: h5py.Group, name: str) -> Any:
    """A group or data set of a file, that lies in the file itself.

    Raises:
        KeyError: there is none.
        ValueError: it is elsewhere: a link, or a data set whose values are in another file.
    """
    *folders, last = name.split("/")
    for folder in folders:
        group = member(group, folder)
    if not isinstance(group.get(last, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    found = group[last]
    if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
        raise ValueError(f"{name} lies in another file")
    return found


def write(file: h5py.File, path: Path) -> None:
    """Writes a file from memory to disk, whole or not at all; what was there before is kept as its ``previous``.

    At every moment ``path`` is whole, and the previous one too once there was one.
    """
    file.flush()
    image = file.id.get_file_image()
    with replacing(path) as temporary:
        with temporary.open("wb") as output:
            output.write(_seal(image))
            output.write(image)
        if path.exists():
            keep(path)


def _seal(image: bytes) -> bytes:
    """The user block of an image."""
    text = f"edgeflownas\nsha256 {hashlib.sha256(image).hexdigest()}\n"
    return text.encode().ljust(_USER_BLOCK, b"\0")
