import math
import time
import tracemalloc
from typing import Any, Dict

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.scoring import COST_SOURCES, look_up_cost
from tests.search.stand_ins import MEDIUM, SMALL, Cost, Table, epe_of, space_of


def make_archive() -> Archive:
    archive = Archive(SMALL)
    rows = list(SMALL.all())
    archive.append([(row, epe_of(row)) for row in rows[:7]], [Table().cost(row) for row in rows[:7]], 0, {rows[3]})
    archive.append([(rows[9], math.nan)], [Cost(1.0, 2.0, 3.0, 4.0, "compiled")], 2, {rows[9]})
    return archive


def copy_columns(archive: Archive) -> Dict[str, np.ndarray]:
    return {name: archive.column(name).copy() for name in ("genes", *COLUMNS)}


def test_rows_are_found_by_architecture_and_contain_the_appended_values() -> None:
    archive, rows = make_archive(), list(SMALL.all())
    assert len(archive) == 8
    for row in (*rows[:7], rows[9]):
        assert row in archive
        assert tuple(archive.column("genes")[archive.row(row)]) == row
    assert rows[7] not in archive
    assert archive.column("epe")[archive.row(rows[4])] == epe_of(rows[4])
    for name in ("fps", "latency_ms", "sram_kib", "npu_cycles"):
        assert archive.column(name)[2] == getattr(Table().cost(rows[2]), name)
    assert archive.column("requested").tolist() == [False] * 3 + [True] + [False] * 3 + [True]
    assert archive.column("generation").tolist() == [0] * 7 + [2]
    assert archive.column("cost_source").tolist() == [0] * 7 + [1]
    assert archive.evaluations == 2
    assert archive.backbones == 1  # the first ten architectures share it
    assert archive.architectures([3, 7]) == [rows[3], rows[9]]


@pytest.mark.parametrize("other", [(0, 0, 0), (0, 0, 0, 0, 0), (0, 0, 0, 2), (0, 0, 0, -1), (0, 1, -4, 0)])
def test_archive_does_not_contain_architectures_outside_its_space(other: Architecture) -> None:
    archive = make_archive()
    assert other not in archive
    with pytest.raises(KeyError):
        archive.row(other)
    with pytest.raises(ValueError):
        archive.append([(other, 1.0)], [Table().cost(other)], 1, set())
    assert len(archive) == 8


@pytest.mark.parametrize("epe", [math.nan, math.inf, -math.inf, -0.5])
def test_invalid_epe_is_kept_as_failed(epe: float) -> None:
    archive = Archive(SMALL)
    first = next(SMALL.all())
    archive.append([(first, epe)], [Table().cost(first)], 0, {first})
    assert first in archive
    assert math.isnan(archive.column("epe")[0])
    assert archive.failed == 1


def test_columns_are_read_only() -> None:
    with pytest.raises(ValueError):
        make_archive().column("epe")[0] = 1.0


def test_append_rejects_duplicate_architectures() -> None:
    archive, rows = make_archive(), list(SMALL.all())
    before = copy_columns(archive)
    for scores in ([(rows[20], 1.0), (rows[3], 1.0)], [(rows[20], 1.0), (rows[20], 1.0)]):
        with pytest.raises(ValueError):
            archive.append(scores, [Table().cost(row) for row, _ in scores], 3, set())
    assert len(archive) == 8 and rows[20] not in archive
    assert all((archive.column(name) == before[name])[:7].all() for name in before)


def test_archive_is_restored_from_its_columns() -> None:
    archive = make_archive()
    twin = Archive.restore(SMALL, copy_columns(archive))
    rows = list(SMALL.all())
    for copy in (archive, twin):
        copy.append([(rows[30], 1.0)], [Table().cost(rows[30])], 3, set())
    for name in ("genes", *COLUMNS):
        assert archive.column(name).tobytes() == twin.column(name).tobytes()
        assert archive.column(name).dtype == twin.column(name).dtype
    assert twin.row(rows[9]) == 7 and twin.backbones == archive.backbones == 2  # the 31st has a different one


@pytest.mark.parametrize(
    "name, value",
    [
        ("genes", 5),
        ("epe", -1.0),
        ("epe", np.inf),
        ("fps", 0.0),
        ("latency_ms", np.nan),
        ("sram_kib", -3.0),
        ("npu_cycles", np.inf),
        ("cost_source", len(COST_SOURCES)),
    ],
)
def test_restore_rejects_invalid_values(name: str, value: Any) -> None:
    content = copy_columns(make_archive())
    content[name][1] = value
    with pytest.raises(ValueError, match=name):
        Archive.restore(SMALL, content)


def test_restore_rejects_wrong_types_and_lengths_and_duplicates() -> None:
    for name in ("genes", *COLUMNS):
        content = copy_columns(make_archive())
        content[name] = content[name][:-1]
        with pytest.raises(ValueError):
            Archive.restore(SMALL, content)
        content = copy_columns(make_archive())
        content[name] = content[name].astype(np.int64)
        with pytest.raises(ValueError, match=name):
            Archive.restore(SMALL, content)
    content = copy_columns(make_archive())
    content["genes"][1] = content["genes"][0]
    with pytest.raises(ValueError, match="twice"):
        Archive.restore(SMALL, content)
    with pytest.raises(ValueError, match="genes"):
        Archive.restore(MEDIUM, copy_columns(make_archive()))


@pytest.mark.parametrize("figure", ["fps", "latency_ms", "sram_kib", "npu_cycles"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_invalid_cost_is_rejected_by_name(figure: str, value: float) -> None:
    changes: Dict[str, Any] = {figure: value}
    cost = Cost(1.0, 1.0, 1.0, 1.0)._replace(**changes)
    with pytest.raises(InputError, match=f"0101.*{figure}"):
        look_up_cost(SMALL, Table(wrong={(0, 1, 0, 1): cost}), (0, 1, 0, 1))


def test_cost_of_unknown_source_is_rejected() -> None:
    with pytest.raises(InputError, match="guessed"):
        look_up_cost(SMALL, Table(wrong={(0, 1, 0, 1): Cost(1.0, 1.0, 1.0, 1.0, "guessed")}), (0, 1, 0, 1))


def test_architecture_takes_less_than_200_bytes() -> None:
    space = space_of((3,) * 9, backbone=4)
    rows, cost = list(space.all()), Cost(1.0, 1.0, 1.0, 1.0)
    archive = Archive(space)
    tracemalloc.start()
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        archive.append([(row, 1.0) for row in part], [cost] * len(part), 0, set())
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A row has 55 bytes, the capacity is up to twice the number of rows, and rows are found through a dictionary.
    assert allocated < 200 * len(rows)


def test_time_to_append_does_not_depend_on_the_size_of_the_archive() -> None:
    space = space_of((3,) * 9, backbone=4)
    rows, archive, seconds = list(space.all()), Archive(space), []
    cost = Table().cost(rows[0])
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        start_time = time.perf_counter()
        archive.append([(row, 1.0) for row in part], [cost] * len(part), 0, set())
        seconds.append(time.perf_counter() - start_time)
    assert np.median(seconds[-100:]) < 5 * np.median(seconds[:100])
