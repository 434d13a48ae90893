"""``evolve`` as a user calls it, with an evaluator that answers immediately."""

import contextlib
import csv
import functools
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any, ContextManager, List, NamedTuple

import numpy as np
import pytest

from edgeflownas.config import load
from edgeflownas.hardware.cost import CostTable
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Architecture
from edgeflownas.storage import checkpoint, record, sealed
from search import cli
from search.nsga2.scoring import Evaluator
from search.queue.queue import Queue
from search.run import Run
from search.strategies import one_shot
from search.workers.evaluator import Opened, open_evaluator
from tests.edgeflownas.data.written import flow, image, put_flo, put_image
from tests.search.stand_ins import CONFIG, Oracle, brute_force_front, epe_of
from tests.search.storage.searches import content

WIDTH = load(CONFIG).network.width
LOAD = CostTable.load


@functools.lru_cache(maxsize=None)
def table(path: Path) -> CostTable:
    """Return the real table, which predicts each architecture only once for all tests."""
    content = LOAD(path)
    predictor = content._predictor
    predictor.figures = functools.lru_cache(maxsize=None)(predictor.figures)  # type: ignore[method-assign]
    return content


class Result(NamedTuple):
    code: int
    out: str
    error: str


class Command:
    """A caller of ``evolve`` and other commands on a run of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.folder = folder / "run"
        self.weights = folder / "supernet.h5"
        self.oracle: Evaluator = Oracle(Run.open(CONFIG).space)
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setattr(one_shot, "open_evaluator", self._open)
        monkeypatch.setattr(CostTable, "load", table)
        monkeypatch.chdir(CONFIG.parents[1])
        self.train(0.0)

    def train(self, value: float) -> None:
        shapes = default_skeleton(WIDTH).parameters()
        checkpoint.save(self.weights, {name: np.full(shape, value) for name, shape in shapes.items()}, {})

    def __call__(self, *words: str, generations: int = 2) -> Result:
        return self.run("evolve", *words, generations=generations)

    def run(self, name: str, *words: str, generations: int = 2) -> Result:
        settings = [f"supernet={self.weights}", "evolution.population=4", f"evolution.generations={generations}"]
        settings.append("hardware.compile_front=false")
        overrides = [word for setting in settings for word in ("--set", setting)]
        argv = [name, "--config", str(CONFIG), "--run", str(self.folder), *overrides, *words]
        self._monkeypatch.setattr(sys, "argv", ["edgeflownas-search", *argv])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = self._capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    def _open(self, run: Run, weights: Any) -> ContextManager[Opened]:
        return contextlib.nullcontext(Opened(self.oracle, 8.0))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


def test_search_writes_its_front_and_its_checkpoint(command: Command) -> None:
    result = command("--json")
    assert result.code == 0, result.error
    summary = json.loads(result.out)
    assert summary["generations"] == 2
    assert summary["scored"] == summary["requested"] * 27  # all flow outputs of a backbone are scored together
    assert summary["zero_flow_epe"] == 8.0
    with (command.folder / "front.csv").open(newline="") as file:
        front = list(csv.DictReader(file))
    assert [row["architecture"] for row in front] == [row["architecture"] for row in summary["front"]]
    assert {(row["vela"], row["board"]) for row in front} == {("5.2.0", "Grove Vision AI V2")}
    origin = summary["weights"], summary["weights_sha256"]
    assert origin == (str(command.weights), checkpoint.digest(checkpoint.load(command.weights)[0]))
    assert {(row["weights"], row["weights_sha256"]) for row in front} == {origin}
    assert summary["hardware"]["vela"] == "5.2.0" and summary["hardware"]["accelerator"] == "ethos-u55-64"
    assert {row["cost_source"] for row in front} == {"predicted"}, "the table is for other weights"
    assert float(front[0]["epe"]) == summary["best_epe"] == min(float(row["epe"]) for row in front)
    points = np.array([[row["epe"], -row["fps"]] for row in summary["front"]])
    assert len(brute_force_front(points)) == len(front)
    assert (command.folder / "search.h5").exists()
    assert "population: 4" in (command.folder / "config.yaml").read_text()
    assert not (command.folder / "search.lock").exists()


def test_output_shows_the_front_and_compares_with_zero_flow(command: Command) -> None:
    result = command()
    assert result.code == 0, result.error
    assert re.search(r"Best EPE: \d\.\d{4} px, \d+\.\d % of zero-flow EPE \(8\.0000 px\)", result.out)
    assert "2 generations completed" in result.out
    best = next(iter(csv.DictReader((command.folder / "front.csv").open())))["architecture"]
    assert best in result.out
    assert "Grove Vision AI V2: Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram" in result.out
    assert len(re.findall("^generation ", result.error, re.M)) == 2


def test_run_with_a_checkpoint_is_continued(command: Command, tmp_path: Path) -> None:
    command(generations=1)
    assert command().code == 0
    parts = content(command.folder / "search.h5")
    again = command()
    assert again.code == 0 and "2 generations completed" in again.out
    assert content(command.folder / "search.h5") == parts
    command.folder = tmp_path / "whole"
    command()
    assert content(command.folder / "search.h5") == parts


def test_restart_keeps_the_old_checkpoint_under_another_name(command: Command) -> None:
    command()
    first = (command.folder / "search.h5").read_bytes()
    assert command("--set", "seed=9").code == 2
    assert command("--set", "seed=9", "--restart").code == 0
    assert (command.folder / "search.h5.1").read_bytes() == first


def test_interrupted_search_prints_the_command_that_continues_it(command: Command) -> None:
    def epe(architecture: Architecture) -> float:
        if len(requested) == 150:
            os.kill(os.getpid(), signal.SIGTERM)
        requested.append(architecture)
        return epe_of(architecture)

    requested: List[Architecture] = []
    command.oracle = Oracle(Run.open(CONFIG).space, epe)
    result = command("--restart")
    assert result.code == 130
    assert f"to continue: edgeflownas-search evolve --config {shlex.quote(str(CONFIG))}" in result.error
    assert "--restart" not in result.error
    assert not (command.folder / "search.lock").exists()


def test_damaged_checkpoint_is_reported_and_the_previous_one_used_on_request(command: Command) -> None:
    command()
    path = command.folder / "search.h5"
    whole = content(path)
    path.write_bytes(path.read_bytes()[:-100])
    result = command()
    assert result.code == 2 and "--from-previous" in result.error
    assert len(result.error.strip().splitlines()) == 1
    assert command("--from-previous").code == 0
    assert content(path) == whole


def test_checkpoint_of_another_supernet_is_refused(command: Command) -> None:
    command()
    command.train(1.0)
    result = command()
    assert result.code == 2 and "the supernet is" in result.error
    assert len(result.error.strip().splitlines()) == 1


def test_infeasible_sram_cap_is_refused_before_scoring(command: Command) -> None:
    result = command("--set", "evolution.constraints={sram_kib: {max: 1.0}}")
    assert result.code == 2
    assert re.search(r"no architecture of the space has at most 1 KiB; the nearest, 0+, has [\d.]+ KiB", result.error)
    assert len(result.error.strip().splitlines()) == 1
    assert not (command.folder / "search.h5").exists()


def test_archive_of_a_real_supernet_holds_the_epe_of_its_children(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeflownas.data.datasets import open_datasets
    from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData

    monkeypatch.setattr(one_shot, "open_evaluator", open_evaluator)
    rng = np.random.default_rng(0)
    skeleton = default_skeleton(WIDTH)
    weights = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in skeleton.parameters().items()}
    checkpoint.save(command.weights, weights, {})
    settings = ["data.val_pairs=2", "evaluation.calibration_pairs=2", "evolution.complete_outputs=false"]
    words = [word for setting in settings for word in ("--set", setting)]
    result = command(*words, "--json", generations=1)
    assert result.code == 0, result.error
    best = json.loads(result.out)["front"][0]
    config = load(CONFIG, settings)
    data = EvaluationData(*open_datasets(config.data), config.evaluation, 1)
    architecture = [int(digit) for digit in best["architecture"]]
    assert best["epe"] == pytest.approx(ChildEvaluator(skeleton, architecture, data, 1).score(weights), rel=1e-5)
    assert json.loads(result.out)["zero_flow_epe"] == data.zero_flow_epe()


def test_supernet_without_finite_epe_is_refused(command: Command) -> None:
    command.oracle = Oracle(Run.open(CONFIG).space, lambda architecture: float("nan"))
    result = command()
    assert result.code == 2
    assert f"{command.weights}: no architecture that fits" in result.error and "train from scratch" in result.error


def test_unreachable_reference_point_is_reported(command: Command) -> None:
    result = command("--set", "evolution.reference_point={epe: 0.1, fps: 0}")
    assert result.code == 0 and "The hypervolume is 0" in result.out


def test_restart_and_from_previous_exclude_each_other(command: Command) -> None:
    assert command("--restart", "--from-previous").code == 2


def test_cost_table_for_another_board_is_refused(command: Command) -> None:
    result = command("--set", "hardware.board=configs/hardware/u65_256.yaml")
    assert result.code == 2 and "a different board" in result.error


def test_extended_search_keeps_a_started_queue_and_names_what_is_dominated_since(command: Command) -> None:
    assert command("--set", "evolution.generations=1").code == 0
    folder = command.folder / "queue"
    state = folder / "tasks" / "000" / "state.json"
    record.write(state, {**record.read(state), "attempts": 1})
    before = (folder / "queue.yaml").read_bytes()
    result = command("--json", "--set", "evolution.generations=6")
    assert result.code == 0 and (folder / "queue.yaml").read_bytes() == before
    front = {row["architecture"] for row in json.loads(result.out)["front"]}
    tasks = [Queue(folder).task(index).config.architecture for index in Queue(folder).indices]
    dominated = [name for name in tasks if name not in front]
    assert dominated, "the test needs a search that improves"
    count = f"{len(dominated)} of the queue's {len(tasks)} architectures"
    note = f"the search has since dominated {count} ({', '.join(dominated)})"
    assert f"has been started with other tasks; the queue is kept, although {note}" in result.error
    rebuild = re.search(r"edgeflownas-search (queue build .*)", result.error)
    assert rebuild is not None and f"--run {command.folder} " in rebuild.group(1) and "--rebuild`" in rebuild.group(1)


def test_started_queue_is_kept_if_its_settings_change(command: Command) -> None:
    assert command().code == 0
    state = command.folder / "queue" / "tasks" / "000" / "state.json"
    record.write(state, {**record.read(state), "attempts": 1})
    result = command("--set", "queue.size=2")
    assert result.code == 0 and "although it would now get other tasks" in result.error


def test_search_is_not_resumed_on_other_pairs(command: Command, tmp_path: Path) -> None:
    for name in "ab":
        put_image(tmp_path / f"{name}.png", image(ord(name), 64, 96))
        put_flo(tmp_path / f"{name}.flo", flow(ord(name), 64, 96))
    (tmp_path / "pairs.txt").write_text("a.png b.png a.flo\nb.png a.png b.flo\n")
    path, bad = tmp_path / "pairs.txt", tmp_path / "bad.txt"
    bad.write_text("")
    data = f"{{kind: list, train_list: '{path}', val_list: '{path}', height: 64, width: 96, exclude: '{bad}'}}"
    words = ["--set", f"data={data}", "--set", "evaluation.calibration_pairs=1"]
    refused = command(*words)
    assert refused.code == 2 and "queue.train.batch_size: 8 is more than the 2 training pairs" in refused.error
    assert "generation" not in refused.error, "the retraining is checked before the search"
    words += ["--set", "queue.train.batch_size=1"]
    assert command(*words).code == 0
    bad.write_text("b.flo\n")
    for _ in range(2):  # a refusal changes nothing
        result = command(*words, generations=3)
        assert result.code == 2 and "the number of validation pairs was 2, now it is 1" in result.error
        assert len(result.error.strip().splitlines()) == 1
    bad.write_text("")
    put_flo(tmp_path / "b.flo", flow(9, 64, 96))
    assert "the contents of files of the validation pairs have changed" in command(*words, generations=3).error
    put_flo(tmp_path / "b.flo", flow(ord("b"), 64, 96))
    assert command(*words, generations=3).code == 0


def test_some_options_are_searched_with_own_architectures_first(command: Command) -> None:
    limited = ["--set=evolution.options={H1: [3x3, 5x5], EB0: [2 blocks]}", "--set=evolution.complete_outputs=false"]
    assert command(*limited, "--set=evolution.initial=[122201222, 222222222]").code == 0
    with sealed.read(command.folder / "search.h5") as file:
        genes = file["archive/genes"][()]
    assert [1, 2, 2, 2, 0, 1, 2, 2, 2] in genes.tolist()
    assert set(genes[:, 0].tolist()) == {1} and set(genes[:, 5].tolist()) == {0, 1}
    result = command(*limited, "--set=evolution.initial=100000000")
    assert result.code == 0 and "3 generations completed" in result.out
    assert command("--set=evolution.options={H1: [3x3]}", "--set=evolution.complete_outputs=false").code == 2
