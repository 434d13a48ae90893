"""Measured latencies are compared with compiled ones, and used first in every result of a run."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from search.cli import cli
from search.nsga2.scoring import COST_SOURCES
from search.queue.build import build
from search.report.contents import read
from search.run import Run
from search.storage.compiled_costs import read_final_costs
from search.storage.measurements import prefer_measured, read_measurements
from tests.search.report.made import CONFIG, alone, at_root, searched
from tests.terminal import make_runner

ARCHITECTURES = ("000000000", "111111111", "222222222", "012012012")


def call(run: Run, *words: str, strategy: str = "one_shot") -> Any:
    options = ["--config", str(CONFIG), "--run", str(run.folder), "--set", f"strategy={strategy}"]
    if strategy == "one_shot":
        options += ["--set", f"supernet={run.config.supernet}"]
    return make_runner().invoke(cli, [*words, *options])


def show(run: Run, *names: str, **options: str) -> Dict[str, Dict[str, Any]]:
    result = call(run, "cost", "show", "--json", *names, **options)
    assert result.exit_code == 0, result.output
    return {record["architecture"]: record for record in json.loads(result.stdout)}


def write_measurements(run: Run, folder: Path, factor: float = 1.1) -> Path:
    """Write latencies of four architectures that are proportional to the known ones, with two repeats each."""
    known = show(run, *ARCHITECTURES)
    lines = [
        f"{name},{known[name]['latency_ms'] * factor * repeat}" for name in ARCHITECTURES for repeat in (0.99, 1.01)
    ]
    path = folder / "board.csv"
    path.write_text("\n".join(["architecture,latency_ms", *lines]) + "\n")
    return path


def test_import_compares_fits_and_is_shown(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1, enumerated=False)
        before = show(run, *ARCHITECTURES, "210012001")
        path = write_measurements(run, tmp_path)
        unknown = ["--set", "hardware.vela=no-vela", "--json"]
        result = call(run, "cost", "import", str(path), *unknown)
        assert result.exit_code == 0, result.output
        record = json.loads(result.stdout)
        assert [row["architecture"] for row in record["measured"]] == list(ARCHITECTURES)
        for row in record["measured"]:
            assert row["repeats"] == 2
            assert row["error_percent"] == pytest.approx(100 * (1 / 1.1 - 1))
            assert row["spread_percent"] == pytest.approx(2)
        assert record["line"]["slope"] == pytest.approx(1.1)
        assert record["line"]["points"] == 4
        assert record["correct"] is False

        after = show(run, *ARCHITECTURES, "210012001")
        for name in ARCHITECTURES:
            assert after[name]["source"] == "measured"
            assert after[name]["fps"] == pytest.approx(before[name]["fps"] / 1.1)
            assert after[name]["sram_kib"] == before[name]["sram_kib"]
        assert after["210012001"] == before["210012001"]
        assert before["210012001"]["source"] == "predicted"

        call(run, "cost", "import", str(path), "--correct", *unknown)
        corrected = show(run, "210012001", "111111111")
        assert corrected["210012001"]["source"] == "corrected"
        assert corrected["210012001"]["latency_ms"] == pytest.approx(1.1 * before["210012001"]["latency_ms"])
        assert corrected["111111111"]["source"] == "measured"
        text = call(run, "cost", "import", str(path), *unknown[:2]).stdout
        assert "-9.09 % on average" in text and "Line: measured ms = 1.1000 x known ms" in text
        assert all(len(line) <= 80 for line in text.splitlines() if line.startswith(" ") and "%" in line)


def test_later_imports_add_to_earlier_ones(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1, enumerated=False)
        for lines in ("000000000,4\n111111111,8", "111111111,9"):
            path = tmp_path / "board.csv"
            path.write_text(f"architecture,latency_ms\n{lines}\n")
            result = call(run, "cost", "import", str(path), "--json", "--set", "hardware.vela=no-vela")
        measured = {row["architecture"]: row["measured_ms"] for row in json.loads(result.stdout)["measured"]}
        assert measured == {"000000000": 4.0, "111111111": 9.0}


def test_line_that_predicts_nothing_is_refused(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1, enumerated=False)
        for lines, message in (
            ("000000000,4\n222222222,8", "--correct: needs measurements of 3 architectures"),
            ("000000000,9\n111111111,8\n222222222,4", "does not predict latencies"),
        ):
            path = tmp_path / "board.csv"
            path.write_text(f"architecture,latency_ms\n{lines}\n")
            result = call(run, "cost", "import", str(path), "--correct", "--set", "hardware.vela=no-vela")
            assert isinstance(result.exception, InputError) and message in str(result.exception)
            assert not run.measured_file.exists()


def test_search_queue_and_report_use_measured_latencies(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 2)
        plain = read(run.folder)
        assert plain.archive is not None and plain.exact is not None
        queue = build(run, plain.archive, plain.front(plain.archive))
        best = plain.archive.architectures(plain.front(plain.archive)[:1])[0]
        name = run.space.format(best)
        path = tmp_path / "board.csv"
        path.write_text(f"architecture,fps\n{name},1.5\n")
        call(run, "cost", "import", str(path), "--set", "hardware.vela=no-vela")

        contents = read(run.folder)
        for archive in (contents.archive, contents.exact):
            assert archive is not None
            row = archive.row(best)
            assert COST_SOURCES[archive.column("cost_source")[row]] == "measured"
            assert archive.column("fps")[row] == pytest.approx(1.5)
        # Measurements change the costs of tasks, but not the tasks.
        board = Board.load(Path(run.config.hardware.board))
        archive = plain.archive
        tasks = [queue.task(index).config.architecture for index in queue.indices]
        assert name in tasks
        prefer_measured(archive, read_measurements(run, board))
        rows = np.array([archive.row(run.space.parse(task)) for task in tasks])
        again = build(run, archive, rows)
        assert [again.task(index).config for index in again.indices] == [
            queue.task(index).config for index in queue.indices
        ]


def test_front_of_a_search_shows_measured_latencies(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 2, "evolution.generations=2", "hardware.compile_front=false")
        options = ["--set", "evolution.generations=2", "--set", "hardware.compile_front=false"]

        def front() -> List[Dict[str, str]]:
            result = call(run, "evolve", *options)
            assert result.exit_code == 0, result.output
            with run.front_file.open(newline="") as file:
                return list(csv.DictReader(file))

        before = front()
        checkpoint = run.search_file.read_bytes()
        path = tmp_path / "board.csv"
        rows = [f"{row['architecture']},{2 * float(row['latency_ms'])}" for row in before[-3:]]
        path.write_text("\n".join(["architecture,latency_ms", *rows]) + "\n")
        result = call(run, "cost", "import", str(path), "--set", "hardware.vela=no-vela", "--correct")
        assert result.exit_code == 0, result.output
        after = {row["architecture"]: row for row in front()}
        for row in before:
            now = after[row["architecture"]]  # all latencies are doubled, so the front is the same
            assert float(now["fps"]) == pytest.approx(float(row["fps"]) / 2)
            assert now["cost_source"] == ("measured" if row in before[-3:] else "corrected")
        assert run.search_file.read_bytes() == checkpoint


def test_measurements_of_another_board_are_not_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1, enumerated=False)
        call(run, "cost", "import", str(write_measurements(run, tmp_path)), "--set", "hardware.vela=no-vela")
        board = Board.load(Path(run.config.hardware.board))
        assert read_measurements(run, board).content is not None
        assert read_measurements(run, board.with_settings(arena_bytes=1 << 20)).content is None
        assert "is of a different board: arena_bytes is 1466368 there and 1048576 here" in capfd.readouterr().err
        run.measured_file.write_text("{}")
        assert read_measurements(run, board).content is None
        assert "measurements are not used" in capfd.readouterr().err


def test_children_trained_alone_have_the_figures_of_the_final_front(tmp_path: Path) -> None:
    with at_root():
        run = alone(tmp_path / "run")
        board = Board.load(Path(run.config.hardware.board))
        provenance = board.provenance("5.2.0")
        with run.final_front_file.open(newline="") as file:
            rows = list(csv.DictReader(file))
        with run.final_front_file.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], *provenance])
            writer.writeheader()
            writer.writerows({**row, **provenance, "fps": "123.5"} for row in rows)
        name = rows[0]["architecture"]
        shown = show(run, name, strategy="independent")[name]
        assert (shown["fps"], shown["source"]) == (123.5, "compiled")
        text = " ".join(call(run, "cost", "show", name, strategy="independent").stdout.split())
        assert "1 compiled with the weights of the trained children of this run" in text
        assert len(read_final_costs(run, provenance)) == 4
        for key, value in (("vela", "3.8.0"), ("arena_bytes", "1")):
            assert read_final_costs(run, {**provenance, key: value}) == {}
        wider = Run.open(CONFIG, run.folder, ["strategy=independent", "network.width=4"])
        assert read_final_costs(wider, provenance) == {}
