"""The search file: layout, exact resume, growth, and names of files set aside."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from edgeflownas import __version__
from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage import sealed
from edgeflownas.storage.files import previous, remove_leftovers
from edgeflownas.storage.lock import locked
from search.nsga2.archive import COLUMNS
from search.nsga2.evolution import Evolution
from search.storage.search_file import SearchFile, set_aside
from search.strategies.loop import evolve
from tests.search.stand_ins import MEDIUM, SMALL, Oracle, Table, config, evolution_config, identity
from tests.search.storage.searches import IDENTITY, content, search


def test_layout_for_external_readers(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 3)
    with h5py.File(str(path), "r") as file:
        assert file.attrs["format"] == "edgeflownas-search" and file.attrs["format_version"] == 1
        assert yaml.safe_load(file.attrs["config_yaml"])["evolution"]["objectives"] == ["epe", "fps"]
        assert len(file.attrs["config_sha256"]) == 64
        assert file.attrs["supernet_sha256"] == "supernet" and file.attrs["seed"] == config().seed
        assert file.attrs["code_version"] == __version__ and file.attrs["zero_flow_epe"] == 7.5
        assert list(json.loads(file.attrs["genes"])) == [gene.name for gene in MEDIUM.genes]
        archive = file["archive"]
        rows = len(archive["epe"])
        types = {name: (data.dtype.kind + str(data.dtype.itemsize), data.shape) for name, data in archive.items()}
        assert types.pop("genes") == ("u1", (rows, 6))
        assert types.pop("generation") == ("i4", (rows,))
        assert types.pop("requested") == ("b1", (rows,))
        assert types.pop("cost_source") == ("u1", (rows,))
        assert types == dict.fromkeys(("epe", "fps", "latency_ms", "sram_kib", "npu_cycles"), ("f8", (rows,)))
        assert all(dataset.fletcher32 for dataset in archive.values())
        assert list(file["generations"]) == ["0000", "0001", "0002"]
        last = file["generations/0002"]
        assert last["genes"].shape == (4, 6) and last["genes"].dtype == np.uint8
        assert last["objectives"].shape == (4, 2)
        assert set(last.attrs) >= {"hypervolume", "rng_state", "evaluations", "backbones", "wall_s"}
        assert last.attrs["evaluations"] == archive["requested"][()].sum() >= 3
        assert last.attrs["backbones"] == len({tuple(genes[:3]) for genes in archive["genes"][()].tolist()})
        json.loads(last.attrs["rng_state"])
        # The objectives of the population equal those in the archive.
        rows_of = {tuple(genes): row for row, genes in enumerate(archive["genes"][()].tolist())}
        for genes, (epe, fps) in zip(last["genes"][()].tolist(), last["objectives"][()]):
            assert (archive["epe"][rows_of[tuple(genes)]], archive["fps"][rows_of[tuple(genes)]]) == (epe, fps)


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("space", [SMALL, MEDIUM])
def test_resumed_search_equals_an_uninterrupted_search(tmp_path: Path, space: Space, complete: bool) -> None:
    who = identity(space)
    search(tmp_path / "whole" / "search.h5", 4, who, complete=complete)
    for generations in range(1, 5):
        search(tmp_path / "parts" / "search.h5", generations, who, seed=generations, complete=complete)
    assert content(tmp_path / "whole" / "search.h5") == content(tmp_path / "parts" / "search.h5")


def test_archive_is_restored_and_durations_add_up(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    first = search(path, 2)
    again = SearchFile(path, IDENTITY)
    for name in ("genes", *COLUMNS):
        assert again.archive.column(name).tobytes() == first.archive.column(name).tobytes()
    assert (again.wall_s, again.zero_flow_epe) == (first.wall_s, 7.5)
    assert search(path, 4).wall_s > first.wall_s > 0


def test_nan_is_restored_as_nan(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    file = SearchFile(path, IDENTITY)
    evolution = Evolution(MEDIUM, evolution_config(generations=1), Table(), 1, file.archive)
    with locked(tmp_path / "lock", "it") as lock:
        oracle = Oracle(MEDIUM, lambda architecture: float("nan") if architecture[0] else 1.0)
        evolve(evolution, oracle, file, lock, lambda status: None)
    failed = SearchFile(path, IDENTITY).archive
    assert 0 < failed.failed < len(failed)


def test_set_aside_renames_to_a_free_number(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    for number in (1, 2):
        search(path, 2)
        last, before = path.read_bytes(), previous(path).read_bytes()
        set_aside(path)
        assert (tmp_path / f"search.h5.{number}").read_bytes() == last
        assert (tmp_path / f"search.h5.{number}.previous").read_bytes() == before
        assert SearchFile(path, IDENTITY).last is None
    set_aside(path)  # no file: nothing happens
    assert len(list(tmp_path.iterdir())) == 4


def test_remove_leftovers_removes_only_files_of_killed_writers(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    others = [".front.csv.abcdefgh.tmp", "search.h5.1", "x.tmp", ".search.h5.tmp"]
    for name in (".search.h5.12ab-3-4.abcdefgh.tmp", ".search.h5.previous.12ab-3-4.a_cd3fgh.tmp", *others):
        (tmp_path / name).touch()
    remove_leftovers(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["search.h5", "search.h5.previous", *others])


def test_file_grows_linearly_with_generations(tmp_path: Path) -> None:
    """A generation of 52 adds its rows, its population and the state of its generator: about 7 KB, always the same."""
    path, sizes = tmp_path / "search.h5", []
    file = SearchFile(path, IDENTITY)
    evolution = Evolution(MEDIUM, evolution_config(generations=1), Table(), 1, file.archive)
    generation = evolution.tell([], [])
    for number in range(60):
        file.append(generation._replace(number=number), 1.0)
        sizes.append(path.stat().st_size)
    assert sizes[-1] - sizes[29] == pytest.approx(sizes[29] - sizes[0], rel=0.1)
    assert sizes[-1] - sizes[0] < 60 * 8000


def test_reference_point_is_recorded_and_restored(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    with h5py.File(str(path), "r") as file:
        point = json.loads(file["generations/0001"].attrs["reference_point"])
    assert set(point) == {"epe", "fps"}
    last = SearchFile(path, IDENTITY).last
    assert last is not None and last.reference_point == point


def test_file_without_reference_point_has_the_configured_one(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    file = sealed.read(path)
    for group in file["generations"].values():
        del group.attrs["reference_point"]  # as in files of earlier versions
    sealed.write(file, path)
    last = SearchFile(path, IDENTITY).last
    assert last is not None and last.reference_point == config().evolution.reference_point


def test_search_from_another_reference_point_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    search(path, 2)
    with pytest.raises(InputError, match="evolution.reference_point.epe is 7.0 there and None here.*--restart"):
        SearchFile(path, identity(MEDIUM, "evolution.reference_point=null"))
