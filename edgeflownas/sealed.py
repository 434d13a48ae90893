"""HDF5 files that are built in memory, written whole, and checked byte by byte before HDF5 sees them.

The file on disk begins with an HDF5 *user block*, 512 bytes that every HDF5 reader skips. It holds the SHA-256 of all
the rest. So any changed byte is found, those between the data too, and no damaged byte reaches the HDF5 library, which
can crash on one.
"""

import hashlib
import itertools
import os
import shutil
from pathlib import Path
from typing import Iterator

import h5py

from edgeflownas.files import replacing

_USER_BLOCK = 512
_GROWTH = 1 << 16  # bytes by which the memory of a file grows
_numbers = itertools.count()  # HDF5 takes two files in memory with one name for the same


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


def previous(path: Path) -> Path:
    """Where the file lies that a sealed file took the place of."""
    return path.with_name(path.name + ".previous")


def write(file: h5py.File, path: Path) -> None:
    """Writes a file from memory to disk, whole or not at all; what was there before is kept as ``previous(path)``.

    At every moment ``path`` is whole, and the previous one too once there was one.
    """
    file.flush()
    image = file.id.get_file_image()
    with replacing(path) as temporary:
        with temporary.open("wb") as output:
            output.write(_seal(image))
            output.write(image)
        if path.exists():
            _keep(path)


def leftovers(path: Path) -> Iterator[Path]:
    """Temporary files that writers of a sealed file left when they were killed."""
    for name in (path.name, previous(path).name):
        yield from path.parent.glob(f".{name}.????????.tmp")


def _keep(path: Path) -> None:
    """Makes the previous file what the file now is."""
    with replacing(previous(path)) as temporary:
        temporary.unlink()
        try:
            os.link(str(path), str(temporary))
        except OSError:  # a file system without hard links
            shutil.copyfile(str(path), str(temporary))


def _seal(image: bytes) -> bytes:
    """The user block of an image."""
    text = f"edgeflownas\nsha256 {hashlib.sha256(image).hexdigest()}\n"
    return text.encode().ljust(_USER_BLOCK, b"\0")
