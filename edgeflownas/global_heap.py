"""HDF5's global heaps, where it keeps text of variable length: whether the library can read those of a file to the end.

libhdf5 1.12, which h5py 3.8 comes with, reads for ever where an object of a heap takes no room. No file that it writes
has one; a file from others may. (HDF5 File Format Specification 3.0, III.E: global heap.)
"""

import struct
from typing import Callable, Iterator

_MAGIC = b"GCOL\x01"
_HEADER = 16  # bytes, of a collection and of each object in it
_PART = 1 << 20  # bytes that are searched at once
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIZES_AT = {0: 13, 1: 13, 2: 9, 3: 9}  # by version of the superblock: bytes of an offset, and of a length

Read = Callable[[int, int], bytes]


def readable(read: Read, size: int) -> bool:
    """Whether all heaps of a file end.

    Args:
        read: gives so many bytes (second) from a place on (first); fewer at the end.
        size: of the file, in bytes.
    """
    start = read(0, _HEADER)
    if start[:8] != _SIGNATURE or len(start) < _HEADER or start[8] not in _SIZES_AT:
        return False
    sizes = _SIZES_AT[start[8]]
    if start[sizes : sizes + 2] != b"\x08\x08":  # as everywhere; with others, heaps look different
        return False
    return all(_ends(read, place, size - place) for place in _collections(read, size))


def _collections(read: Read, size: int) -> Iterator[int]:
    """Where heaps may begin."""
    for start in range(0, size, _PART):
        part = read(start, _PART + len(_MAGIC) - 1)
        place = part.find(_MAGIC)
        while place >= 0:
            yield start + place
            place = part.find(_MAGIC, place + 1)


def _ends(read: Read, start: int, room: int) -> bool:
    """Whether the objects of a heap lead to its end; what claims more than the file has is none."""
    header = read(start, _HEADER)
    size = struct.unpack("<Q", header[8:])[0] if len(header) == _HEADER else room + 1
    if size > room:
        return True
    heap, place = read(start, size), _HEADER
    while place + _HEADER <= size:
        index, length = struct.unpack_from("<H6xQ", heap, place)
        taken = _HEADER + (length + 7) // 8 * 8 if index else length  # the rest, which is free, counts its own header
        if not _HEADER <= taken <= size - place:
            return False
        place += taken
    return True
