import hashlib
import struct
from pathlib import Path
from typing import Callable

import h5py
import pytest

from edgeflownas.storage import global_heap, sealed


def image_of(path: Path, texts: int) -> bytes:
    """A file with so many texts of variable length, of many lengths."""
    with h5py.File(str(path), "w") as file:
        for number in range(texts):
            file.attrs[f"text {number}"] = "x" * (number * 37 % 500)
        file["values"] = [float(number) for number in range(texts)]
    return path.read_bytes()


def readable(image: bytes) -> bool:
    return global_heap.readable(lambda place, count: image[place : place + count], len(image))


@pytest.mark.parametrize("texts", [0, 1, 12, 300])
def test_what_hdf5_writes_is_readable(tmp_path: Path, texts: int) -> None:
    image = image_of(tmp_path / "x.h5", texts)
    assert readable(image) and (b"GCOL" in image) == (texts > 0)


def first_length(image: bytes, length: int, index: int = 1) -> bytes:
    """With another length of the first object of the first heap."""
    place = image.index(b"GCOL") + 16
    return image[:place] + struct.pack("<HHIQ", index, 1, 0, length) + image[place + 16 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: first_length(image, 0, index=0),  # for ever at this object
        lambda image: first_length(image, 2**64 - 16, index=0),  # 2^64 bytes on are here again
        lambda image: first_length(image, 2**64 - 17),
        lambda image: first_length(image, 5000),
        lambda image: image[:13] + b"\x04\x04" + image[15:],
        lambda image: b"x" * 512 + image,
        lambda image: image[:10],
    ],
)
def test_what_hdf5_might_read_for_ever_is_not(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    assert not readable(change(image_of(tmp_path / "x.h5", 12)))


def test_a_heap_over_the_border_of_two_parts_is_found(tmp_path: Path) -> None:
    image = first_length(image_of(tmp_path / "x.h5", 12), 0, index=0)
    place = image.index(b"GCOL")
    for before in (1, 2, 4):
        moved = image[:place] + bytes((1 << 20) - before - place) + image[place:]
        assert not readable(moved)


def test_heaps_within_heaps_are_not_read_one_by_one(tmp_path: Path) -> None:
    """Each holds an empty object, and the next one as an object that leads to its end: all of them would take hours."""
    count = 1 << 18
    sizes = range(32 * count, 0, -48)
    heaps = b"".join(struct.pack("<8sQHHIQ", b"GCOL\x01", size, 1, 1, 0, 0) for size in sizes).ljust(32 * count, b"\0")
    assert global_heap._ends(heaps) and global_heap._ends(heaps[32:][: sizes[1]])
    assert not readable(image_of(tmp_path / "x.h5", 0) + heaps)


def test_a_sealed_file_with_such_a_heap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with sealed.create() as file:
        file.attrs["name"] = "text"
        sealed.write(file, path)
    image = first_length(path.read_bytes()[512:], 0, index=0)
    path.write_bytes(sealed._seal(hashlib.sha256(image)) + image)
    with pytest.raises(sealed.DamagedError, match="global heap is malformed"):
        sealed.read(path)
