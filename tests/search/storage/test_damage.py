"""Damaged, missing and forged search files: refusal in one line, and recovery from the previous file."""

import random
from pathlib import Path
from typing import Any, Callable, List

import h5py
import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import sealed
from edgeflownas.storage.files import previous, use_previous
from search.nsga2.evolution import Evolution
from search.storage.archive_group import read_archive
from search.storage.search_file import SearchFile
from tests.search.stand_ins import MEDIUM, Oracle, Table, evolution_config, step
from tests.search.storage.searches import IDENTITY, content, open_search, search


def damage(content: bytes, kind: str) -> bytes:
    rng = random.Random(kind)
    if kind == "truncated":
        return content[: rng.randrange(len(content))]
    if kind == "empty":
        return b""
    changed = bytearray(content)
    changed[rng.randrange(len(content))] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("kind", ["truncated", "empty", "flipped"])
def test_damaged_checkpoint_is_refused_and_replaced_by_the_previous_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "search.h5"
    search(path, 4)
    whole = content(path)
    bad = damage(path.read_bytes(), kind)
    path.write_bytes(bad)
    with pytest.raises(InputError, match=r"search\.h5: is truncated or damaged.*\.previous with `evolve --from-p"):
        SearchFile(path, IDENTITY)
    assert use_previous(path, open_search)
    assert (tmp_path / "search.h5.1").read_bytes() == bad
    assert SearchFile(path, IDENTITY).last.number == 2  # type: ignore[union-attr]
    search(path, 4)
    assert content(path) == whole


def test_only_a_restart_is_offered_if_the_previous_checkpoint_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    for file in (path, previous(path)):
        file.write_bytes(damage(file.read_bytes(), "flipped"))
    with pytest.raises(InputError) as error:
        SearchFile(path, IDENTITY)
    assert "--restart" in str(error.value) and "--from-previous" not in str(error.value)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(InputError, match="previous: is truncated or damaged"):
        assert use_previous(path, open_search)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_missing_checkpoint_with_a_previous_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    path.unlink()
    with pytest.raises(InputError, match=r"is missing.*--from-previous"):
        SearchFile(path, IDENTITY)
    assert use_previous(path, open_search)
    assert SearchFile(path, IDENTITY).last.number == 0  # type: ignore[union-attr]


def test_append_refuses_to_replace_a_checkpoint_damaged_during_the_search(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    for generations in (1, 2):
        file = search(path, generations)
    path.write_bytes(path.read_bytes()[:-1])
    damaged = path.read_bytes()
    evolution = Evolution(MEDIUM, evolution_config(generations=9), Table(), 1, file.archive, file.last)
    with pytest.raises(InputError, match=r"search\.h5: is truncated or damaged .*resume from .* --from-previous"):
        file.append(step(evolution, Oracle(MEDIUM))[1], 1.0)
    assert path.read_bytes() == damaged


def forge(path: Path, change: Callable[[h5py.File], None]) -> None:
    """Change a search file and seal it: its checksum is valid, its content is not."""
    with sealed.read(path) as file:
        change(file)
        sealed.write(file, path)


def put(place: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if "@" in place:
            name, key = place.split("@")
            file[name].attrs[key] = value
        else:
            del file[place]
            if value is not None:
                file[place] = value

    return change


FORGERIES: List[Any] = [
    ("/@format", "something"),
    ("/@format", 5),
    ("/@format_version", 2),
    ("/@config_yaml", "evil: !!python/object/apply:os.system [touch /tmp/evil]"),
    ("/@config_yaml", "- 1"),
    ("/@config_yaml", "{"),
    ("/@config_yaml", 7),
    ("/@genes", "nothing"),
    ("/@genes", 7),
    ("/@supernet_sha256", 7),
    ("/@zero_flow_epe", "much"),
    ("archive", None),
    ("archive/epe", None),
    ("archive/epe", 5.0),
    ("archive/epe", "text"),
    ("archive/genes", np.zeros((3, 6), np.uint8)),
    ("archive/genes", np.zeros((10**6, 6), np.uint8)),
    ("generations", None),
    ("generations/0001", None),
    ("generations/0000", None),
    ("generations/0001/genes", np.full((4, 6), 1, np.int64)),
    ("generations/0001/genes", np.full((4, 6), 9, np.uint8)),
    ("generations/0001/genes", np.uint8(1)),
    ("generations/0001/objectives", None),
    ("generations/0001@rng_state", "[3, [1, 2], null]"),
    ("generations/0001@rng_state", "not JSON"),
    ("generations/0001@rng_state", 5),
    ("generations/0001@wall_s", "long"),
    ("generations/0001@duplicates", [1, 2]),
]


@pytest.mark.parametrize("place, value", FORGERIES)
def test_sealed_file_without_a_valid_search_is_refused_in_one_line(tmp_path: Path, place: str, value: Any) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    forge(path, put(place, value))
    with pytest.raises(InputError, match=r"search\.h5: .*--restart") as error:
        SearchFile(path, IDENTITY)
    assert "\n" not in str(error.value)


def test_data_set_of_huge_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 1)

    def claim(file: h5py.File) -> None:
        del file["archive/epe"]
        file["archive"].create_dataset("epe", (2**40,), "f8", chunks=(1024,))

    forge(path, claim)
    with pytest.raises(InputError, match="archive/epe has another type or is too large"):
        SearchFile(path, IDENTITY)
    with sealed.read(path) as file, pytest.raises(ValueError):
        read_archive(file["archive"], MEDIUM)
