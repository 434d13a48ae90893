import json
import random
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import h5py
import numpy as np
import pytest
import yaml

from edgeflownas import __version__
from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage import sealed
from edgeflownas.storage.files import previous, remove_leftovers, use_previous
from edgeflownas.storage.lock import locked
from edgeflownas.storage.pairs import Fingerprint, Identities
from search.nsga2.archive import COLUMNS
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import Evaluator
from search.storage.identity import Identity
from search.storage.search_file import SearchFile, read_archive, set_aside
from search.storage.space_file import SpaceFile
from search.strategies.loop import evolve
from tests.search.stand_ins import MEDIUM, SMALL, Oracle, Table, config, evolution_config, identity, step

IDENTITY = identity(MEDIUM)


def search(
    path: Path,
    generations: int,
    who: Identity = IDENTITY,
    seed: int = 1,
    complete: bool = True,
    evaluator: Optional[Evaluator] = None,
) -> SearchFile:
    """Search up to a number of generations, and resume if there is a checkpoint."""
    file = SearchFile(path, who)
    file.zero_flow_epe = 7.5
    settings = evolution_config(generations=generations, complete_outputs=complete, population=4)
    evolution = Evolution(who.space, settings, Table(), seed, file.archive, file.last)
    with locked(path.parent / "search.lock", "the search") as lock:
        evolve(evolution, evaluator or Oracle(who.space), file, lock, lambda status: None)
    return file


def open_search(path: Path) -> SearchFile:
    return SearchFile(path, IDENTITY)


def content(path: Path) -> Dict[str, Any]:
    """Return the content of a search file except its durations."""
    result: Dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            result[name] = (item.dtype, item.shape, item[()].tobytes())
        result.update({f"{name}@{key}": value for key, value in item.attrs.items() if key != "wall_s"})

    with h5py.File(str(path), "r") as file:
        file.visititems(collect)
        result.update(dict(file.attrs))
    return result


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


# Different searches


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
        ("evolution.max_sram_kib", "300.0", "None"),
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
    with pytest.raises(InputError, match="another order"):
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


# Damage


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
    with pytest.raises(InputError, match=r"search\.h5: is truncated or damaged.* search\.h5\.previous with --from-p"):
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


def test_pairs_are_recorded_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "search.h5"
    search(path, 1)
    eight: Identities = {"validation": {"pairs": 8, "names": "a", "contents": "b"}}
    who = Identity(**{**vars(IDENTITY), "pairs": eight})
    search(path, 2, who)  # as if an earlier version had written the first generation
    assert "does not record which pairs" in " ".join(capsys.readouterr().err.split())
    search(path, 3, who)
    changes: List[Tuple[Fingerprint, str]] = [
        ({"pairs": 4}, "there were 8 validation pairs, now there are 4"),
        ({"names": "c"}, "the names of the validation pairs have changed"),
        ({"contents": "c"}, "the contents of files of the validation pairs have changed"),
    ]
    for change, reason in changes:
        other = Identity(**{**vars(IDENTITY), "pairs": {"validation": {**eight["validation"], **change}}})
        with pytest.raises(InputError, match=f"{reason}.*--restart"):
            SearchFile(path, other)
        space = SpaceFile(tmp_path / "space.h5", who)
        space.write()
        with pytest.raises(InputError, match=f"contains other scores: {reason}.*--run"):
            SpaceFile(tmp_path / "space.h5", other)
    assert not capsys.readouterr().err
