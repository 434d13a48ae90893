import math
import time
import tracemalloc
from typing import Any, Dict

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.scoring import look_up_cost
from tests.search.stand_ins import MEDIUM, SMALL, Cost, Table, epe_of, space_of


def filled() -> Archive:
    archive = Archive(SMALL)
    rows = list(SMALL.all())
    archive.append([(row, epe_of(row)) for row in rows[:7]], [Table().cost(row) for row in rows[:7]], 0, {rows[3]})
    archive.append([(rows[9], math.nan)], [Cost(1.0, 2.0, 3.0, 4.0, "compiled")], 2, {rows[9]})
    return archive


def columns(archive: Archive) -> Dict[str, np.ndarray]:
    return {name: archive.column(name).copy() for name in ("genes", *COLUMNS)}


def test_rows_are_found_by_architecture_and_hold_what_was_appended() -> None:
    archive, rows = filled(), list(SMALL.all())
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
def test_what_is_no_architecture_of_the_space_is_not_in_the_archive(other: Architecture) -> None:
    archive = filled()
    assert other not in archive
    with pytest.raises(KeyError):
        archive.row(other)
    with pytest.raises(ValueError):
        archive.append([(other, 1.0)], [Table().cost(other)], 1, set())
    assert len(archive) == 8


@pytest.mark.parametrize("epe", [math.nan, math.inf, -math.inf, -0.5])
def test_what_is_no_epe_is_kept_as_failed(epe: float) -> None:
    archive = Archive(SMALL)
    first = next(SMALL.all())
    archive.append([(first, epe)], [Table().cost(first)], 0, {first})
    assert first in archive
    assert math.isnan(archive.column("epe")[0])
    assert archive.failed == 1


def test_columns_cannot_be_written() -> None:
    with pytest.raises(ValueError):
        filled().column("epe")[0] = 1.0


def test_an_architecture_is_archived_once() -> None:
    archive, rows = filled(), list(SMALL.all())
    before = columns(archive)
    for scores in ([(rows[20], 1.0), (rows[3], 1.0)], [(rows[20], 1.0), (rows[20], 1.0)]):
        with pytest.raises(ValueError):
            archive.append(scores, [Table().cost(row) for row, _ in scores], 3, set())
    assert len(archive) == 8 and rows[20] not in archive
    assert all((archive.column(name) == before[name])[:7].all() for name in before)


def test_an_archive_is_restored_from_its_columns() -> None:
    archive = filled()
    twin = Archive.restore(SMALL, columns(archive))
    rows = list(SMALL.all())
    for each in (archive, twin):
        each.append([(rows[30], 1.0)], [Table().cost(rows[30])], 3, set())
    for name in ("genes", *COLUMNS):
        assert archive.column(name).tobytes() == twin.column(name).tobytes()
        assert archive.column(name).dtype == twin.column(name).dtype
    assert twin.row(rows[9]) == 7 and twin.backbones == archive.backbones == 2  # the 31st has another


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
        ("cost_source", 2),
    ],
)
def test_impossible_columns_are_refused(name: str, value: Any) -> None:
    content = columns(filled())
    content[name][1] = value
    with pytest.raises(ValueError, match=name):
        Archive.restore(SMALL, content)


def test_columns_of_other_types_lengths_or_with_an_architecture_twice_are_refused() -> None:
    for name in ("genes", *COLUMNS):
        content = columns(filled())
        content[name] = content[name][:-1]
        with pytest.raises(ValueError):
            Archive.restore(SMALL, content)
        content = columns(filled())
        content[name] = content[name].astype(np.int64)
        with pytest.raises(ValueError, match=name):
            Archive.restore(SMALL, content)
    content = columns(filled())
    content["genes"][1] = content["genes"][0]
    with pytest.raises(ValueError, match="twice"):
        Archive.restore(SMALL, content)
    with pytest.raises(ValueError, match="genes"):
        Archive.restore(MEDIUM, columns(filled()))


@pytest.mark.parametrize("figure", ["fps", "latency_ms", "sram_kib", "npu_cycles"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_impossible_costs_are_refused_by_name(figure: str, value: float) -> None:
    changes: Dict[str, Any] = {figure: value}
    cost = Cost(1.0, 1.0, 1.0, 1.0)._replace(**changes)
    with pytest.raises(InputError, match=f"0101.*{figure}"):
        look_up_cost(SMALL, Table(wrong={(0, 1, 0, 1): cost}), (0, 1, 0, 1))


def test_a_cost_from_nowhere_is_refused() -> None:
    with pytest.raises(InputError, match="guessed"):
        look_up_cost(SMALL, Table(wrong={(0, 1, 0, 1): Cost(1.0, 1.0, 1.0, 1.0, "guessed")}), (0, 1, 0, 1))


def test_an_architecture_takes_some_tens_of_bytes() -> None:
    """Beside what the space takes, which is there from the beginning."""
    space = space_of((3,) * 9, backbone=4)
    rows, cost = list(space.all()), Cost(1.0, 1.0, 1.0, 1.0)
    archive = Archive(space)
    tracemalloc.start()
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        archive.append([(row, 1.0) for row in part], [cost] * len(part), 0, set())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2.1 * 55 * len(rows)  # a row has 55 bytes, and there is room for twice as many


def test_appending_costs_as_much_as_is_appended() -> None:
    space = space_of((3,) * 9, backbone=4)
    rows, archive, seconds = list(space.all()), Archive(space), []
    cost = Table().cost(rows[0])
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        begin = time.perf_counter()
        archive.append([(row, 1.0) for row in part], [cost] * len(part), 0, set())
        seconds.append(time.perf_counter() - begin)
    assert np.median(seconds[-100:]) < 5 * np.median(seconds[:100])
