import hashlib
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import files, sealed

ROOT = Path(__file__).parents[3]


def write_value(path: Path, value: int) -> None:
    with sealed.create() as file:
        file["x"] = np.arange(3000) + value
        file.create_group("group").attrs["name"] = "α" * 100
        sealed.write(file, path)


def read_value(path: Path) -> int:
    with sealed.read(path) as file:
        return int(file["x"][0])


def write_image(path: Path, image: bytes) -> None:
    path.write_bytes(sealed._make_seal(hashlib.sha256(image)) + image)


def test_sealed_file_is_readable_by_any_hdf5_reader(tmp_path: Path) -> None:
    write_value(tmp_path / "x.h5", 5)
    with h5py.File(str(tmp_path / "x.h5"), "r") as file:
        assert file["x"][2] == 7
        assert file["group"].attrs["name"] == "α" * 100


def test_file_can_grow_and_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with sealed.create() as file:
        file.create_dataset("x", (0,), maxshape=(None,), chunks=(10,), fletcher32=True)
        sealed.write(file, path)
    for i in range(50):
        with sealed.read(path) as file:
            file["x"].resize(i + 1, axis=0)
            file["x"][i] = i
            sealed.write(file, path)
    with sealed.read(path) as file:
        assert file["x"][()].tolist() == list(range(50))


def test_open_file_can_be_written_repeatedly(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with sealed.create() as file:
        data = file.create_dataset("x", (0,), np.int64, maxshape=(None,), chunks=(1000,))
        for number in range(40):
            data.resize((number + 1) * 12_500, axis=0)  # by 100 kB
            data[-12_500:] = number
            sealed.write(file, path)
        assert (data[()] == np.arange(40).repeat(12_500)).all()
    with sealed.read(path) as file:
        assert (file["x"][()] == np.arange(40).repeat(12_500)).all()


def test_previous_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for value in range(3):
        write_value(path, value)
        assert read_value(path) == value
        assert files.previous(path).exists() == (value > 0)
    assert read_value(files.previous(path)) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.h5", "x.h5.previous"]


def test_previous_file_is_kept_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    for value in range(3):
        write_value(tmp_path / "x.h5", value)
    assert read_value(files.previous(tmp_path / "x.h5")) == 1


def test_files_in_memory_are_independent(tmp_path: Path) -> None:
    for value in range(2):
        write_value(tmp_path / f"{value}.h5", value)
    with sealed.read(tmp_path / "0.h5") as zero, sealed.read(tmp_path / "1.h5") as one, sealed.create() as new:
        zero["x"][0] = 9
        assert one["x"][0] == 1 and "x" not in new
    assert read_value(tmp_path / "0.h5") == 0


@pytest.mark.parametrize("place", [0, 20, 600, -1])
def test_write_refuses_to_replace_a_file_damaged_since_it_was_read(tmp_path: Path, place: int) -> None:
    path = tmp_path / "x.h5"
    write_value(path, 1)
    with sealed.read(path) as file:
        file["y"] = 1
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(sealed.DamagedError):
            sealed.write(file, path)
    assert path.read_bytes() == content and [entry.name for entry in tmp_path.iterdir()] == ["x.h5"]


def test_file_still_open_at_exit_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write_value(path, 1)
    program = (
        "import builtins, pathlib, sys; from edgeflownas.storage import sealed\n"
        "file = sealed.read(pathlib.Path(sys.argv[1])); file['y'] = range(9)\n"
        "sys.modules['json'].kept = builtins.kept = file"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(path)], check=True, cwd=str(ROOT))
    assert read_value(path) == 1


@pytest.mark.parametrize("kind", ["truncated", "flipped", "zeroed", "longer"])
def test_read_detects_any_damage(tmp_path: Path, kind: str) -> None:
    path, rng = tmp_path / "x.h5", random.Random(kind)
    write_value(path, 1)
    good = path.read_bytes()
    for _ in range(250):
        content = bytearray(good)
        place = rng.randrange(len(good))
        if kind == "truncated":
            del content[place:]
        elif kind == "flipped":
            content[place] ^= 1 << rng.randrange(8)
        elif kind == "zeroed":
            content[place : place + 512] = bytes(len(content[place : place + 512]))
        else:
            content += bytes(rng.randrange(1, 600))
        if content == good:
            continue
        path.write_bytes(content)
        with pytest.raises(sealed.DamagedError):
            sealed.read(path)


def test_sealed_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    for image in (b"", b"hello", bytes(4096)):
        write_image(tmp_path / "x.h5", image)
        with pytest.raises(sealed.DamagedError):
            sealed.read(tmp_path / "x.h5")


# Errors


def read_named(path: Path) -> None:
    with sealed.named_errors(path, "numbers", "resume from {}", "start again"), sealed.read(path) as file:
        sealed.check_format(file, "numbers", 1)


def test_named_errors_offer_the_previous_file_only_if_it_is_intact(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for value in range(2):
        write_value(path, value)
    with pytest.raises(InputError, match=r"x\.h5: does not contain numbers: .*; resume from x\.h5\.previous$"):
        read_named(path)
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"x\.h5: is truncated or damaged .*; resume from x\.h5\.previous$"):
        read_named(path)
    path.unlink()
    with pytest.raises(InputError, match=r"x\.h5: is missing; resume from x\.h5\.previous$"):
        read_named(path)
    files.previous(path).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"x\.h5: is missing; start again$"):
        read_named(path)
    path.mkdir()
    with pytest.raises(InputError, match=r"x\.h5: cannot be read: Is a directory; start again$"):
        read_named(path)


# Global heaps


def make_image(path: Path, texts: int) -> bytes:
    """Return an HDF5 file with this number of texts of variable length."""
    with h5py.File(str(path), "w") as file:
        for number in range(texts):
            file.attrs[f"text {number}"] = "x" * (number * 37 % 500)
        file["values"] = [float(number) for number in range(texts)]
    return path.read_bytes()


def set_first_length(image: bytes, length: int, index: int = 1) -> bytes:
    """Return an image with another length of the first object of the first heap."""
    place = image.index(b"GCOL") + 16
    return image[:place] + struct.pack("<HHIQ", index, 1, 0, length) + image[place + 16 :]


@pytest.mark.parametrize("texts", [0, 1, 12, 300])
def test_heaps_written_by_hdf5_are_read(tmp_path: Path, texts: int) -> None:
    image = make_image(tmp_path / "x.h5", texts)
    assert (b"GCOL" in image) == (texts > 0)
    write_image(tmp_path / "x.h5", image)
    with sealed.read(tmp_path / "x.h5") as file:
        assert len(file.attrs) == texts


@pytest.mark.parametrize(
    "change",
    [
        lambda image: set_first_length(image, 0, index=0),  # HDF5 loops at this object
        lambda image: set_first_length(image, 2**64 - 16, index=0),  # 2^64 wraps round to the same object
        lambda image: set_first_length(image, 2**64 - 17),
        lambda image: set_first_length(image, 5000),
        lambda image: image[:10],
    ],
)
def test_malformed_heaps_are_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    write_image(tmp_path / "x.h5", change(make_image(tmp_path / "x.h5", 12)))
    with pytest.raises(sealed.DamagedError):
        sealed.read(tmp_path / "x.h5")


def test_nested_heaps_are_refused_without_reading_all_of_them(tmp_path: Path) -> None:
    """Each heap contains an empty object and the next heap; reading all of them would take hours."""
    count = 1 << 18
    sizes = range(32 * count, 0, -48)
    heaps = b"".join(struct.pack("<8sQHHIQ", b"GCOL\x01", size, 1, 1, 0, 0) for size in sizes).ljust(32 * count, b"\0")
    write_image(tmp_path / "x.h5", make_image(tmp_path / "x.h5", 0) + heaps)
    with pytest.raises(sealed.DamagedError, match="a global heap is malformed"):
        sealed.read(tmp_path / "x.h5")
