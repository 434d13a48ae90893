"""Real worker processes, some of which are killed."""

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

from edgeflownas.process_pool import ATTEMPTS, ProcessPool

SLEEPS_WITH_WORKERS = """
import os, sys, time
from edgeflownas.process_pool import ProcessPool
if __name__ == "__main__":
    with ProcessPool(2) as pool:
        print(*(future.result() for future in [pool.submit(os.getpid) for _ in range(2)]), flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    with ProcessPool(2, [3, 5]) as executor:
        yield executor


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids(pool: ProcessPool) -> Set[int]:
    """Process IDs of both workers: the calls take long enough that one worker cannot execute them all."""
    futures = [pool.submit(time.sleep, 0.3) for _ in range(4)]
    concurrent.futures.wait(futures)
    return {process.pid for process in multiprocessing.active_children() if process.pid is not None}


def test_each_worker_has_its_own_device(pool: ProcessPool) -> None:
    command = ["sh", "-c", "sleep 0.3; echo $CUDA_VISIBLE_DEVICES"]
    futures = [pool.submit(subprocess.check_output, command) for _ in range(4)]
    assert {future.result() for future in futures} == {b"3\n", b"5\n"}


def test_workers_call_the_initializer_first() -> None:
    with ProcessPool(1, initializer=os.putenv, initargs=("EDGEFLOWNAS_SET", "1")) as pool:
        assert pool.submit(subprocess.check_output, ["sh", "-c", "echo $EDGEFLOWNAS_SET"]).result() == b"1\n"


def test_workers_ignore_the_signals_that_interrupt_a_command(pool: ProcessPool) -> None:
    before = pids(pool)
    for pid in before:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(pid, signum)
    assert pids(pool) == before


def test_killed_worker_is_replaced_and_the_other_worker_continues(
    pool: ProcessPool, capsys: pytest.CaptureFixture
) -> None:
    before = pids(pool)
    futures = [pool.submit(time.sleep, 1.0) for _ in range(2)]
    victim = min(before)
    time.sleep(0.2)
    os.kill(victim, signal.SIGKILL)
    for future in futures:
        future.result()
    after = pids(pool)
    assert before - after == {victim} and len(after) == 2
    assert capsys.readouterr().err.count("a worker was killed") == 1


def test_worker_killed_while_idle_is_replaced(pool: ProcessPool) -> None:
    before = pids(pool)
    os.kill(min(before), signal.SIGKILL)
    after = pids(pool)
    assert len(after) == 2 and len(before & after) == 1


def test_call_that_kills_every_worker_fails_and_other_calls_succeed(
    pool: ProcessPool, capsys: pytest.CaptureFixture
) -> None:
    deadly, harmless = pool.submit(os._exit, 1), [pool.submit(time.sleep, 0.1) for _ in range(10)]
    with pytest.raises(BrokenProcessPool):
        deadly.result()
    assert capsys.readouterr().err.count("a worker was killed") == ATTEMPTS - 1
    for future in harmless:
        assert future.result() is None
    assert pool.submit(os.getppid).result() == os.getpid()


def test_exceptions_of_calls_are_passed_on(pool: ProcessPool) -> None:
    with pytest.raises(FileNotFoundError):
        pool.submit(os.stat, "/no/such/file").result()


def test_shutdown_does_not_wait_for_calls() -> None:
    with ProcessPool(2) as executor:
        others = {process.pid for process in multiprocessing.active_children()}
        futures = [executor.submit(os.getpid) for _ in range(2)]
        children = {future.result() for future in futures} - others
        futures = [executor.submit(time.sleep, 600) for _ in range(4)]
        time.sleep(0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert not any(alive(pid) for pid in children)
    assert all(future.done() for future in futures)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SLEEPS_WITH_WORKERS)
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
