"""Real trainings of the lightest architecture: interrupted ones, compared with an undisturbed one."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import yaml

from edgeflownas.config import validate
from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint, record
from edgeflownas.training.child import ChildStep
from search.commands.retrain import command
from search.queue.queue import Queue
from search.queue.retrain import Result, retrain
from search.queue.task import Task
from tests.edgeflownas.data.written import WRITERS
from tests.search.queue.small import TRAIN, finish, small_queue, start_python

LIGHT = 2  # the task whose network is built fastest; an epoch has four steps
SECOND_EPOCH = 6  # a step in the middle of the second epoch

# Retrains a task and kills itself in the middle of an epoch.
KILLED = f"""
import os, signal, sys
from pathlib import Path
from edgeflownas.training.child import ChildStep
from search.queue.queue import Queue
from search.queue.retrain import retrain
run, steps = ChildStep.run, []
def counted(*arguments):
    steps.append(run(*arguments))
    if len(steps) == {SECOND_EPOCH}:
        os.kill(os.getpid(), signal.SIGKILL)
    return steps[-1]
ChildStep.run = counted
retrain(Queue(Path(sys.argv[1])).task({LIGHT}))
"""


def run_command(task: Task, *options: str) -> int:
    """Run the command ``retrain`` and return its exit code."""
    arguments = ["--queue", str(task.queue.folder), "--index", str(task.index), *options]
    return int(command.main(arguments, standalone_mode=False))


def light(folder: Path, **queue: Any) -> Task:
    return small_queue(folder, **queue).task(LIGHT)


def call_at_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> List[float]:
    """Call a function after a given step of future trainings; return the list that collects the losses of all steps."""
    run, losses = ChildStep.run, []

    def counted(*arguments: Any) -> float:
        losses.append(run(*arguments))
        if len(losses) == number:
            act()
        return losses[-1]

    monkeypatch.setattr(ChildStep, "run", counted)
    return losses


def outcome(task: Task) -> Dict[str, Any]:
    """Return everything of a finished task that must not depend on interruptions."""
    tensors: Dict[str, Any] = {}
    for path in (task.paths.last, task.paths.best):
        loaded, state = checkpoint.load(path)
        tensors.update({f"{path.name} {name}": value.tobytes() for name, value in loaded.items()})
        tensors[path.name] = {key: value for key, value in state.items() if key != "place"}
    result = {key: value for key, value in record.read(task.paths.result).items() if key != "wall_s"}
    curve = [line.rpartition(",")[0] for line in task.paths.curve.read_text().splitlines()]
    return {**tensors, "result": result, "curve": curve}


@pytest.fixture(scope="module", params=[True, False], ids=["warm", "scratch"])
def undisturbed(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Task:
    task = light(tmp_path_factory.mktemp("undisturbed"), warm_start=request.param)
    assert retrain(task) == "done"
    return task


def test_task_is_not_trained_on_other_pairs_than_the_finished_tasks(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    data = {**WRITERS["flyingchairs2"](tmp_path / "data"), "height": 16, "width": 16}
    for index in (1, LIGHT):
        path = queue.task(index).paths.task
        content = yaml.safe_load(path.read_text())
        content["evaluation"]["calibration_pairs"] = 3
        path.write_text(yaml.safe_dump({**content, "data": data, "attempts": 1}))
    finish(queue, 1, 2.0)
    other = {"validation": {"pairs": 2, "names": "a", "contents": "b"}}
    record.write(queue.task(1).paths.result, {**record.read(queue.task(1).paths.result), "pairs": other})
    task = Queue(queue.paths.folder).task(LIGHT)
    assert retrain(task) == "failed"
    assert "is of other pairs than" in str(task.state().reason) and not task.paths.last.exists()
    record.write(queue.task(1).paths.result, {**record.read(queue.task(1).paths.result), "pairs": {}})
    record.write(task.paths.state, {**record.read(task.paths.state), "state": "queued", "crashes": 0})
    assert retrain(task) == "done"
    pairs = record.read(task.paths.result)["pairs"]
    assert {use: mark["pairs"] for use, mark in pairs.items()} == {"training": 3, "calibration": 3, "validation": 2}


def test_finished_task_has_result_log_and_learning_curve(undisturbed: Task) -> None:
    result: Result = validate(record.read(undisturbed.paths.result), Result, "result")
    weights, best = checkpoint.load(undisturbed.paths.best)
    state = undisturbed.state()
    assert (result.architecture, result.epochs, result.epe) == ("000000000", 2, best["epe"])
    assert result.weights_sha256 == checkpoint.digest(weights)
    assert (state.state, state.attempts, state.crashes, state.epoch, state.step, state.steps) == ("done", 1, 0, 2, 8, 8)
    assert state.best_epe == best["epe"] and state.pid == os.getpid()
    assert "epoch 2/2" in undisturbed.paths.output.read_text()
    assert len(undisturbed.paths.curve.read_text().splitlines()) == 3
    assert not undisturbed.paths.claim.exists()


def test_only_warm_start_uses_the_supernet(undisturbed: Task) -> None:
    _, best = checkpoint.load(undisturbed.paths.best)
    supernet = undisturbed.load_first_weights()
    first = best["identity"]["first weights"]
    tensors, _ = checkpoint.load(undisturbed.paths.best)
    names = [name for name in tensors if not name.endswith(("/mean", "/variance"))]
    if supernet is None:
        assert undisturbed.config.first_weights is None
    else:
        assert first == checkpoint.digest({name: supernet[name] for name in names})


def test_finished_task_is_not_changed(undisturbed: Task) -> None:
    before = {path: path.read_bytes() for path in undisturbed.paths.folder.iterdir() if path.is_file()}
    assert retrain(undisturbed) == "done"
    assert {path: path.read_bytes() for path in undisturbed.paths.folder.iterdir() if path.is_file()} == before


def test_preempted_and_resumed_training_is_equal_bit_for_bit(
    undisturbed: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signum = signal.SIGUSR1 if undisturbed.config.first_weights is None else signal.SIGTERM
    task = light(tmp_path, warm_start=undisturbed.config.first_weights is not None)
    steps = call_at_step(monkeypatch, SECOND_EPOCH, lambda: os.kill(os.getpid(), signum))
    assert retrain(task) == "preempted"
    state = task.state()
    assert (state.state, state.epoch, state.step, state.crashes) == ("preempted", 1, SECOND_EPOCH, 0)
    assert signum.name in str(state.reason) and not task.paths.claim.exists()
    assert retrain(task) == "done"
    assert len(steps) == 8, "no step was repeated"
    assert outcome(task) == outcome(undisturbed)
    assert (task.state().attempts, task.state().crashes, task.state().reason) == (2, 0, None)


@pytest.mark.parametrize("undisturbed", [True], ids=["warm"], indirect=True)  # loading TensorFlow is slow
def test_killed_and_resumed_training_is_equal_bit_for_bit(
    undisturbed: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = light(tmp_path)
    process = start_python(KILLED, str(task.queue.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(120) == -signal.SIGKILL
    assert task.state().state == "running" and not task.alive()
    steps = call_at_step(monkeypatch, 0, lambda: None)
    assert retrain(task) == "done"
    assert len(steps) == 4, "the first epoch was kept"
    assert outcome(task) == outcome(undisturbed)
    assert (task.state().attempts, task.state().crashes) == (2, 1)


def test_crashed_task_is_resumed_and_finally_fails_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise RuntimeError("the roof is on fire")

    task = light(tmp_path)
    call_at_step(monkeypatch, SECOND_EPOCH, crash)
    assert retrain(task) == "queued"
    state = task.state()
    assert (state.crashes, state.step, state.reason) == (1, 5, "RuntimeError: the roof is on fire")
    kept = task.paths.last.read_bytes()
    task.queue.supernet.write_bytes(b"")
    assert run_command(task) == 1
    state = task.state()
    assert (state.state, state.attempts, state.crashes) == ("failed", 2, 2)
    assert re.match(r"InputError: .*supernet.h5", str(state.reason))
    assert task.log_tail(1) == [f"edgeflownas.errors.{state.reason}"]
    assert task.paths.output.read_text().count("Traceback") == 2
    assert task.paths.last.read_bytes() == kept
    assert run_command(task) == 1 and task.state() == state


def test_exit_codes_distinguish_crash_and_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = light(tmp_path)
    task.queue.supernet.write_bytes(b"")
    assert [run_command(task) for _ in range(3)] == [75, 1, 1]


def test_signal_before_the_training_starts_preempts_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: Task) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    task = light(tmp_path)
    monkeypatch.setattr(Task, "load_first_weights", slow)
    assert run_command(task) == 130
    assert (task.state().state, task.state().attempts, task.state().crashes) == ("preempted", 1, 0)
    assert not task.paths.last.exists()


@pytest.mark.parametrize("train", [TRAIN, [TRAIN, TRAIN]], ids=["one stage", "two stages"])
def test_gpu_device_applies_to_all_stages_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Any
) -> None:
    task = light(tmp_path, train=train)
    configs: List[Any] = []

    def work(task: Task) -> str:
        configs.append(task.config)
        return "done"

    monkeypatch.setattr("search.commands.retrain.retrain", work)
    assert run_command(task, "--gpu-device", "none") == run_command(task) == 0
    moved, plain = ([stage.train for stage in config.stages] for config in configs)
    assert [train.devices for train in moved] == [[]] * len(plain)
    assert [train.devices for train in plain] == [None] * len(plain)
    assert [train.recipe for train in moved] == [train.recipe for train in plain]


def test_missing_gpu_is_reported_before_the_task_begins(tmp_path: Path) -> None:
    task = light(tmp_path)
    before = task.state()
    with pytest.raises(InputError, match="train.devices: TensorFlow sees .*, not GPU 99"):
        run_command(task, "--gpu-device", "99")
    assert task.state() == before
