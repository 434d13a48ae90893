import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from edgeflownas.errors import InputError
from edgeflownas.progress import Standing
from edgeflownas.storage.files import read_json
from search.queue import claim as claim_module
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from search.queue.status import read_row
from search.queue.task import Task
from tests.search.queue.small import small_queue, start_python, wait_for

# Claims a task, begins it, reports that, and runs until it is killed.
WORKER = """
import sys, time
from pathlib import Path
from search.queue import claim
from search.queue.queue import Queue
claim.HEARTBEAT = 0.05
with claim.hold_claim(Queue(Path(sys.argv[1])).task(0)) as mine:
    mine.begin()
    print("begun", flush=True)
    with mine.keep_beating(lambda: None):
        time.sleep(600)
"""
# Claims a task repeatedly, and counts in a file in a way that loses counts if two processes hold the claim at once.
COUNTER = """
import sys, time
from pathlib import Path
from edgeflownas.errors import InputError
from search.queue.claim import hold_claim
from search.queue.queue import Queue
task, count, claims = Queue(Path(sys.argv[1])).task(0), Path(sys.argv[2]), 0
sys.stdin.readline()
while claims < 25:
    try:
        with hold_claim(task):
            before = int(count.read_text())
            time.sleep(0.002)
            count.write_text(str(before + 1))
            claims += 1
    except InputError as error:
        assert "task 0: in use by process" in str(error) or "keep taking the lock" in str(error), error
    time.sleep(0.001)
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return small_queue(tmp_path).task(0)


@pytest.fixture
def worker(task: Task) -> "Iterator[subprocess.Popen[str]]":
    process = start_python(WORKER, str(task.queue.folder), stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()


def word(task: Task) -> str:
    return read_row(Queue(task.queue.folder), task.index).word


def test_two_processes_never_hold_a_claim_at_once(task: Task, tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    counters = [start_python(COUNTER, str(task.queue.folder), str(count), stdin=subprocess.PIPE) for _ in range(2)]
    for counter in counters:
        assert counter.stdin is not None
        counter.stdin.write("go\n")
        counter.stdin.close()
    assert [counter.wait(60) for counter in counters] == [0, 0]
    assert count.read_text() == "50"


def test_error_names_the_holder_of_the_claim(task: Task, worker: "subprocess.Popen[str]") -> None:
    before = task.state()
    with pytest.raises(InputError, match=f"task 0: in use by process {worker.pid} on "), hold_claim(task):
        pass
    assert task.state().attempts == before.attempts == 1


def test_stopped_process_is_silent_and_killed_one_is_dead_at_once(task: Task, worker: "subprocess.Popen[str]") -> None:
    assert word(task) == "running"
    worker.send_signal(signal.SIGSTOP)  # alive, but without heartbeat
    wait_for(lambda: ") T " in Path(f"/proc/{worker.pid}/stat").read_text())
    os.utime(str(task.paths.claim), (0, 0))
    assert word(task) == "silent" and (read_row(Queue(task.queue.folder), 0).heartbeat_s or 0) > 1e6
    assert not read_row(Queue(task.queue.folder), 0).to_do
    worker.kill()
    worker.wait()
    assert word(task) == "dead" and task.state().state == "running"


def test_process_on_another_machine_is_dead_after_its_heartbeat_has_stopped(task: Task) -> None:
    with hold_claim(task) as claim:
        claim.begin()
        content = read_json(task.paths.claim)
    task.paths.claim.write_text(json.dumps({**content, "machine": "node17 boot pid:[1]"}))
    assert word(task) == "running"
    for silent, expected in ((20.0, "running"), (60.0, "silent"), (claim_module.STALE_AFTER + 10.0, "dead")):
        os.utime(str(task.paths.claim), (time.time() - silent, time.time() - silent))
        assert word(task) == expected
    with hold_claim(task) as claim:
        assert claim.state.crashes == 1


@pytest.mark.parametrize("ahead", [-86400.0, -300.0, 300.0, 86400.0])
def test_healthy_task_is_running_whatever_the_clock_of_this_machine_says(
    task: Task, worker: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + ahead)
    row = read_row(Queue(task.queue.folder), 0)
    assert row.word == "running" and 0 <= (row.heartbeat_s or 0) < 30


def test_heartbeats_record_the_progress(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_module, "HEARTBEAT", 0.02)
    step = 10
    with hold_claim(task) as claim:
        claim.begin()
        with claim.keep_beating(lambda: None):
            first = task.paths.claim.stat().st_mtime
            wait_for(lambda: task.paths.claim.stat().st_mtime > first)
            assert (task.state().step, task.state().rate) == (0, None)
            claim.track(lambda: Standing(1, step, 40, 2.5))
            step = 20
            wait_for(lambda: task.state().step == 20)
            state = read_row(Queue(task.queue.folder), 0)
            assert state.rate and state.rate > 0
            assert state.seconds_left == pytest.approx(20 / state.rate)
            step = 40
        assert task.state().step == 40
        changed = task.state().changed
        time.sleep(0.1)
        assert task.state().changed == changed
    assert read_row(Queue(task.queue.folder), 0).heartbeat_s is None


def test_every_death_is_a_crash_and_too_many_are_a_failure(task: Task) -> None:
    for crashes, left in ((0, "running"), (1, "running"), (2, "failed")):
        with hold_claim(task, "killed by SIGKILL") as claim:
            assert claim.state.crashes == crashes
            assert claim.state.state == ("queued" if crashes < 2 else "failed")
            if crashes:
                assert str(claim.state.reason).endswith(": killed by SIGKILL")
            if left == "running":
                claim.begin()
    assert (task.state().attempts, task.state().crashes) == (2, 2)


def test_preemption_is_not_a_crash(task: Task) -> None:
    for attempts in (1, 2, 3, 4):
        with hold_claim(task) as claim:
            claim.begin()
            claim.change(state="preempted", reason="stopped by SIGTERM")
        assert (task.state().attempts, task.state().crashes) == (attempts, 0)


def test_reason_is_short_and_on_one_line(task: Task) -> None:
    with hold_claim(task) as claim:
        claim.record_crash("first\nsecond \x1b[31m" + "x" * 10_000)
    reason = str(task.state().reason)
    assert reason.startswith("first second  [31mx") and len(reason) == 300


def test_state_is_written_atomically(task: Task) -> None:
    seen: List[int] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.append(task.state().step)  # raises InputError if it is incomplete
        seen.append(-1)

    reader = threading.Thread(target=read)
    with hold_claim(task) as claim:
        claim.begin()
        reader.start()
        for step in range(150):
            claim.change(step=step, reason="x" * 300)
        ended.set()
    reader.join()
    assert seen.pop() == -1 and len(set(seen)) > 10 and seen == sorted(seen)


def test_process_that_has_lost_its_claim_quits_without_writing(
    task: Task, worker: "subprocess.Popen[str]"
) -> None:
    content = read_json(task.paths.claim)
    task.paths.claim.unlink()
    task.paths.claim.write_text(json.dumps({**content, "machine": "node17"}))
    before = task.paths.state.read_bytes()
    assert worker.wait(20) == 1
    with pytest.raises(InputError, match="in use by process [0-9]+ on node17"), hold_claim(task):
        pass
    assert task.state().attempts == 1 and json.loads(before)["pid"] == worker.pid


@pytest.mark.parametrize(
    "restarts, job, killed, word, crashes",
    [
        ("1", "12", False, "preempted", 0),
        ("1", "12", True, "queued", 1),  # the job's script has seen the task die
        ("0", "12", False, "queued", 1),  # two attempts without a restart of the job
        ("1", "13", False, "queued", 1),
    ],
)
def test_restart_by_slurm_is_not_a_crash(
    task: Task, monkeypatch: pytest.MonkeyPatch, restarts: str, job: str, killed: bool, word: str, crashes: int
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    with hold_claim(task) as claim:
        claim.begin()
    if killed:
        task.paths.killed.write_text("137\n")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", job)
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    with hold_claim(task) as claim:
        assert (claim.state.state, claim.state.crashes) == (word, crashes)
        assert ("exit code 137" in str(claim.state.reason)) == killed
        assert not task.paths.killed.exists()
