import csv
import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from search.nsga2.archive import Archive
from search.nsga2.evolution import Evolution
from search.storage.front import front_table, records, write_front
from search.strategies import view as module
from search.strategies.loop import Status
from search.strategies.view import SearchView
from tests.edgeflownas.storage.test_events import read as read_events
from tests.search.stand_ins import MEDIUM, SMALL, Cost, Oracle, Table, epe_of, evolution_config, step
from tests.terminal import make_console


def make_archive(space: Space, count: int = 20) -> Archive:
    archive, table = Archive(space), Table()
    architectures = list(itertools.islice(space.all(), count))
    scores = [(architecture, epe_of(architecture)) for architecture in architectures]
    archive.append(scores, [table.cost(architecture) for architecture in architectures], 3, set())
    return archive


def test_front_file_contains_all_digits_and_the_genes_by_name(tmp_path: Path) -> None:
    archive = make_archive(SMALL)
    write_front(tmp_path / "front.csv", archive, np.array([7, 2]), {"vela": "5.2.0", "board": "a board"})
    with (tmp_path / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("architecture", "G0", "G1", "G2", "G3"),
        *("epe", "fps", "latency_ms", "sram_kib", "npu_cycles", "cost_source", "generation"),
        *("vela", "board"),
    ]
    for row, number in zip(rows, (7, 2)):
        architecture = archive.architectures([number])[0]
        assert SMALL.parse(row["architecture"]) == architecture
        assert tuple(int(row[f"G{i}"]) for i in range(4)) == architecture
        for name in ("epe", "fps", "latency_ms", "sram_kib", "npu_cycles"):
            assert float(row[name]) == archive.column(name)[number]
        assert (row["cost_source"], row["generation"]) == ("predicted", "3")
        assert (row["vela"], row["board"]) == ("5.2.0", "a board")


def test_front_table_fits_80_columns() -> None:
    space = Space.from_skeleton(default_skeleton(32))
    archive = Archive(space)
    architectures = list(itertools.islice(space.all(), 3))
    large = Cost(1234.56, 12345.6, 12345.6, 1234567890.0, "predicted")
    archive.append([(architecture, 123.456) for architecture in architectures], [large] * 3, 999, set())
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(front_table(archive, np.arange(3)))
    text = capture.get()
    assert all(len(line) <= 80 for line in text.splitlines())
    figures = ("123.4560", "1234.56", "12345.6", "1234.568", "999", "predicted")
    for word in (*map(space.format, architectures), *figures, "EPE px", "SRAM KiB"):
        assert word in text, word
    assert "…" not in text


def test_records_have_plain_types() -> None:
    for record in records(make_archive(SMALL), np.arange(3)):
        assert {type(value) for value in record.values()} <= {int, float, str}


@pytest.mark.parametrize("terminal", [True, False])
def test_view_shows_all_figures_within_80_columns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, terminal: bool
) -> None:
    out = io.StringIO()
    console = make_console(out, terminal)
    monkeypatch.setattr(module, "console", console)
    monkeypatch.setattr(module, "say", lambda text: console.print(text, soft_wrap=True))
    evolution = Evolution(MEDIUM, evolution_config(complete_outputs=True), Table(), 1)
    with SearchView(evolution, tmp_path) as view:
        view.show(Status(0, 36, 144, 0, 4000.0))
        assert ("36 of 144" in out.getvalue()) == terminal
        step(evolution, Oracle(MEDIUM))
        view.show(Status(0, 144, 144, 1234, 4000.0))
    text = out.getvalue()
    for word in (
        *("generation", "1 of 30", "requested", "8", "scored", f"{len(evolution.archive):,}", "backbones"),
        *(f"{evolution.archive.backbones} of 18", "hypervolume", f"{evolution.hypervolume():.6g}", "best EPE"),
        *(f"{evolution.best_epe():.4f} px", "front", str(len(evolution.front())), "duplicates avoided", "1,234"),
        *("time left", "1:06:40"),
    ):
        assert word in text, word
    assert not terminal or all(len(line) <= 80 for line in re.sub("\x1b.*?[a-zA-Z]", "", text).splitlines())
    assert terminal or len(text.splitlines()) == 1


def test_view_writes_the_figures_of_each_generation_for_tensorboard(tmp_path: Path) -> None:
    evolution = Evolution(MEDIUM, evolution_config(complete_outputs=True), Table(), 1)
    expected = []
    with SearchView(evolution, tmp_path) as view:
        for generation in range(2):
            view.show(Status(generation, 1, 4, 0, 1.0))  # within a generation, nothing is written
            step(evolution, Oracle(MEDIUM))
            view.show(Status(generation, 4, 4, 0, 1.0))
            expected.append((generation, float(np.float32(evolution.hypervolume()))))
    curves = read_events(tmp_path)
    assert curves["hypervolume"] == expected
    assert curves["front size"][-1] == (1, len(evolution.front()))
    assert curves["best epe"][-1] == (1, float(np.float32(evolution.best_epe())))
