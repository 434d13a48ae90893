"""Submitting and cancelling with fakes of Slurm's commands; ``test_slurm`` uses the real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from edgeflownas.config import ClusterConfig
from edgeflownas.errors import InputError
from edgeflownas.storage import record
from edgeflownas.storage.files import read_json
from edgeflownas.storage.lock import locked
from search.queue import control, runner, submit, watch
from search.queue.build import build
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from search.queue.retrain import retrain
from search.queue.status import format_remarks, read_row, read_rows, render_table
from search.queue.watch import Overview
from tests.search.queue.small import FRONT, small_archive, small_queue, small_run, start_python, wait_for
from tests.search.queue.test_claim import WORKER

CONFIG = ClusterConfig(throttle=2)
Slurm = Callable[..., List[str]]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return small_queue(tmp_path)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Put fakes of Slurm's commands on the PATH; the function sets their bodies and returns the calls so far."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def answer(**bodies: str) -> List[str]:
        for name, body in {"sbatch": "echo 12", "squeue": "true", "scancel": "true", **bodies}.items():
            (folder / name).write_text(f'#!/bin/bash\necho "{name} $@" >> {folder}/called\n{body}\n')
            (folder / name).chmod(0o755)
        return (folder / "called").read_text().splitlines() if (folder / "called").exists() else []

    answer()
    return answer


def squeue_output(*elements: str) -> str:
    return "; ".join(f"echo '{element}'" for element in elements) or "true"


def start(queue: Queue, index: int, **fields: Any) -> None:
    with hold_claim(queue.task(index)) as claim:
        claim.begin()
        claim.change(**fields)


def test_waiting_tasks_are_submitted_and_recorded(queue: Queue, slurm: Slurm) -> None:
    start(queue, 1, state="done")
    assert submit.submit(queue, CONFIG) == "12"
    path = queue.paths.script.resolve()
    assert f"sbatch --parsable --array=0,2%2 {path}" in slurm()
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    jobs = record.read(queue.paths.submissions)["jobs"]
    assert [(job["job"], job["tasks"]) for job in jobs] == [("12", [0, 2])]
    assert submit.read_submitted(queue.paths) == {0: "12_0", 2: "12_2"}


def test_task_in_slurm_is_not_submitted_again(queue: Queue, slurm: Slurm) -> None:
    slurm(squeue=squeue_output("12|0|RUNNING|None", "12|2|PENDING|Priority", "12|N/A|PENDING|Priority"))
    assert submit.submit(queue, CONFIG) == "12"
    all_three = squeue_output("12|0|RUNNING|None", "12|1|REQUEUED|None", "12|2|PENDING|Priority")
    assert slurm(squeue=all_three)[-1].startswith("sbatch --parsable --array=1%2 ")
    assert submit.submit(queue, CONFIG) is None
    assert sum(line.startswith("sbatch") for line in slurm()) == 1


def test_task_that_runs_on_this_machine_is_not_submitted(queue: Queue, slurm: Slurm) -> None:
    with hold_claim(queue.task(0)) as claim:
        claim.begin()
        submit.submit(queue, CONFIG)
    assert any("--array=1-2%2" in line for line in slurm())


def test_dead_and_preempted_tasks_are_submitted_again_but_failed_ones_are_not(queue: Queue, slurm: Slurm) -> None:
    start(queue, 0, state="running")  # its process has died
    start(queue, 1, state="preempted")
    start(queue, 2, state="failed")
    submit.submit(queue, CONFIG)
    assert any("--array=0-1%2" in line for line in slurm())


@pytest.mark.parametrize(
    "bodies, said",
    [
        ({"squeue": "echo 'squeue: error: no controller' >&2; exit 1"}, "no controller; `queue submit --dry-run`"),
        ({"sbatch": "echo 'sbatch: error: invalid partition' >&2; exit 1"}, "invalid partition; correct the section"),
        ({"sbatch": "echo Welcome"}, "printed no job number"),
        ({"sbatch": "exit 3"}, "exit code 3"),
    ],
)
def test_refusal_by_slurm_is_reported_in_one_line_and_nothing_is_recorded(
    queue: Queue, slurm: Slurm, bodies: Dict[str, str], said: str
) -> None:
    slurm(**bodies)
    with pytest.raises(InputError, match=said) as refused:
        submit.submit(queue, CONFIG)
    assert "\n" not in str(refused.value)
    assert not queue.paths.submissions.exists() and not queue.paths.submitting.exists()


def test_missing_slurm_is_reported_and_the_script_can_still_be_written(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="squeue: .* is Slurm installed on this machine.*--dry-run"):
        submit.submit(queue, CONFIG)
    text = submit.write_script(queue, CONFIG)
    assert queue.paths.script.read_text() == text
    assert [row.word for row in Overview(queue).rows()] == ["queued"] * 3
    control.cancel(queue, [0])
    assert read_row(queue, 0).word == "failed"


def test_every_edited_script_is_kept(queue: Queue, capfd: pytest.CaptureFixture[str]) -> None:
    text = submit.write_script(queue, CONFIG)
    assert submit.write_script(queue, CONFIG) == text and capfd.readouterr().err == ""
    for number in (1, 2):
        queue.paths.script.write_text(f"{text}# mine {number}\n")
        submit.write_script(queue, CONFIG)
        assert f"is now submit.sbatch.{number}" in capfd.readouterr().err
    assert queue.paths.script.read_text() == text
    for number in (1, 2):
        kept = queue.paths.script.with_name(f"submit.sbatch.{number}")
        assert kept.read_text() == f"{text}# mine {number}\n"


@pytest.mark.parametrize("begun", [True, False])
def test_queue_with_jobs_in_slurm_is_not_replaced(queue: Queue, tmp_path: Path, slurm: Slurm, begun: bool) -> None:
    run = small_run(tmp_path, size=2)
    submit.submit(queue, CONFIG)
    if begun:
        start(queue, 2, state="preempted")
    slurm(squeue=squeue_output("12|2|PENDING|Dependency"))
    message = "job 12_2 is still in Slurm .pending, Dependency.; cancel it first with `queue cancel --all`"
    with pytest.raises(InputError, match=message) as refused:
        build(run, small_archive(run), FRONT, rebuild=begun)
    assert "\n" not in str(refused.value) and Queue(queue.paths.folder).file.tasks == 3
    slurm()
    assert build(run, small_archive(run), FRONT, rebuild=begun).file.tasks == 2


def test_queue_that_is_being_submitted_is_not_replaced(queue: Queue, tmp_path: Path, slurm: Slurm) -> None:
    run = small_run(tmp_path, size=2)
    refusal = pytest.raises(InputError, match="`queue submit` is still running")
    with locked(queue.paths.submitting, "submission"), refusal:
        build(run, small_archive(run), FRONT, rebuild=True)


def test_queue_is_replaced_with_a_warning_when_slurm_does_not_answer(
    queue: Queue, tmp_path: Path, slurm: Slurm, capfd: pytest.CaptureFixture[str]
) -> None:
    run = small_run(tmp_path, size=2)
    submit.submit(queue, CONFIG)
    slurm(squeue="echo 'squeue: error: no controller' >&2; exit 1")
    build(run, small_archive(run), FRONT, rebuild=True)
    assert "no controller; jobs of the existing queue end as soon as" in capfd.readouterr().err


def test_element_of_a_replaced_queue_starts_nothing(queue: Queue, tmp_path: Path, slurm: Slurm) -> None:
    """Runs the batch script itself, of which Slurm keeps a copy from the time of submission."""
    submit.submit(queue, CONFIG)
    script = tmp_path / "slurm_script"
    script.write_text(queue.paths.script.read_text())
    run = small_run(tmp_path, size=2)
    rebuilt = build(run, small_archive(run), FRONT, rebuild=True)
    before = rebuilt.paths.task(1).state.read_bytes()
    variables = {**os.environ, "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_ID": "13"}
    done = subprocess.run(
        ["bash", str(script)], check=False, cwd=str(Path(__file__).parents[3]), env=variables, timeout=120,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "was rebuilt after this job was submitted" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert rebuilt.paths.task(1).state.read_bytes() == before and not rebuilt.paths.task(1).killed.exists()
    assert not any(line.startswith("scontrol") for line in slurm())


def test_submit_reports_that_a_second_array_has_its_own_throttle(
    queue: Queue, slurm: Slurm, capfd: pytest.CaptureFixture[str]
) -> None:
    submit.submit(queue, CONFIG)
    assert "beside" not in capfd.readouterr().err
    slurm(squeue=squeue_output("12|0|RUNNING|None"))
    submit.submit(queue, CONFIG)
    assert "up to 2 of these tasks run beside those already there" in capfd.readouterr().err


def test_status_waits_three_seconds_for_slurm_and_reports_that_once(
    queue: Queue, slurm: Slurm, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch._SLURM_TIMEOUT == 3.0
    monkeypatch.setattr(watch, "_SLURM_TIMEOUT", 0.3)
    submit.submit(queue, CONFIG)
    slurm(squeue="exec sleep 30")
    overview, began = Overview(queue), time.monotonic()
    assert [row.word for row in overview.rows()] == ["queued"] * 3
    assert time.monotonic() - began < 15.0
    monkeypatch.setattr(watch, "_SLURM_POLL", 0.0)
    overview.rows()
    assert capfd.readouterr().err.count("squeue: Slurm has not answered for") == 1


def test_damaged_record_of_submissions_prevents_a_submission(queue: Queue, slurm: Slurm) -> None:
    record.write(queue.paths.submissions, {"jobs": [{"job": "12; id"}]})
    with pytest.raises(InputError, match="submitted.json: jobs.0.job"):
        submit.submit(queue, CONFIG)
    assert not any(line.startswith("sbatch") for line in slurm())


def test_status_shows_slurm_states_and_jobs_that_are_gone(queue: Queue, slurm: Slurm) -> None:
    submit.submit(queue, CONFIG)
    queue.task(1).paths.output.write_text("module: command not found\n")
    slurm(squeue=squeue_output("12|0|PENDING|JobArrayTaskLimit", "12|2|PENDING|AssocGrpGRES"))
    rows = Overview(queue).rows()
    assert [(row.job, row.slurm) for row in rows] == [
        ("12_0", "pending"), ("12_1", "gone"), ("12_2", "pending, AssocGrpGRES"),
    ]  # fmt: skip
    assert format_remarks(rows) == [
        "task 1, queued: Slurm no longer has job 12_1; submit the task again with `queue submit`",
        "    module: command not found",
    ]
    slurm(squeue="exit 1")
    assert [(row.job, row.slurm) for row in Overview(queue).rows()] == [(f"12_{index}", None) for index in range(3)]


def test_table_fits_80_columns(queue: Queue) -> None:
    from rich.console import Console

    start(
        queue, 0, state="running", job="12345678_0", host="node1234", crashes=1, step=10, steps=10**6, rate=0.5,
        epoch=123, best_epe=12.345,
    )  # fmt: skip
    console = Console(width=80)
    with console.capture() as captured:
        console.print(render_table(read_rows(queue)))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    for word in ("222222222", "dead", "123/2", "12.345", "node1234"):
        assert any(word in line for line in lines)


def test_cancelled_task_is_not_started_until_it_is_retried(queue: Queue, slurm: Slurm) -> None:
    submit.submit(queue, CONFIG)
    slurm(squeue=squeue_output("12|0|PENDING|Priority", "12|1|PENDING|Priority"))
    control.cancel(queue, [1, 2])
    assert slurm()[-1] == "scancel 12_1", "the other task is not in Slurm"
    assert [read_row(queue, index).word for index in queue.indices] == ["queued", "failed", "failed"]
    assert read_row(queue, 1).reason == "cancelled"
    assert retrain(queue.task(1)) == "failed" and queue.task(1).state().attempts == 0
    control.retry(queue, [1])
    state = queue.task(1).state()
    assert (state.state, state.crashes, state.reason) == ("queued", 0, None) and not queue.task(1).cancelled


def test_process_of_a_cancelled_task_saves_and_stops(
    queue: Queue, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file in the task's folder suffices, whatever Slurm does."""
    from edgeflownas.training.child import ChildStep
    from search.queue import claim

    step, done = ChildStep.run, []
    monkeypatch.setattr(claim, "HEARTBEAT", 0.02)

    def slow(*arguments: Any) -> float:
        done.append(step(*arguments))
        if len(done) == 3:
            control.cancel(queue, [2])
            flag: Any = signal.getsignal(signal.SIGTERM)
            wait_for(lambda: flag.__self__)
        return done[-1]

    monkeypatch.setattr(ChildStep, "run", slow)
    assert retrain(queue.task(2)) == "failed"
    state = queue.task(2).state()
    assert (state.reason, state.step, state.crashes) == ("cancelled", 3, 0)
    control.retry(queue, [2])
    assert retrain(queue.task(2)) == "done" and len(done) == 8, "it resumed where it stopped"


def test_finished_task_cannot_be_cancelled_or_retried(queue: Queue, slurm: Slurm) -> None:
    start(queue, 0, state="done")
    control.cancel(queue, queue.indices)
    assert [read_row(queue, index).word for index in queue.indices] == ["done", "failed", "failed"]
    with pytest.raises(InputError, match="task 0: is done; only failed"):
        control.retry(queue, [1, 0])
    assert read_row(queue, 1).word == "failed", "no task is changed"


def test_damaged_task_prevents_a_cancellation(queue: Queue, slurm: Slurm) -> None:
    queue.task(1).paths.state.write_text("{")
    with pytest.raises(InputError, match="state.json.*nothing was cancelled"):
        control.cancel(queue, [0, 1])
    assert not queue.task(0).cancelled


def test_runner_ignores_cancelled_tasks(queue: Queue, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    control.cancel(queue, queue.indices)
    monkeypatch.setattr(runner, "build_command", lambda folder, index: [sys.executable, "-c", "1/0"])
    assert [row.word for row in runner.run(queue)] == ["failed"] * 3


def test_killed_task_is_dead_and_waits_to_be_run(queue: Queue) -> None:
    worker = start_python(WORKER, str(queue.paths.folder), stdout=subprocess.PIPE)
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "begun\n"
        content = read_json(queue.task(0).paths.claim)
        assert read_row(queue, 0).word == "running" and content["job"] is None
    finally:
        worker.kill()
        worker.wait()
    assert read_row(queue, 0).word == "dead" and read_row(queue, 0).to_do
    assert json.loads(queue.task(0).paths.state.read_text())["state"] == "running"
