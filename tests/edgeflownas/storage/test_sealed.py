import hashlib
import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgeflownas.storage import files, sealed

ROOT = Path(__file__).parents[3]


def written(path: Path, value: int) -> None:
    with sealed.create() as file:
        file["x"] = np.arange(3000) + value
        file.create_group("group").attrs["name"] = "α" * 100
        sealed.write(file, path)


def value_of(path: Path) -> int:
    with sealed.read(path) as file:
        return int(file["x"][0])


def test_any_hdf5_reader_reads_a_sealed_file(tmp_path: Path) -> None:
    written(tmp_path / "x.h5", 5)
    with h5py.File(str(tmp_path / "x.h5"), "r") as file:
        assert file["x"][2] == 7
        assert file["group"].attrs["name"] == "α" * 100


def test_what_was_read_can_grow_and_be_written_again(tmp_path: Path) -> None:
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


def test_the_file_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for value in range(3):
        written(path, value)
        assert value_of(path) == value
        assert files.previous(path).exists() == (value > 0)
    assert value_of(files.previous(path)) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.h5", "x.h5.previous"]


def test_the_file_before_is_kept_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    for value in range(3):
        written(tmp_path / "x.h5", value)
    assert value_of(files.previous(tmp_path / "x.h5")) == 1


def test_files_in_memory_do_not_meet(tmp_path: Path) -> None:
    for value in range(2):
        written(tmp_path / f"{value}.h5", value)
    with sealed.read(tmp_path / "0.h5") as zero, sealed.read(tmp_path / "1.h5") as one, sealed.create() as new:
        zero["x"][0] = 9
        assert one["x"][0] == 1 and "x" not in new
    assert value_of(tmp_path / "0.h5") == 0


def test_a_file_that_grows_takes_the_memory_of_what_was_not_written_yet(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    tracemalloc.start()
    with sealed.create() as file:
        data = file.create_dataset("x", (0,), np.int64, maxshape=(None,), chunks=(1000,))
        for number in range(40):
            data.resize((number + 1) * 12_500, axis=0)  # by 100 kB
            data[-12_500:] = number
            sealed.write(file, path)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert path.stat().st_size > 4_000_000 and taken < 500_000
        assert (data[()] == np.arange(40).repeat(12_500)).all()


def test_what_was_damaged_on_disk_since_it_was_read_is_not_sealed_again(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    written(path, 1)
    with sealed.read(path) as file:
        file["y"] = 1
        with path.open("r+b") as content:
            content.seek(-1, os.SEEK_END)
            content.write(b"!")
        before = path.read_bytes()
        with pytest.raises(sealed.DamagedError):
            sealed.write(file, path)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["x.h5"]


def test_a_file_that_is_open_when_the_program_ends_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    written(path, 1)
    program = (
        "import builtins, pathlib, sys; from edgeflownas.storage import sealed\n"
        "file = sealed.read(pathlib.Path(sys.argv[1])); file['y'] = range(9)\n"
        "sys.modules['json'].kept = builtins.kept = file"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(path)], check=True, cwd=str(ROOT))
    assert value_of(path) == 1


@pytest.mark.parametrize("kind", ["truncated", "flipped", "zeroed", "longer"])
def test_any_damage_is_seen(tmp_path: Path, kind: str) -> None:
    path, rng = tmp_path / "x.h5", random.Random(kind)
    written(path, 1)
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


def test_a_sealed_file_that_is_not_hdf5_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for image in (b"", b"hello", bytes(4096)):
        path.write_bytes(sealed._seal(hashlib.sha256(image)) + image)
        with pytest.raises(sealed.DamagedError):
            sealed.read(path)
