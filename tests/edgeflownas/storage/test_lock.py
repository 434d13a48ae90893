import fcntl
import functools
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, List

import psutil
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import lock as module
from edgeflownas.storage.lock import STALE_AFTER, heartbeat_age, held, locked
from edgeflownas.storage.process import machine, started
from tests.processes import ended, in_child


def hold(path: Path) -> int:
    """Start a process that holds a lock until it is killed."""

    def hold_lock() -> None:
        with locked(path, "it"):
            (path.parent / "held").touch()
            time.sleep(60)

    pid = in_child(hold_lock)
    while not (path.parent / "held").exists():
        time.sleep(0.005)
    (path.parent / "held").unlink()
    return pid


def write_foreign_lock(path: Path, **changes: Any) -> None:
    """Write a lock file of another machine."""
    path.write_text(json.dumps({"machine": "elsewhere boot pid:[1]", "pid": os.getpid(), "started": "1", **changes}))


def test_lock_file_exists_only_while_the_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "lock"
    for _ in range(2):
        with locked(path, "it"):
            assert path.exists()
        assert not path.exists()
    with pytest.raises(KeyError), locked(path, "it"):
        raise KeyError
    assert list(path.parent.iterdir()) == []


def test_second_process_is_refused_with_the_name_of_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    pid = hold(path)
    try:
        with pytest.raises(InputError, match=f"run demo: in use by process {pid} on "), locked(path, "run demo"):
            pytest.fail("two holders")
        assert path.exists()
    finally:
        os.kill(pid, signal.SIGKILL)
        ended(pid)


def test_second_lock_of_the_same_process_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "it"):
        with pytest.raises(InputError), locked(tmp_path / "lock", "it"):
            pytest.fail("two holders")
        assert (tmp_path / "lock").exists()


@pytest.mark.parametrize("reaped", [True, False])
def test_lock_of_a_killed_process_is_taken_over(tmp_path: Path, reaped: bool) -> None:
    path = tmp_path / "lock"
    pid = hold(path)
    os.kill(pid, signal.SIGKILL)
    if reaped:
        ended(pid)
    else:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with locked(path, "it") as lock:
        lock.beat()
    assert list(tmp_path.iterdir()) == []
    if not reaped:
        ended(pid)


def test_reused_process_number_does_not_hold_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path, machine=machine(), started="12")
    with locked(path, "it"):
        pass


@pytest.mark.parametrize("content", [None, "garbage", "[]", "5", '{"machine": 1}'])
def test_lock_of_another_machine_is_stale_without_a_heartbeat(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path)
    if content is not None:
        path.write_text(content)
    os.utime(path, (time.time() - STALE_AFTER + 60,) * 2)
    with pytest.raises(InputError, match="in use by"), locked(path, "it"):
        pytest.fail("two holders")
    os.utime(path, (time.time() - STALE_AFTER - 60,) * 2)
    with locked(path, "it"):
        pass


@pytest.mark.parametrize("ahead", [-86400.0, -300.0, 300.0, 86400.0])
def test_staleness_does_not_depend_on_the_clock_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    path, true = tmp_path / "lock", time.time
    monkeypatch.setattr(time, "time", lambda: true() + ahead)
    write_foreign_lock(path)
    os.utime(path, (true() - 30, true() - 30))
    assert held(path) and 25 < (heartbeat_age(path) or 0) < 60
    os.utime(path, (true() - STALE_AFTER - 60,) * 2)
    assert not held(path)


def test_heartbeat_far_in_the_future_is_no_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path)
    os.utime(path, (time.time() + 60,) * 2)
    assert held(path)
    os.utime(path, (time.time() + STALE_AFTER + 60,) * 2)
    assert not held(path), "otherwise the lock of a dead process would last until the clock has caught up"


def test_start_of_a_process_does_not_depend_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now, true = started(os.getpid()), psutil.boot_time
    jumps = iter([0.0, 3600.0])  # the clock is set between the first two readings
    shift = [0.0]

    def boot_time() -> float:
        shift[0] = next(jumps, shift[0])
        return true() + shift[0]

    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", boot_time)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600.0)
    assert started(os.getpid()) == now


def test_empty_lock_file_of_a_killed_process_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WRITING", 0.05)
    (tmp_path / "lock").touch()
    with locked(tmp_path / "lock", "it"):
        pass


def test_beat_refreshes_the_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "it") as lock:
        os.utime(path, (1, 1))
        lock.beat()
        assert time.time() - path.stat().st_mtime < 60


def test_beat_detects_a_lost_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "it") as lock:
        write_foreign_lock(path)
        with pytest.raises(InputError, match="lost its lock"):
            lock.beat()
    assert path.exists()
    path.unlink()
    with locked(path, "it") as lock:
        path.unlink()
        with pytest.raises(InputError, match="lost its lock"):
            lock.beat()


def test_new_lock_in_place_of_a_stale_one_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes find the same stale lock, and the first creates its own before the second continues."""
    path = tmp_path / "lock"

    def faster(*_: Any) -> bool:
        path.unlink()
        write_foreign_lock(path, pid=77)
        return True

    for where, name in ((module, "_stale"), (fcntl, "flock")):
        write_foreign_lock(path)
        os.utime(path, (1, 1))
        with monkeypatch.context() as patch:
            patch.setattr(where, name, faster)
            module._clear_away(path, "it")
        assert json.loads(path.read_text())["pid"] == 77
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def test_processes_that_find_the_same_stale_lock_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path)
    os.utime(path, (1, 1))

    def first() -> None:
        with path.open("r+") as stale:
            fcntl.flock(stale, fcntl.LOCK_EX)
            (tmp_path / "at it").touch()
            time.sleep(0.3)
            write_foreign_lock(tmp_path / "new", pid=77)
            os.replace(str(tmp_path / "new"), str(path))

    child = in_child(first)
    while not (tmp_path / "at it").exists():
        time.sleep(0.005)
    module._clear_away(path, "it")
    assert json.loads(path.read_text())["pid"] == 77
    assert ended(child) == 0


@pytest.mark.parametrize("flock", [True, False])
def test_only_one_of_many_processes_takes_over_a_stale_lock(
    tmp_path: Path, flock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process that takes the lock leaves a stale one, as if it had been killed; with and without flock."""
    if not flock:
        samestat = os.path.samestat

        def slowly(*arguments: Any) -> bool:
            same = samestat(*arguments)
            time.sleep(random.uniform(0, 0.01))  # gives other processes time to do the same
            return same

        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
        monkeypatch.setattr(os.path, "samestat", slowly)
    path, inside = tmp_path / "lock", tmp_path / "inside"

    def compete(number: int) -> None:
        random.seed(number)
        for _ in range(150 if flock else 50):
            try:
                with locked(path, "it"):
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another process holds the lock
                    time.sleep(0.001 if flock else 0.005)
                    inside.unlink()
                    dead = tmp_path / str(os.getpid())
                    write_foreign_lock(dead, machine=machine(), started="12")
                    os.replace(str(dead), str(path))
            except InputError:
                time.sleep(0.001)

    children: List[int] = [in_child(functools.partial(compete, number)) for number in range(4)]
    assert [ended(child) for child in children] == [0] * 4


def test_held_returns_whether_a_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not held(path)
    with locked(path, "it"):
        assert held(path)
    assert not held(path)
    write_foreign_lock(path)
    assert held(path)
    os.utime(path, (1, 1))
    assert not held(path)
    write_foreign_lock(path, stale_after=1e12)
    os.utime(path, (1, 1))
    assert held(path)


def set_slurm_job(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in ("CLUSTER_NAME", "JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


ELEMENT = {"CLUSTER_NAME": "lab", "JOB_ID": "14", "ARRAY_JOB_ID": "12", "ARRAY_TASK_ID": "2"}


def test_requeued_job_takes_over_its_lock_from_another_machine_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    set_slurm_job(monkeypatch, **ELEMENT)
    with locked(path, "it"):
        content = json.loads(path.read_text())
    assert content["job"] == ["lab", "12_2", 0]
    write_foreign_lock(path, job=content["job"])
    set_slurm_job(monkeypatch, **ELEMENT, RESTART_COUNT="1")
    with locked(path, "it"):
        assert json.loads(path.read_text())["job"] == ["lab", "12_2", 1]


@pytest.mark.parametrize(
    "holder, changes",
    [
        (["lab", "12_2", 0], {}),  # another step of the same start of the job
        (["lab", "12_2", 1], {"RESTART_COUNT": "1"}),
        (["lab", "12_2", 2], {"RESTART_COUNT": "1"}),  # this process belongs to the earlier start and is still alive
        (["lab", "12_3", 0], {"RESTART_COUNT": "1"}),
        (["lab", "11_2", 0], {"RESTART_COUNT": "1"}),
        (["other", "12_2", 0], {"RESTART_COUNT": "1"}),
        (None, {"RESTART_COUNT": "1"}),
        ("12_2", {"RESTART_COUNT": "1"}),
        (["lab", "12_2", "0"], {"RESTART_COUNT": "1"}),
        (["lab", "12_2", 0], {"RESTART_COUNT": "many"}),
    ],
)
def test_other_jobs_and_starts_do_not_take_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holder: Any, changes: Any
) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path, job=holder)
    set_slurm_job(monkeypatch, **{**ELEMENT, **changes})
    with pytest.raises(InputError, match="in use"), locked(path, "it"):
        pass


def test_requeued_job_does_not_take_over_from_a_living_process_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    set_slurm_job(monkeypatch, **ELEMENT)
    with locked(path, "it"):
        set_slurm_job(monkeypatch, **ELEMENT, RESTART_COUNT="1")
        with pytest.raises(InputError, match="in use"), locked(path, "it"):
            pass


def test_job_without_an_array_is_identified_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path, job=["", "14", 0])
    set_slurm_job(monkeypatch, JOB_ID="14", RESTART_COUNT="3")
    with locked(path, "it"):
        pass


def test_stale_lock_is_removed_a_minute_after_its_remover_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    write_foreign_lock(path)
    os.utime(path, (1, 1))
    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda self: None)  # as if the process had been killed before
        module._clear_away(path, "it")
    assert Path.unlink is unlink and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="other processes keep taking the lock"), locked(path, "it"):
        pytest.fail("removed at once")
    monkeypatch.setattr(module, "_REMOVING", -1.0)
    with locked(path, "it"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_lock_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused = pytest.raises(OSError, match="the search: the lock .* cannot be written: No space left.*free some space")
    with refused as error, locked(tmp_path / "lock", "the search"):
        pytest.fail("held")
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_held_works_in_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    write_foreign_lock(tmp_path / "lock")
    assert held(tmp_path / "lock")
    os.utime(tmp_path / "lock", (1, 1))
    assert not held(tmp_path / "lock")


def test_lock_that_can_no_longer_be_written_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    with locked(tmp_path / "lock", "the search") as lock, monkeypatch.context() as patch:
        patch.setattr(os, "utime", refuse)
        with pytest.raises(OSError, match="the search: the lock .* cannot be written: Read-only file system; .*intact"):
            lock.beat()


def test_heartbeat_without_support_for_setting_times_is_a_write_of_the_same_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    with locked(path, "it") as lock, monkeypatch.context() as patch:
        content = path.read_text()
        os.utime(str(path), (1, 1))

        def refuse(*_: Any) -> None:
            raise OSError(1, "Operation not permitted")

        patch.setattr(os, "utime", refuse)
        lock.beat()
        assert path.read_text() == content and path.stat().st_mtime > 1


def test_lock_below_a_file_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    refused = pytest.raises(OSError, match="run x: the lock .*README.md/lock cannot be written: .*name another place")
    with refused, locked(tmp_path / "README.md" / "lock", "run x"):
        pytest.fail("held")
