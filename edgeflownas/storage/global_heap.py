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
    end = 0
    for place in _collections(read, size):
        taken = _size(read, place)
        if taken > size - place:  # more than the file has: HDF5 does not take it for a heap
            continue
        # One within another is no heap of HDF5's either, and many would take long to walk through.
        if place < end or not _ends(read(place, taken)):
            return False
        end = place + taken
    return True


def _collections(read: Read, size: int) -> Iterator[int]:
    """Where heaps may begin."""
    for start in range(0, size, _PART):
        part = read(start, _PART + len(_MAGIC) - 1)
        place = part.find(_MAGIC)
        while place >= 0:
            yield start + place
            place = part.find(_MAGIC, place + 1)


def _size(read: Read, place: int) -> int:
    """Of a heap, as its header says."""
    header = read(place, _HEADER).ljust(_HEADER, b"\xff")
    return int.from_bytes(header[8:], "little")


def _ends(heap: bytes) -> bool:
    """Whether the objects of a heap lead to its end."""
    place = _HEADER
    while place + _HEADER <= len(heap):
        index, length = struct.unpack_from("<H6xQ", heap, place)
        taken = _HEADER + (length + 7) // 8 * 8 if index else length  # the rest, which is free, counts its own header
        if not _HEADER <= taken <= len(heap) - place:
            return False
        place += taken
    return True
