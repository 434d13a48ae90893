"""Refusal to resume a different search, by the settings, files and pairs that make it different."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

import h5py
import pytest

from edgeflownas.config import Config, validate
from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage import origin
from edgeflownas.storage.pairs import Fingerprint, Identities
from search.storage.identity import Identity
from search.storage.search_file import SearchFile
from search.storage.space_file import SpaceFile
from tests.search.stand_ins import MEDIUM, identity
from tests.search.storage.searches import IDENTITY, search


@pytest.mark.parametrize(
    "key, value, there",
    [
        ("network.width", "16", "8"),
        ("data.motion", "9", "8.0"),
        ("data.val_pairs", "32", "64"),
        ("evaluation.calibration_pairs", "16", "32"),
        ("evolution.population", "48", "52"),
        ("evolution.objectives", "[epe]", "['epe', 'fps']"),
        ("evolution.reference_point", "{epe: 6, fps: 0}", "7.0"),
        ("evolution.constraints", "{sram_kib: {max: 300}}", "None"),
        ("evolution.complete_outputs", "false", "True"),
        ("seed", "5", "1"),
    ],
)
def test_different_search_is_refused_with_the_difference(tmp_path: Path, key: str, value: str, there: str) -> None:
    path = tmp_path / "search.h5"
    search(path, 1)
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        SearchFile(path, identity(MEDIUM, f"{key}={value}"))
    assert key in str(error.value) and f"is {there} there" in str(error.value) and "--restart" in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("change, name", [("supernet_sha256", "supernet"), ("table_sha256", "cost table")])
def test_checkpoint_of_another_supernet_or_cost_table_is_refused(tmp_path: Path, change: str, name: str) -> None:
    search(tmp_path / "search.h5", 1)
    other = Identity(**{**vars(IDENTITY), change: "another"})
    with pytest.raises(InputError, match=f"the {name} is .* there and another here"):
        SearchFile(tmp_path / "search.h5", other)


def test_checkpoint_of_another_space_or_network_is_refused(tmp_path: Path) -> None:
    search(tmp_path / "search.h5", 1)
    with pytest.raises(InputError, match="gene G0 has the options"):
        SearchFile(tmp_path / "search.h5", identity(Space(MEDIUM.genes[1:], 2, (2, 4))))
    with pytest.raises(InputError, match="a different order"):
        SearchFile(tmp_path / "search.h5", identity(Space(MEDIUM.genes[::-1], 3, (3, 5))))
    with pytest.raises(InputError, match="definition has changed"):
        SearchFile(tmp_path / "search.h5", Identity(**{**vars(IDENTITY), "skeleton_sha256": "another"}))


@pytest.mark.parametrize(
    "free",
    [
        "name=other",
        "threads=1",
        "supernet=elsewhere.h5",
        "train.epochs=99",
        "queue.size=9",
        "cluster.partition=gpu",
        "hardware.table=elsewhere.yaml",
        "evolution.generations=99",
        "evolution.patience=2",
        "evaluation.workers=2",
        "evaluation.devices=[0, 1]",
        "evaluation.scheduler=tcp://node:8786",
    ],
)
def test_free_settings_may_change(tmp_path: Path, free: str) -> None:
    search(tmp_path / "search.h5", 1)
    search(tmp_path / "search.h5", 2, identity(MEDIUM, free))
    with h5py.File(str(tmp_path / "search.h5"), "r") as file:
        assert file.attrs["config_yaml"] == identity(MEDIUM, free).attributes()["config_yaml"]


def test_data_may_be_moved_if_pairs_are_recorded() -> None:
    here, there = ({"kind": "kitti2015", "root": root} for root in ("/a", "/b"))
    same: Identities = {"validation": {"pairs": 8, "names": "a", "contents": "b"}}

    def of(data: Dict[str, Any], pairs: Identities) -> Identity:
        config = validate({**IDENTITY.config.model_dump(), "data": data}, Config, "test")
        return Identity(**{**vars(IDENTITY), "config": config, "pairs": pairs})

    assert of(there, same).differences(of(here, same).attributes()) == []
    gaps: List[Tuple[Identities, Identities]] = [({}, same), (same, {})]
    for before, now in gaps:
        assert of(there, now).differences(of(here, before).attributes())[0] == "data.root is /a there and /b here"
    other = {**there, "flow": "noc"}
    assert of(other, same).differences(of(here, same).attributes()) == ["data.flow is occ there and noc here"]


def test_pairs_are_recorded_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 1)
    eight: Identities = {"validation": {"pairs": 8, "names": "a", "contents": "b"}}
    who = Identity(**{**vars(IDENTITY), "pairs": eight})
    # As if an earlier version had written the first generation.
    assert "does not record which pairs" in search(path, 2, who).remark
    assert not search(path, 3, who).remark
    changes: List[Tuple[Fingerprint, str]] = [
        ({"pairs": 4}, "the number of validation pairs was 8, now it is 4"),
        ({"names": "c"}, "the names of the validation pairs, or their order, have changed"),
        ({"contents": "c"}, "the contents of files of the validation pairs have changed"),
    ]
    for change, reason in changes:
        other = Identity(**{**vars(IDENTITY), "pairs": {"validation": {**eight["validation"], **change}}})
        with pytest.raises(InputError, match=f"{reason}.*--restart"):
            SearchFile(path, other)
        space = SpaceFile(tmp_path / "space.h5", who)
        space.write()
        assert not SpaceFile(tmp_path / "space.h5", who).remark
        with pytest.raises(InputError, match=f"contains other scores: {reason}.*--run"):
            SpaceFile(tmp_path / "space.h5", other)


def test_files_of_another_tensorflow_are_continued_with_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, space = tmp_path / "search.h5", tmp_path / "space.h5"
    monkeypatch.setattr(origin, "read_version", lambda: "1.15.0")
    assert not search(path, 1).remark and not search(path, 2).remark
    SpaceFile(space, IDENTITY).write()
    monkeypatch.setattr(origin, "read_version", lambda: "2.21.0")
    remark = "was computed with TensorFlow 1.15.0 and is continued with 2.21.0"
    assert remark in SpaceFile(space, IDENTITY).remark
    for generations in (3, 4):  # once more: a file that holds scores of both remains such a file
        resumed = search(path, generations)
        assert remark in resumed.remark and "\n" not in resumed.remark
    with h5py.File(str(path), "r") as file:
        assert file.attrs["tensorflow"] == "1.15.0, 2.21.0"
