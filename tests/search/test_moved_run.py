"""A run that is moved to another path, with its data elsewhere, continues as if it had stayed."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from edgeflownas.config import Config, dump, load, validate
from edgeflownas.storage import checkpoint
from edgeflownas.training.child import ChildStep
from search.commands.queue import command
from search.inputs import adopt_places
from search.queue.build import build
from search.queue.queue import Queue
from search.queue.retrain import load_result, retrain
from search.queue.task import Task
from search.run import Run
from tests.edgeflownas.data.written import WRITERS
from tests.search.queue.small import CONTENT, small_archive
from tests.small import weights_for

STEP = 4  # in the second epoch, as an epoch has one step for each of three pairs


def make_run(home: Path) -> Run:
    """Make a run with a queue of one task in the working folder; all its paths are relative."""
    data = {**WRITERS["flyingchairs2"](Path("data")), "height": 16, "width": 16}
    train = {**CONTENT["queue"]["train"], "batch_size": 1}
    queue = {"rule": "list", "architectures": ["000000000"], "train": train}
    evaluation = {**CONTENT["evaluation"], "calibration_pairs": 3}
    content = {**CONTENT, "data": data, "supernet": "trained.h5", "queue": queue, "evaluation": evaluation}
    run = Run(validate(content, Config, "test"), Path("run"))
    checkpoint.save(Path("trained.h5"), weights_for(run.skeleton), {})
    run.write_config()
    build(run, small_archive(run), np.arange(6))
    return run


@pytest.fixture()
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def move(home: Path, monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """Move the run and its data apart, remove everything else, and return the options that name both."""
    away = home.parent / "away"
    away.mkdir()
    shutil.move(str(home / "run"), str(away / "moved"))
    shutil.move(str(home / "data"), str(home.parent / "scratch"))
    monkeypatch.chdir(away)
    shutil.rmtree(str(home))
    parts = [f"--set=data.{part}_dir=../scratch/{part}" for part in ("train", "val")]
    return ["--config", "moved/config.yaml", "--run", "moved", *parts]


def weights(task: Task) -> Dict[str, bytes]:
    return {name: value.tobytes() for name, value in checkpoint.load(task.paths.last)[0].items()}


def run_queue(*options: str) -> Any:
    return command.main(["run", *options], standalone_mode=False)


def test_half_trained_task_continues_elsewhere_to_the_same_weights(home: Path, monkeypatch: Any) -> None:
    run = make_run(home)
    shutil.copytree("run", "stayed")
    stayed = Queue(Path("stayed/queue")).task(0)
    assert retrain(stayed) == "done"
    expected, result = weights(stayed), load_result(stayed)

    original, steps = ChildStep.run, []

    def stop_in_the_second_epoch(*arguments: Any) -> float:
        steps.append(original(*arguments))
        if len(steps) == STEP:
            os.kill(os.getpid(), signal.SIGTERM)
        return steps[-1]

    with monkeypatch.context() as patch:
        patch.setattr(ChildStep, "run", stop_in_the_second_epoch)
        assert retrain(Queue(run.queue_folder).task(0)) == "preempted"

    options = move(home, monkeypatch)
    run_queue(*options)
    task = Queue(Path("moved/queue")).task(0)
    assert task.state().attempts == 2 and weights(task) == expected
    assert load_result(task).model_copy(update={"wall_s": 0}) == result.model_copy(update={"wall_s": 0})


def test_later_commands_need_no_mapping(home: Path, monkeypatch: Any) -> None:
    make_run(home)
    options = move(home, monkeypatch)
    Run.open(Path(options[1]), Path("moved"), [option.partition("=")[2] for option in options[4:]]).record_places()
    for folder in (Path.cwd(), home.parent):
        monkeypatch.chdir(folder)
        moved = home.parent / "away" / "moved"
        opened = Run.open(moved / "config.yaml", moved)
        task = Queue(moved / "queue").task(0)
        for data in (opened.config.data, task.config.data):
            assert Path(data.train_dir).is_dir() and Path(data.val_dir).is_dir()  # type: ignore[union-attr]
        assert opened.supernet_weights() and str(opened.supernet_file).startswith(str(moved))
        assert task.load_first_weights() is not None


def test_nothing_that_is_read_names_the_old_place(home: Path) -> None:
    make_run(home)
    for path in Path("run").rglob("*"):
        if path.suffix in (".yaml", ".json", ".csv", ".h5") and path.name != "origin.json":
            assert str(home).encode() not in path.read_bytes(), path


@pytest.mark.parametrize("change", [{"height": 32}, {"train_dir": "nowhere"}])
def test_paths_of_another_or_a_missing_data_set_are_not_adopted(home: Path, change: Dict[str, Any]) -> None:
    run = make_run(home)
    shutil.copytree("data", "copy")
    data = run.config.data.model_dump()
    moved = {**data, "train_dir": "copy/train", "val_dir": "copy/val"}
    content = run.config.model_dump()
    same = validate({**content, "data": moved}, Config, "test")
    other = validate({**content, "data": {**moved, **change}}, Config, "test")
    assert dump(adopt_places(run.config, same)) == dump(same) != dump(run.config)
    assert adopt_places(run.config, other) == run.config == load(run.config_file)
