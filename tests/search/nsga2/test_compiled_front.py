"""Tests of the compiled front of a search."""

import csv
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any, List, Optional, Sequence

import click
import numpy as np
import pytest

from edgeflownas.config import load
from edgeflownas.hardware.cache import CacheEntry
from edgeflownas.hardware.cost import CostTable, Figures
from edgeflownas.hardware.pool import Pool
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.space import Architecture
from edgeflownas.signals import Interrupted
from edgeflownas.storage import checkpoint
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.lock import locked
from search import cli
from search.commands import cost
from search.commands import evolve as evolve_command
from search.nsga2.archive import Archive
from search.nsga2.compiled_front import FrontCompiler
from search.nsga2.evolution import Evolution
from search.nsga2.objectives import find_nondominated
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.run import Run
from search.storage.search_file import SearchFile
from search.strategies import one_shot
from search.strategies.loop import evolve
from tests.search.stand_ins import (
    CONFIG,
    MEDIUM,
    SMALL,
    Cost,
    Oracle,
    Table,
    evolution_config,
    identity,
    noise,
    open_oracle,
)
from tests.search.storage.searches import content


class Vela:
    """Returns costs up to 5 % slower than predicted, and can be interrupted."""

    def __init__(self, stop_at: Optional[int] = None) -> None:
        self.compiled: List[Architecture] = []
        self._stop_at = stop_at

    def __call__(self, architectures: Sequence[Architecture], on_compiled: Any) -> List[Cost]:
        for architecture in architectures:
            if len(self.compiled) == self._stop_at:
                raise Interrupted(15)
            self.compiled.append(architecture)
        return [self.cost(architecture) for architecture in architectures]

    def cost(self, architecture: Architecture) -> Cost:
        predicted = Table().cost(architecture)
        ms = predicted.latency_ms * (1 + 0.05 * noise(architecture[::-1]))
        return Cost(1000 / ms, ms, predicted.sram_kib + 1, 400.0 * ms, "compiled")


def run_search(path: Path, generations: int, vela: Vela) -> Evolution:
    file = SearchFile(path, identity(MEDIUM))
    file.zero_flow_epe = 7.5
    config = evolution_config(generations=generations)
    evolution = Evolution(MEDIUM, config, Table(), 3, file.archive, file.last, vela)
    with locked(path.parent / "lock", "it") as lock:
        evolve(evolution, Oracle(MEDIUM), file, lock, lambda status: None)
    return evolution


def cost_sources(archive: Archive, rows: np.ndarray) -> List[str]:
    return [COST_SOURCES[number] for number in archive.column("cost_source")[rows]]


def test_only_the_fronts_of_generations_are_compiled_and_once(tmp_path: Path) -> None:
    vela = Vela()
    for generations in (1, 3, 6):
        evolution = run_search(tmp_path / "search.h5", generations, vela)
        archive = evolution.archive
        assert set(cost_sources(archive, evolution.front())) == {"compiled"}
        compiled = np.flatnonzero(archive.column("cost_source") == COST_SOURCES.index("compiled"))
        assert sorted(archive.architectures(compiled)) == sorted(vela.compiled)
        assert 0 < len(compiled) < len(archive)
        for row, architecture in enumerate(archive.architectures(range(len(archive)))):
            cost = vela.cost(architecture) if row in compiled else Table().cost(architecture)
            assert tuple(archive.column(name)[row] for name in COST_FIGURES) == cost[:4]


def test_front_is_computed_from_compiled_figures(tmp_path: Path) -> None:
    evolution = run_search(tmp_path / "search.h5", 5, Vela())
    archive = evolution.archive
    points = np.array([archive.column("epe"), -archive.column("fps")]).T
    assert sorted(find_nondominated(points)) == sorted(evolution.front())
    last = SearchFile(tmp_path / "search.h5", identity(MEDIUM)).last
    assert last is not None
    rows = [archive.row(tuple(genes)) for genes in last.genes.tolist()]
    assert (last.objectives == np.array([archive.column("epe")[rows], archive.column("fps")[rows]]).T).all()


@pytest.mark.parametrize("stop_at", [0, 1, 5, 9])
def test_search_interrupted_while_compiling_ends_like_an_uninterrupted_one(
    tmp_path: Path, stop_at: int
) -> None:
    for name in ("whole", "interrupted"):
        (tmp_path / name).mkdir()
    run_search(tmp_path / "whole" / "search.h5", 5, Vela())
    path = tmp_path / "interrupted" / "search.h5"
    with pytest.raises(Interrupted):
        run_search(path, 5, Vela(stop_at))
    run_search(path, 5, Vela())
    assert content(path) == content(tmp_path / "whole" / "search.h5")


def test_costs_of_earlier_generations_are_saved_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "search.h5"
    run_search(path, 1, Vela())
    other = Cost(1.5, 2.0, 3.0, 4.0, "compiled")
    file = SearchFile(path, identity(MEDIUM))
    predicted = np.flatnonzero(file.archive.column("cost_source") == 0)[:1]
    file.archive.replace_costs(predicted, [other])
    evolution = Evolution(MEDIUM, evolution_config(generations=2), Table(), 3, file.archive, file.last, Vela())
    with locked(tmp_path / "lock", "it") as lock:
        evolve(evolution, Oracle(MEDIUM), file, lock, lambda status: None)
    archive = SearchFile(path, identity(MEDIUM)).archive
    assert tuple(archive.column(name)[predicted[0]] for name in COST_FIGURES) == other[:4]
    assert archive.column("cost_source")[predicted[0]] == 1


def test_compiled_costs_replace_predicted_ones() -> None:
    archive = Archive(SMALL)
    architectures = [(0, 0, 0, 0), (1, 0, 0, 0), (2, 1, 4, 1)]
    costs = list(map(Table().cost, architectures))
    archive.append([(architecture, 1.0) for architecture in architectures], costs, 0, set())
    other = Cost(1.0, 2.0, 3.0, 4.0, "compiled")
    archive.replace_costs(np.array([2, 0]), [other, other._replace(fps=9.0)])
    assert archive.column("fps").tolist() == [9.0, Table().cost(architectures[1]).fps, 1.0]
    assert archive.column("cost_source").tolist() == [1, 0, 1]
    assert archive.column("epe").tolist() == [1.0, 1.0, 1.0]


# Tests with the real table and command


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run of the demo with random weights."""
    monkeypatch.chdir(CONFIG.parents[1])
    weights = draw_initial_weights(default_skeleton(load(CONFIG).network.width).parameters(), np.random.default_rng(1))
    checkpoint.save(tmp_path / "supernet.h5", weights, {})
    return Run.open(CONFIG, tmp_path / "run", [f"supernet={tmp_path}/supernet.h5"])


def fake_pool(factor: float, table: CostTable) -> Any:
    def compile(self: Pool, architectures: Sequence[Architecture], done: Any) -> Any:
        entries = {}
        for architecture in architectures:
            done(architecture)
            cost = table.cost(architecture)
            cycles = round(factor * cost.latency_ms / 1e3 * 4e8)
            figures = Figures(npu_cycles=round(cost.npu_cycles), cycles=cycles, sram_kib=cost.sram_kib)
            entries[architecture] = [CacheEntry(figures=figures, layers=[])]
        return entries

    return compile


def test_wrong_predictions_are_reported_once_and_recorded(
    demo: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    table = CostTable.load(Path(demo.config.hardware.table))
    monkeypatch.setattr(Pool, "compile", fake_pool(1.02, table))
    archive = Archive(demo.space)
    architectures = [demo.space.parse(text) for text in ("000000000", "222222222")]
    progress: List[Any] = []
    with FrontCompiler(demo, demo.supernet_weights(), table) as compiler:
        assert compiler.table.cost(architectures[0]).source == "predicted"  # the table has different weights
        costs = compiler.compile_costs(architectures, lambda *counts: progress.append(counts))
        compiler.compile_costs(architectures, lambda *counts: None)
        archive.append([(architecture, 1.0) for architecture in architectures], costs, 0, set())
        record = compiler.record(archive)
    assert progress[:2] == [(1, 2), (2, 2)]
    output = " ".join(capsys.readouterr().err.split())
    assert output.count("warning: the cost table predicts latency_ms of ") == 1
    assert "with an error of 1.96 %, more than its recorded error plus 1 % for other weights" in output
    advised = re.findall(r"`edgeflownas-search (cost build|evolve) ([^`]*)`", output)
    for (_, options), command in zip(advised, (cost.build, evolve_command.command)):
        chosen, rest, _ = command.make_parser(click.Context(command)).parse_args(shlex.split(options))
        assert {str(demo.options[1]), str(demo.folder)} < set(map(str, chosen.values())) and not rest
        assert f"{demo.folder}/cost_table.yaml" in str(chosen)
    assert len(advised) == 2
    errors = record["mispredicted_percent"]
    assert set(errors) == {"000000000", "222222222"}
    assert errors["000000000"] == pytest.approx({"latency_ms": 100 * (1 - 1 / 1.02)}, rel=1e-3)
    assert (record["vela"], record["compiled"], record["board"]["accelerator"]) == ("5.2.0", 2, "ethos-u55-64")
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("factor", [1.0, 1.0015, 1.005])  # weights that compress differently cost up to 0.5 %
def test_errors_due_to_other_weights_are_not_reported(
    demo: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, factor: float
) -> None:
    table = CostTable.load(Path(demo.config.hardware.table))
    monkeypatch.setattr(Pool, "compile", fake_pool(factor, table))
    archive, architecture = Archive(demo.space), demo.space.parse("012012012")
    with FrontCompiler(demo, demo.supernet_weights(), table) as compiler:
        costs = compiler.compile_costs([architecture], lambda *counts: None)
        archive.append([(architecture, 1.0)], costs, 0, set())
        assert compiler.record(archive)["mispredicted_percent"] == {}
    assert "warning" not in capsys.readouterr().err


def call_evolve(monkeypatch: pytest.MonkeyPatch, demo: Run, *words: str) -> int:
    settings = [f"supernet={demo.config.supernet}", "evolution.population=4", "evolution.generations=1"]
    settings += ["evolution.complete_outputs=false"]
    overrides = [word for setting in settings for word in ("--set", setting)]
    argv = ["edgeflownas-search", "evolve", "--config", str(CONFIG), "--run", str(demo.folder), *overrides, *words]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(one_shot, "open_evaluator", open_oracle)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_front_of_the_real_table_has_only_compiled_figures(demo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(demo.folder.parent / "cache"))
    assert call_evolve(monkeypatch, demo) == 0
    with demo.front_file.open(newline="") as file:
        front = list(csv.DictReader(file))
    assert {row["cost_source"] for row in front} == {"compiled"}
    record = json.loads(demo.hardware_file.read_text())
    assert record["compiled"] >= len(front)
    assert record["settings"].startswith("Vela 5.2.0, ethos-u55-64")
    weights = demo.supernet_weights()
    assert record["table"]["origin"]["weights"] != digest(weights)


def test_missing_vela_stops_a_search_before_it_starts_unless_predictions_suffice(
    demo: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    without = ("--set", "hardware.vela=no-such-vela")
    assert call_evolve(monkeypatch, demo, *without) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "vela no-such-vela: no such program; install it with 'make env'" in line
    assert "hardware.compile_front=false" in line
    assert not demo.search_file.exists()
    assert call_evolve(monkeypatch, demo, *without, "--set", "hardware.compile_front=false") == 0
    with demo.front_file.open(newline="") as file:
        assert "predicted" in {row["cost_source"] for row in csv.DictReader(file)}
    assert not demo.hardware_file.exists()
    capsys.readouterr()
    assert call_evolve(monkeypatch, demo) == 2  # with compile_front it is a different search
    assert "hardware.compile_front is False there and True here" in capsys.readouterr().err
