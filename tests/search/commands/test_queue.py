"""``queue`` and ``retrain`` as a user calls them, after a search with an evaluator that answers immediately."""

import csv
import json
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest

from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint
from search import cli
from search.commands import queue as queue_command
from search.queue import runner
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from search.run import Run
from search.strategies import one_shot
from tests.search.commands.test_evolve import Result
from tests.search.queue.test_collect import FakeDeployment, fake_final_epes, finish
from tests.search.queue.test_runner import NOT_BEGUN
from tests.search.stand_ins import CONFIG, open_oracle

Call = Callable[..., Result]


def exit_code(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> int:
    """Call a command on the run in a folder; return its exit code."""
    settings = [f"supernet={folder / 'supernet.h5'}", "evolution.population=4", "evolution.generations=1"]
    settings += ["hardware.vela=no-such-vela", "hardware.compile_front=false", "queue.size=3"]
    run = ["--config", str(CONFIG), "--run", str(folder / "run")]
    run += [word for setting in settings for word in ("--set", setting)]
    monkeypatch.chdir(CONFIG.parents[1])
    monkeypatch.setattr(sys, "argv", ["edgeflownas-search", *words, *(run if words[0] != "retrain" else [])])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a supernet, and a run after a search, with its queue."""
    folder = tmp_path_factory.mktemp("searched")
    shapes = default_skeleton(8).parameters()
    checkpoint.save(folder / "supernet.h5", {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, {})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(one_shot, "open_evaluator", open_oracle)
        assert exit_code(monkeypatch, folder, "evolve") == 0
        assert exit_code(monkeypatch, folder, "queue", "build", "--rebuild") == 0
    return folder


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Call:
    """Return a function that calls a command and captures its output."""

    def run_command(*words: str) -> Result:
        code = exit_code(monkeypatch, tmp_path, *words)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run_command


@pytest.fixture
def queue(searched: Path, tmp_path: Path) -> Queue:
    shutil.copytree(str(searched / "run"), str(tmp_path / "run"))
    shutil.copy(str(searched / "supernet.h5"), str(tmp_path))
    return Queue(tmp_path / "run" / "queue")


def architectures(queue: Queue) -> List[str]:
    return [queue.task(index).config.architecture for index in queue.indices]


def refused(result: Result, word: str) -> None:
    assert result.code == 2 and word in result.error
    assert len(result.error.strip().splitlines()) == 1


def test_queue_is_built_from_the_search_file_only(call: Call, queue: Queue, tmp_path: Path) -> None:
    with (tmp_path / "run" / "front.csv").open() as file:
        front = [record["architecture"] for record in csv.DictReader(file)]
    chosen = architectures(queue)
    assert len(chosen) == 3 and chosen[0] == front[0] and chosen[-1] == front[-1] and set(chosen) <= set(front)
    (tmp_path / "run" / "front.csv").unlink()
    again = call("queue", "build")
    assert again.code == 0 and "is already built" in again.error
    assert architectures(Queue(queue.paths.folder)) == chosen
    assert queue.file.search_sha256 and not (tmp_path / "run" / "search.lock").exists()


def test_queue_for_another_supernet_is_refused(call: Call, queue: Queue, tmp_path: Path) -> None:
    run = Run.open(CONFIG, tmp_path / "run", [f"supernet={tmp_path / 'supernet.h5'}"])
    checkpoint.save(run.supernet_file, {name: value + 1 for name, value in run.supernet_weights().items()}, {})
    refused(call("queue", "build"), "the supernet is")


def test_missing_search_or_queue_is_reported_with_the_remedy(call: Call) -> None:
    refused(call("queue", "build"), "search first, with `edgeflownas-search evolve --config ")
    for command in ("run", "status", "collect"):
        refused(call("queue", command), "`edgeflownas-search queue build --config ")


def test_status_prints_a_table_or_json(call: Call, queue: Queue) -> None:
    with hold_claim(queue.task(1)) as claim:
        claim.begin()
        claim.record_crash("no \x1b[31mmoney")
    result = call("queue", "status")
    assert result.code == 0 and all(architecture in result.out for architecture in architectures(queue))
    assert "task 1, queued: no  [31mmoney" in result.out and "\x1b" not in result.out
    rows = json.loads(call("queue", "status", "--json").out)
    assert [(row["index"], row["word"], row["crashes"]) for row in rows] == [
        (0, "queued", 0), (1, "queued", 1), (2, "queued", 0)
    ]  # fmt: skip


def test_run_fails_if_a_task_has_failed(call: Call, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "build_command", lambda folder, index: [sys.executable, "-c", NOT_BEGUN])
    result = call("queue", "run")
    assert result.code == 1 and result.out.count("failed: exited with code 3") == 3


def test_collect_writes_the_final_front_and_reports_the_ranking_of_the_supernet(
    call: Call, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(call("queue", "collect"), "nothing to collect yet (3 queued)")
    for index in (0, 1):
        finish(queue, index, 1.0 + index)
    monkeypatch.setattr(queue_command, "score_final_epes", fake_final_epes)
    monkeypatch.setattr(FakeDeployment, "padded_size", (64, 96))
    monkeypatch.setattr(queue_command, "Deployment", lambda *parts: FakeDeployment())
    result = call("queue", "collect")
    assert result.code == 0 and "not all tasks are done: 2 done, 1 queued" in result.error
    assert "Kendall tau of supernet EPE and retrained EPE in float32: 1.000 (n = 2, 95 %" in result.out
    assert "EdgeFlowNet, as published: 1694 KiB" in result.out and "the two cannot be compared" in result.out
    assert "marked ~ were neither compiled nor measured" in result.out
    words = " ".join(result.out.split())
    assert "of 2 retrained architectures, at 64x96 pixels" in words and "Final EPE on whole images, px" in words
    finish(queue, 2, 0.5)
    summary = json.loads(call("queue", "collect", "--json").out)
    assert (summary["n"], summary["missing"]) == (3, 0) and summary["kendall_tau"] == pytest.approx(-1 / 3)
    low, high = summary["kendall_tau_95"]
    assert -1 <= low <= summary["kendall_tau"] <= high <= 1 and summary["published"]["comparable"] is False
    assert summary["survivors"][0]["final"]["procedural"]["epe"] == 3.0
    with (tmp_path / "run" / "final_front.csv").open() as file:
        records = list(csv.DictReader(file))
    assert [record["architecture"] for record in records] == [architectures(queue)[index] for index in (2, 0, 1)]
    assert [record["on_front"] for record in records] == ["1", "0", "0"]
    assert summary["hardware"]["vela"] == "5.2.0" and "Vela 5.2.0, ethos-u55-64" in result.out
    assert [(record["vela"], record["board"]) for record in records] == [("5.2.0", "Grove Vision AI V2")] * 3


def test_retrain_refuses_busy_and_missing_tasks(call: Call, queue: Queue) -> None:
    folder: Any = str(queue.paths.folder)
    with hold_claim(queue.task(0)):
        refused(call("retrain", "--queue", folder, "--index", "0"), "task 0: in use by process")
    refused(call("retrain", "--queue", folder, "--index", "3"), "tasks 0 to 2")
    refused(call("retrain", "--queue", folder + "x", "--index", "0"), "`edgeflownas-search queue build --config ")
    assert call("retrain", "--queue", folder, "--index", "-1").code == 2


def test_submit_shows_the_batch_script_and_reports_missing_slurm(
    call: Call, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call("queue", "submit", "--dry-run", "--set", "cluster.partition=debug", "--set", "cluster.throttle=2")
    assert result.code == 0 and result.out == queue.paths.script.read_text()
    assert "#SBATCH --partition=debug" in result.out and "sbatch --array=0-2%2" in result.error
    monkeypatch.setenv("PATH", "/nowhere")
    refused(call("queue", "submit"), "is Slurm installed on this machine?")
    refused(call("queue", "submit", "--set", "cluster.partition='a; id'"), "cluster.partition")
    assert not queue.paths.submissions.exists()


def test_tasks_are_cancelled_and_retried_by_number(call: Call, queue: Queue) -> None:
    assert call("queue", "cancel").code == 2 and call("queue", "cancel", "1", "--all").code == 2
    refused(call("queue", "cancel", "3"), "tasks 0 to 2")
    result = call("queue", "cancel", "1")
    assert result.code == 0 and "task 1, failed: cancelled" in result.out
    refused(call("queue", "retry", "0"), "task 0: is queued")
    assert call("queue", "cancel", "--all").out.count("failed: cancelled") == 3
    assert call("queue", "retry").out.count("queued") == 3


def test_status_is_watched_until_all_tasks_are_done(call: Call, queue: Queue) -> None:
    def work() -> None:
        for index in queue.indices:
            time.sleep(0.3)
            finish(queue, index, 1.0)

    thread = threading.Thread(target=work)
    thread.start()
    result = call("queue", "status", "--watch")
    thread.join()
    assert result.code == 0 and result.out.count("done") == 3
    assert "task 0 " in result.error and ": done, epoch 1/" in result.error


@pytest.mark.parametrize("words", [("cancel",), ("retry",), ("retry", "--from-previous")])
def test_tasks_that_do_not_exist_are_named_once_and_nothing_is_changed(queue: Queue, call: Call, words: Any) -> None:
    last = len(queue.indices) - 1
    result = call("queue", *words, "99")
    assert result.code == 2 and result.error.count("task 99") == 1
    assert f"task 99: does not exist; the queue has tasks 0 to {last}; `edgeflownas-search queue status" in result.error
    assert "damaged" not in result.error
    result = call("queue", *words, "0-200")
    named = ", ".join(str(last + number) for number in range(1, 6))
    assert result.code == 2 and f"tasks {named} and ...: do not exist" in result.error
    assert all(queue.task(index).state().state == "queued" for index in queue.indices)


def test_tasks_are_cancelled_and_retried_by_ranges(queue: Queue, call: Call) -> None:
    assert len(queue.indices) == 3
    assert call("queue", "cancel", "0-1", "1").code == 0
    assert [queue.task(index).state().state for index in queue.indices] == ["failed", "failed", "queued"]
    result = call("queue", "retry", "0,2")
    assert result.code == 2 and "task 2: is queued; only failed and cancelled tasks can be retried" in result.error
    assert call("queue", "retry", "0,1").code == 0
    assert all(queue.task(index).state().state == "queued" for index in queue.indices)


@pytest.mark.parametrize("text", ["2-1", "x", "1-", "1,,2", "1-2-3", "-1"])
def test_wrong_names_of_tasks_are_refused(queue: Queue, call: Call, text: str) -> None:
    result = call("queue", "cancel", "--", text)
    assert result.code == 2 and f"'{text}' names no tasks; name them such as 3, 0-3 or 0-3,7" in result.error


def test_damaged_task_is_named_once_with_the_whole_command_that_restores_it(queue: Queue, call: Call) -> None:
    with hold_claim(queue.task(1)) as claim:
        claim.change()
        claim.change()
    queue.task(1).paths.state.write_text("{")
    for result in (call("queue", "status"), call("queue", "cancel", "1")):
        text = " ".join((result.out + result.error).split())
        assert text.count("task 1") == 1 and "`edgeflownas-search queue retry --config " in text
        assert "--set queue.size=3 1 --from-previous`" in text
