"""Scoring by real worker processes and a real Dask cluster, at the smallest size."""

import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Set

import numpy as np
import pytest

from edgeflownas.config import DEFAULT_SPACE
from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton, read_space
from edgeflownas.network.space import Architecture, Space
from edgeflownas.signals import Interrupted
from edgeflownas.storage import checkpoint
from search.nsga2.scoring import Score
from search.run import Run
from search.workers import worker
from search.workers.evaluator import open_evaluator
from search.workers.shared import SharedEvaluator, WorkerGroup, split_work
from search.workers.worker import Answer, Setup
from tests.search.stand_ins import MEDIUM, SMALL
from tests.small import DATA, EVALUATION, weights_for

pytestmark = pytest.mark.timeout(900)  # TensorFlow starts a dozen times, which is slow on a busy machine

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "tiny.yaml"
SETTINGS = ("data.val_pairs=4", "evaluation.calibration_pairs=4", "threads=1")
WEIGHTS = weights_for(default_skeleton(4))
SETUP = Setup(
    space=read_space(DEFAULT_SPACE), width=4, weights="w.h5", weights_sha256="0", data=DATA, evaluation=EVALUATION,
    threads=1, gpu=False,
)  # fmt: skip
HEADS = ((0, 0, 0, 0, 0), (1, 2, 0, 1, 2), (2, 0, 2, 0, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    checkpoint.save(folder / "supernet.h5", WEIGHTS, {})
    return folder


def run_with(folder: Path, *settings: str) -> Run:
    return Run.open(CONFIG, folder, [f"supernet={folder / 'supernet.h5'}", *SETTINGS, *settings])


def requested(space: Space) -> List[Architecture]:
    backbones = np.ndindex(*space.counts[: space.backbone])
    return [(*backbone, *head) for backbone in backbones for head in HEADS]


def score_all(run: Run, on_group: Optional[Callable[[int], None]] = None) -> List[List[Score]]:
    """Score all backbones with some heads; call a function after every backbone."""
    groups = []
    with open_evaluator(run, WEIGHTS) as opened:
        for group in opened.evaluator.score(requested(run.space)):
            groups.append(group)
            if on_group is not None:
                on_group(len(groups))
    return sorted(groups)


@pytest.fixture(scope="module")
def reference(folder: Path) -> List[List[Score]]:
    """Scores computed without workers."""
    return score_all(run_with(folder))


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


def pids() -> Set[int]:
    return {process.pid for process in multiprocessing.active_children() if process.pid is not None}


def test_two_workers_give_identical_scores_even_if_one_is_killed(
    folder: Path, reference: List[List[Score]], capsys: pytest.CaptureFixture
) -> None:
    children: List[Set[int]] = []

    def kill_one(done: int) -> None:
        if done == 4:
            children.append(pids())
            os.kill(max(children[0]), signal.SIGKILL)
        if done == 81:
            children.append(pids())

    assert score_all(run_with(folder, "evaluation.workers=2"), kill_one) == reference
    assert [len(group) for group in children] == [2, 2]
    assert len(children[0] & children[1]) == 1  # the other worker continued
    assert capsys.readouterr().err.count("a worker was killed") == 1
    assert not pids()


def test_four_workers_give_identical_scores(folder: Path, reference: List[List[Score]]) -> None:
    assert score_all(run_with(folder, "evaluation.workers=4")) == reference


def test_dask_gives_identical_scores_even_if_a_worker_is_killed(
    dask: Any, folder: Path, reference: List[List[Score]]
) -> None:
    def kill_one(done: int) -> None:
        if done == 4:
            os.kill(dask.workers[0].pid, signal.SIGKILL)

    assert score_all(run_with(folder, f"evaluation.scheduler={dask.scheduler_address}"), kill_one) == reference


def test_dask_gives_identical_scores_of_all_heads_and_of_zero_flow(dask: Any, folder: Path) -> None:
    results = []
    architectures = [backbone + head for backbone in ((0, 1, 2, 0), (2, 2, 2, 2)) for head in np.ndindex(3, 3, 3, 3, 3)]
    for setting in ("evaluation.workers=1", f"evaluation.scheduler={dask.scheduler_address}"):
        with open_evaluator(run_with(folder, setting), WEIGHTS) as opened:
            groups = sorted(opened.evaluator.score(architectures))
            assert [len(group) for group in groups] == [243, 243]
            results.append((opened.zero_flow_epe, groups))
    assert results[0] == results[1]


def test_worker_with_different_code_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CODE", "0" * 64)
    with pytest.raises(InputError, match=r"worker \d+ on \S+ in .+: has different code .*0{12} here") as refusal:
        score_all(run_with(folder, "evaluation.workers=2"))
    assert "\n" not in str(refusal.value)


def test_worker_with_a_different_supernet_is_refused(dask: Any, folder: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "supernet.h5", weights_for(default_skeleton(4), seed=1), {})  # overwritten by a training
    for setting in ("evaluation.workers=2", f"evaluation.scheduler={dask.scheduler_address}"):
        with pytest.raises(InputError, match="is not the supernet with which the search began") as refusal:
            score_all(run_with(tmp_path, setting))
        assert "\n" not in str(refusal.value)


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is a GPU")
def test_missing_gpu_is_reported(folder: Path) -> None:
    with pytest.raises(InputError, match="evaluation.devices: TensorFlow does not find GPU 3"):
        score_all(run_with(folder, "evaluation.devices=[3]"))


def test_missing_dask_scheduler_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.workers.dask_cluster._CONNECT_TIMEOUT", 1)
    with pytest.raises(InputError, match="evaluation.scheduler tcp://127.0.0.1:9: does not answer"):
        score_all(run_with(folder, "evaluation.scheduler=tcp://127.0.0.1:9"))


def test_backbones_that_kill_every_worker_are_reported_in_one_line(folder: Path) -> None:
    stopped = threading.Event()

    def killer() -> None:
        while not stopped.wait(0.05):
            for pid in pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with pytest.raises(OSError, match="every worker that scored the same backbones was killed") as failure:
            score_all(run_with(folder, "evaluation.workers=2"))
    finally:
        stopped.set()
        thread.join()
    assert "\n" not in str(failure.value)


class Stub(concurrent.futures.Executor):
    """Executor that answers at once with the given answers, in order."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)
        self.running: List[concurrent.futures.Future[Any]] = []

    def submit(  # type: ignore[override]  # Python 3.7 has no positional-only parameters
        self, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> "concurrent.futures.Future[Any]":
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        answer = next(self._answers, None)
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        else:
            self.running.append(future)
        return future


def shared(executor: concurrent.futures.Executor, count: int = 1) -> SharedEvaluator:
    return SharedEvaluator(WorkerGroup(executor, lambda: count, BrokenProcessPool), SETUP, SMALL)


def test_workers_with_different_images_or_libraries_are_refused() -> None:
    answers = [Answer([], 1.0, "images a", "A"), Answer([], 1.0, "images b", "B")]
    with pytest.raises(InputError, match="worker . scores with images ., but worker . with images .; give all workers"):
        list(shared(Stub(*answers)).score([(0, 0, 0, 0), (1, 0, 0, 0)]))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (BrokenProcessPool(), OSError, "fewer workers"),
        (concurrent.futures.CancelledError(), OSError, "scheduler has ended"),
        (ModuleNotFoundError("No module named 'search'"), InputError, "No module named 'search'.*install the same"),
    ],
)
def test_errors_of_workers_are_reported_in_one_line(error: Exception, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        list(shared(Stub(error)).score([(0, 0, 0, 0)]))


@pytest.mark.timeout(60)
def test_signal_ends_waiting_and_cancels_pending_work() -> None:
    executor = Stub()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        list(shared(executor, 2).score(list(SMALL.all())))
    assert time.monotonic() - begun < 3
    assert len(executor.running) == 4 and all(future.cancelled() for future in executor.running)


def test_missing_workers_are_reported_and_awaited(capsys: pytest.CaptureFixture) -> None:
    counts = iter([0, 0, 0, 1])
    executor = Stub()

    def count() -> int:
        left = next(counts, 1)
        if left:
            executor.running[0].set_result(Answer([], 1.5, "", ""))
        return left

    assert SharedEvaluator(WorkerGroup(executor, count, BrokenProcessPool), SETUP, SMALL).zero_flow_epe() == 1.5
    assert capsys.readouterr().err.count("waiting for one") == 1


@pytest.mark.parametrize("workers", [1, 2, 4, 7, 100])
@pytest.mark.parametrize("count", [0, 1, 5, 60, 648])
def test_work_is_divided_by_subtrees(workers: int, count: int) -> None:
    rng = np.random.default_rng(count)
    architectures = [MEDIUM.sample(rng) for _ in range(count)]
    pieces = split_work(MEDIUM, architectures, workers)
    assert sorted(sum(pieces, [])) == sorted(set(architectures))  # every architecture once
    below = MEDIUM.backbone
    backbones = [{architecture[:below] for architecture in piece} for piece in pieces]
    assert sum(map(len, backbones)) == len(set().union(*backbones))  # no backbone is in two pieces
    assert all(len({backbone[:-1] for backbone in group}) == 1 for group in backbones)
    assert all(len(group) == 1 for group in backbones[-workers:])


@pytest.mark.parametrize("workers", [2, 3, 4, 8, 16])
def test_work_is_divided_evenly(workers: int) -> None:
    """Idle workers take the next piece; all backbones of the space take the same time."""
    space = Space.from_skeleton(default_skeleton(4))
    pieces = split_work(space, requested(space), workers)
    busy = [0] * workers
    for piece in pieces:
        busy[busy.index(min(busy))] += len({architecture[: space.backbone] for architecture in piece})
    assert max(busy) - 81 / workers <= 1


def test_dask_commands_exist() -> None:
    for name in ("scheduler", "worker"):
        words = [sys.executable, "-m", "search", "dask", name, "--help"]
        output = subprocess.run(words, cwd=str(ROOT), check=True, stdout=subprocess.PIPE, text=True).stdout
        assert "--scheduler-file" in output


COMMAND = [
    *(sys.executable, "-m", "search", "evolve", "--config", str(CONFIG), "--set", "evaluation.workers=2"),
    *("--set", "evolution.population=80", "--set", "data.val_pairs=512", "--set", "hardware.compile_front=false"),
    *("--set", "evolution.generations=40", "--set", "evolution.patience=0"),
]


@pytest.mark.parametrize("moment", ["starting", "scoring"])
def test_ctrl_c_ends_the_command_and_its_workers_at_once(folder: Path, moment: str) -> None:
    words = ["--set", f"supernet={folder / 'supernet.h5'}", "--run", str(folder / moment)]
    command = subprocess.Popen(
        [*COMMAND, *words], cwd=str(ROOT), stderr=subprocess.PIPE, universal_newlines=True, start_new_session=True
    )
    assert command.stderr is not None
    for line in command.stderr:
        if "building the supernet" in line:
            break
    time.sleep(0.8 if moment == "starting" else 15)
    assert command.poll() is None
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does: to all processes
    begun = time.monotonic()
    output = command.stderr.read()  # until the last process has ended
    assert command.wait() == 130, output
    assert time.monotonic() - begun < 60
    assert "to continue: " in output and "Traceback" not in output, output
