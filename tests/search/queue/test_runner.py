import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Dict, List

import numpy as np
import pytest

from edgeflownas.signals import Interrupted
from search.queue import runner
from search.queue.build import build
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from search.queue.status import Row, format_remarks, read_rows, summarize, to_records
from tests.search.queue.small import small_archive, small_queue, small_run, start_python, wait_for
from tests.search.queue.test_claim import WORKER

# Start of the programs that replace a task's process; they call the task ``task``.
OPEN_TASK = """
import os, signal, sys, time
from pathlib import Path
from search.queue.claim import hold_claim
from search.queue.queue import Queue
task = Queue(Path(sys.argv[1])).task(int(sys.argv[2]))
"""
DONE = OPEN_TASK + "with hold_claim(task) as claim: claim.begin(); claim.change(state='done')"
KILLED = OPEN_TASK + "with hold_claim(task) as claim: claim.begin(); os.kill(os.getpid(), signal.SIGKILL)"
NOT_BEGUN = "import sys; print('no such \\x1b[1mlibrary'); sys.exit(3)"
DEAF = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'started').touch(); time.sleep(600)"


def replace_programs(monkeypatch: pytest.MonkeyPatch, codes: Dict[int, str]) -> None:
    """Run programs for tasks instead of ``retrain``; other tasks finish at once."""

    def build_command(folder: Path, index: int) -> List[str]:
        return [sys.executable, "-c", codes.get(index, DONE), str(folder), str(index)]

    monkeypatch.setattr(runner, "build_command", build_command)


def words(rows: List[Row]) -> List[str]:
    return [row.word for row in rows]


def test_tasks_are_run_and_crashing_ones_retried_until_they_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    queue = small_queue(tmp_path)
    replace_programs(monkeypatch, {1: KILLED, 2: NOT_BEGUN})
    rows = runner.run(queue)
    assert words(rows) == ["done", "failed", "failed"]
    assert [(row.attempts, row.crashes) for row in rows] == [(1, 0), (2, 2), (0, 2)]
    assert str(rows[1].reason).endswith("killed by SIGKILL")
    assert rows[2].reason == "exited with code 3 before the task began: no such  [1mlibrary"
    assert format_remarks(rows)[-1].strip() == "no such  [1mlibrary"
    assert summarize(rows) == "1 done, 2 failed"
    said = capfd.readouterr().err
    assert "task 0 222222222: done" in said and "task 1 111000000: failed" in said
    assert runner.run(queue) == rows, "no task is left"


def test_task_of_another_process_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = small_queue(tmp_path)
    replace_programs(monkeypatch, {0: NOT_BEGUN})
    other = start_python(WORKER, str(queue.paths.folder), stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == "begun\n"
        rows = runner.run(queue)
        assert words(rows) == ["running", "done", "done"]
        assert (rows[0].pid, rows[0].crashes) == (other.pid, 0)
    finally:
        other.kill()
        other.wait()
    replace_programs(monkeypatch, {})
    assert words(runner.run(queue)) == ["done", "done", "done"]
    assert to_records(read_rows(queue))[0]["crashes"] == 1, "the death of the other process is counted"


def test_claim_of_a_process_killed_after_its_task_ended_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = small_queue(tmp_path)
    failed = OPEN_TASK + "with hold_claim(task) as claim: claim.begin(); claim.change(state='failed')"
    replace_programs(monkeypatch, {0: failed})
    assert words(runner.run(queue)) == ["failed", "done", "done"]
    for index in (0, 1):
        code = f"with hold_claim(task): os.kill(os.getpid(), {signal.SIGKILL:d})"
        subprocess.run([sys.executable, "-c", OPEN_TASK + code, str(queue.paths.folder), str(index)], check=False)
        assert queue.task(index).paths.claim.exists()
    assert words(runner.run(queue)) == ["failed", "done", "done"]
    assert not list(queue.paths.folder.rglob("claim"))


def test_death_is_counted_once_after_an_earlier_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = small_queue(tmp_path)
    for index in queue.indices:
        with hold_claim(queue.task(index)) as claim:
            claim.begin()  # and dies unexpectedly
    replace_programs(monkeypatch, {1: KILLED, 2: NOT_BEGUN})
    rows = runner.run(queue)
    assert words(rows) == ["done", "failed", "failed"]
    assert [(row.attempts, row.crashes) for row in rows] == [(2, 1), (2, 2), (1, 2)]


def test_stop_before_the_process_handles_signals_is_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = small_queue(tmp_path)
    replace_programs(monkeypatch, {0: DEAF})
    started = queue.paths.folder / "started"

    def stop() -> None:
        wait_for(started.exists)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted):
        runner.run(queue)
    assert words(read_rows(queue)) == ["queued", "queued", "queued"] and read_rows(queue)[0].crashes == 0


def has_pending(pid: int, signum: int) -> bool:
    """Check whether a signal that was sent to a process is still waiting to be handled."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    pending = next(int(line.split()[1], 16) for line in status if line.startswith("ShdPnd:"))
    return bool(pending >> (signum - 1) & 1)


def test_queue_is_stopped_by_ctrl_c_and_resumes(tmp_path: Path) -> None:
    """Suspend the task before it is interrupted, so that it cannot end first."""
    run = small_run(tmp_path)
    queue = build(run, small_archive(run), np.array([0]))  # the architecture whose network is built fastest

    def stop() -> None:
        output = queue.paths.task(0).output
        wait_for(lambda: output.exists() and "starting" in output.read_text())
        pid = queue.task(0).state().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: has_pending(pid, signal.SIGTERM))
        os.kill(pid, signal.SIGCONT)

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted):
        runner.run(queue)
    row = read_rows(queue)[0]
    assert (row.word, row.crashes, row.reason) == ("preempted", 0, "stopped by SIGTERM")
    assert runner.run(Queue(queue.paths.folder))[0].word == "done"
    text = queue.paths.task(0).output.read_text()
    assert "resuming" in text or text.count(": starting") == 2, "the task may be stopped before its first checkpoint"
