"""HDF5 files that are changed in memory, written whole, and checked byte by byte before HDF5 sees them.

The file on disk begins with an HDF5 *user block*, 512 bytes that every HDF5 reader skips. It holds the SHA-256 of all
the rest. So any changed byte is found, those between the data too, and no damaged byte reaches the HDF5 library, which
can crash on one.
"""

import hashlib
import io
import os
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, Optional

import h5py

from edgeflownas.storage import global_heap
from edgeflownas.storage.files import keep, replacing

_USER_BLOCK = 512
_PAGE = 1 << 14  # bytes


# What reading a file raises that is whole, but not what it should be.
MALFORMED = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError)


class DamagedError(Exception):
    """A sealed file that is not as it was written."""


class File(h5py.File):
    """An HDF5 file that is changed in memory, and on disk by ``write`` alone."""

    def __init__(self, pages: "_Pages", mode: str) -> None:
        self.pages = pages
        super().__init__(pages, mode)
        weakref.finalize(self, self.id.close)  # at exit, too, while HDF5 can still ask for pages

    def close(self) -> None:
        """Forgets what was not written."""
        super().close()
        self.pages.close()


class _Pages(io.RawIOBase):
    """The bytes of a file as HDF5 wants them: changed pages, in memory, over a sealed file that stays on disk.

    So a file that grows takes as much memory as was changed since it was last written.
    """

    def __init__(self, below: Optional[BinaryIO] = None) -> None:
        self._changed: Dict[int, bytearray] = {}
        self._below = below
        self._place = 0
        self._size = 0 if below is None else max(os.fstat(below.fileno()).st_size - _USER_BLOCK, 0)

    def rest_on(self, below: BinaryIO) -> None:
        """Forgets all changes, which a sealed file holds now."""
        if self._below is not None:
            self._below.close()
        self._changed, self._below = {}, below

    def image(self) -> Iterator[bytes]:
        """All bytes, in parts."""
        for start in range(0, self._size, _PAGE):
            yield bytes(self._page(start // _PAGE)[: self._size - start])

    def check(self) -> None:
        """Makes sure that the file below is as it was written.

        Raises:
            DamagedError: it is not.
        """
        if self._below is None:
            return
        handle, digest = self._below.fileno(), hashlib.sha256()
        for start in range(_USER_BLOCK, os.fstat(handle).st_size, 64 * _PAGE):
            digest.update(os.pread(handle, 64 * _PAGE, start))
        if os.pread(handle, _USER_BLOCK, 0) != _seal(digest):
            raise DamagedError("truncated or damaged (its checksum does not match)")

    def _page(self, number: int) -> bytearray:
        """A page; those that nobody has written are zero."""
        if number in self._changed:
            return self._changed[number]
        found = b""
        if self._below is not None:
            found = os.pread(self._below.fileno(), _PAGE, _USER_BLOCK + number * _PAGE)
        return bytearray(found.ljust(_PAGE, b"\0"))

    def readinto(self, buffer: Any) -> int:
        """Reads what the buffer holds, from the present place on."""
        wanted, done = memoryview(buffer).cast("B"), 0
        while done < len(wanted):
            number, start = divmod(self._place, _PAGE)
            part = self._page(number)[start : start + len(wanted) - done]
            wanted[done : done + len(part)] = part
            done += len(part)
            self._place += len(part)
        return done

    def write(self, buffer: Any) -> int:
        """Changes the bytes from the present place on."""
        given, done = memoryview(buffer).cast("B"), 0
        while done < len(given):
            number, start = divmod(self._place, _PAGE)
            part = given[done : done + _PAGE - start]
            page = self._changed[number] = self._page(number)
            page[start : start + len(part)] = part
            done += len(part)
            self._place += len(part)
        self._size = max(self._size, self._place)
        return done

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place."""
        self._place = place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """The present place."""
        return self._place

    def truncate(self, size: Optional[int] = None) -> int:
        """Makes this the size."""
        self._size = self._place if size is None else size
        return self._size

    def close(self) -> None:
        """Lets the file on disk go."""
        if self._below is not None:
            self._below.close()
        super().close()


def create() -> File:
    """An empty file."""
    return File(_Pages(), "w")


def read(path: Path) -> File:
    """Reads a sealed file, which can be changed and written again.

    Raises:
        DamagedError: it is not as it was written.
        OSError: it cannot be read.
    """
    on_disk = path.open("rb", buffering=0)
    pages = _Pages(on_disk)
    pages.check()
    size = pages.seek(0, os.SEEK_END)
    if not size:
        raise DamagedError("empty")  # of which h5py would make a new one
    if not global_heap.readable(lambda place, count: os.pread(on_disk.fileno(), count, _USER_BLOCK + place), size):
        raise DamagedError("not HDF5 that can be read (its superblock or a global heap is malformed)")
    try:
        return File(pages, "r+")
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


def write(file: File, path: Path) -> None:
    """Writes a file to disk, whole or not at all; what was there before is kept as its ``previous``.

    At every moment ``path`` is whole, and the previous one too once there was one.

    Raises:
        DamagedError: what was read, or last written, has changed on disk since.
    """
    file.flush()
    file.pages.check()
    digest = hashlib.sha256()
    with replacing(path) as temporary:
        with temporary.open("wb") as output:
            output.write(_seal(digest))
            for part in file.pages.image():
                digest.update(part)
                output.write(part)
            output.seek(0)
            output.write(_seal(digest))
        written = temporary.open("rb", buffering=0)
        if path.exists():
            keep(path)
    file.pages.rest_on(written)


def _seal(digest: Any) -> bytes:
    """The user block of an image, from its SHA-256."""
    return f"edgeflownas\nsha256 {digest.hexdigest()}\n".encode().ljust(_USER_BLOCK, b"\0")
