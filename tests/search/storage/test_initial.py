from pathlib import Path

import pytest

from edgeflownas.errors import InputError
from search.nsga2.evolution import Evolution
from search.storage.front import write_front
from search.storage.initial import read_initial
from tests.search.stand_ins import MEDIUM, Oracle, Table, config, evolution_config, space_of, step


def test_architectures_are_named_by_digits_files_and_runs(tmp_path: Path) -> None:
    evolution = Evolution(MEDIUM, evolution_config(), Table(), 1)
    step(evolution, Oracle(MEDIUM))
    front = evolution.front()
    write_front(tmp_path / "front.csv", evolution.archive, front, {"board": "any"})
    (tmp_path / "list.txt").write_text("211322\n\n000000\n")
    expected = [(2, 1, 1, 3, 2, 2), (0, 0, 0, 0, 0, 0), *evolution.archive.architectures(front)]
    entries = ["211322", str(tmp_path / "list.txt"), str(tmp_path)]
    assert read_initial(MEDIUM, entries) == list(dict.fromkeys(expected))
    assert read_initial(MEDIUM, [str(tmp_path / "front.csv")]) == evolution.archive.architectures(front)


def test_options_of_another_space_are_found_by_name(tmp_path: Path) -> None:
    path, space = tmp_path / "front.csv", space_of((2, 3), 1)
    path.write_text("architecture,G0,G1,epe\n07,1,2,3.5\n")
    assert read_initial(space, [str(path)]) == [(1, 2)]
    path.write_text("architecture,G0,G1,epe\n07,1,7,3.5\n")
    with pytest.raises(InputError, match="front.csv: architecture 07: gene G1 has the options 0, 1, 2, not 7"):
        read_initial(space, [str(path)])
    path.write_text("architecture,epe\n12,3.5\n")
    assert read_initial(space, [str(path)]) == [(1, 2)]


def test_unusable_entries_are_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("000009\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for entry, message in {
        "000009": "gene G5",
        str(tmp_path / "bad.txt"): "bad.txt: architecture",
        str(tmp_path / "none.txt"): "none.txt: No such file",
        str(tmp_path): "front.csv: No such file",
        str(tmp_path / "binary"): "not a text file",
    }.items():
        with pytest.raises(InputError, match=message) as caught:
            read_initial(MEDIUM, [entry])
        assert "\n" not in str(caught.value)


def test_digits_keep_their_zeros_and_a_single_entry_is_a_list() -> None:
    assert config("evolution.initial=[000000, 211322]").evolution.initial == ["000000", "211322"]
    assert config("evolution.initial=001322").evolution.initial == ["001322"]
    assert config("evolution.initial=results/other").evolution.initial == ["results/other"]
