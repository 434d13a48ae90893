"""Real processes that compute, and are killed."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Iterator, Set

import pytest

from search.workers.processes import ATTEMPTS, Processes

SLEEPS_IN_WORKERS = """
import os, sys, time
from search.workers.processes import Processes
if __name__ == "__main__":
    with Processes(2, []) as processes:
        print(*(future.result() for future in [processes.submit(os.getpid) for _ in range(2)]), flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2, [3, 5]) as executor:
        yield executor


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids(processes: Processes) -> Set[int]:
    """Of both: one cannot take all of several pieces of work that take a while."""
    futures = [processes.submit(time.sleep, 0.3) for _ in range(4)]
    concurrent.futures.wait(futures)
    return {process.pid for process in multiprocessing.active_children() if process.pid is not None}


def test_each_process_has_its_own_device(processes: Processes) -> None:
    says = ["sh", "-c", "sleep 0.3; echo $CUDA_VISIBLE_DEVICES"]
    futures = [processes.submit(subprocess.check_output, says) for _ in range(4)]
    assert {future.result() for future in futures} == {b"3\n", b"5\n"}


def test_polite_signals_are_for_the_first_process(processes: Processes) -> None:
    before = pids(processes)
    for pid in before:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(pid, signum)
    assert pids(processes) == before


def test_a_killed_process_is_replaced_and_the_other_works_on(
    processes: Processes, capsys: pytest.CaptureFixture
) -> None:
    before = pids(processes)
    futures = [processes.submit(time.sleep, 1.0) for _ in range(2)]
    victim = min(before)
    time.sleep(0.2)
    os.kill(victim, signal.SIGKILL)
    for future in futures:
        future.result()
    after = pids(processes)
    assert before - after == {victim} and len(after) == 2
    assert capsys.readouterr().err.count("a worker was killed") == 1


def test_a_process_killed_while_idle_is_replaced(processes: Processes) -> None:
    before = pids(processes)
    os.kill(min(before), signal.SIGKILL)
    after = pids(processes)
    assert len(after) == 2 and len(before & after) == 1


def test_work_that_kills_every_process_ends_and_other_work_goes_on(
    processes: Processes, capsys: pytest.CaptureFixture
) -> None:
    deadly, harmless = processes.submit(os._exit, 1), [processes.submit(time.sleep, 0.1) for _ in range(10)]
    with pytest.raises(BrokenProcessPool):
        deadly.result()
    assert capsys.readouterr().err.count("a worker was killed") == ATTEMPTS - 1
    for future in harmless:
        assert future.result() is None
    assert processes.submit(os.getppid).result() == os.getpid()


def test_errors_of_the_work_are_passed_on(processes: Processes) -> None:
    with pytest.raises(FileNotFoundError):
        processes.submit(os.stat, "/no/such/file").result()


def test_the_end_does_not_wait_for_work() -> None:
    with Processes(2, []) as executor:
        others = {process.pid for process in multiprocessing.active_children()}
        futures = [executor.submit(os.getpid) for _ in range(2)]
        children = {future.result() for future in futures} - others
        futures = [executor.submit(time.sleep, 600) for _ in range(4)]
        time.sleep(0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert not any(alive(pid) for pid in children)
    assert all(future.done() for future in futures)


def test_workers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SLEEPS_IN_WORKERS)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, universal_newlines=True)
    assert parent.stdout is not None
    children = {int(word) for word in parent.stdout.readline().split()}
    assert all(alive(pid) for pid in children)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while any(alive(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)
