import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List

import pytest

from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.pool import Pool
from edgeflownas.network.space import Architecture
from edgeflownas.signals import Interrupted, stop_flag
from tests.edgeflownas.hardware.tiny import HEIGHT, ROOT, TINY, VELA, WIDTH, grove

NETWORKS = Networks(TINY, HEIGHT, WIDTH)
_HANGING = "#!/bin/bash\n[ $1 = --version ] && echo 5.2.0 && exit\necho $$ >>{pids}\nexec sleep 60\n"


def hanging_vela(folder: Path) -> str:
    """Write a stand-in for Vela that never ends and records its process ID."""
    path = folder / "vela"
    path.write_text(_HANGING.format(pids=folder / "pids"))
    path.chmod(0o755)
    return str(path)


def pids(folder: Path) -> List[int]:
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_pool_returns_the_compilers_entries_and_starts_no_process_for_cached_ones(tmp_path: Path) -> None:
    compiler = Compiler(grove(), VELA, 120.0, tmp_path)
    expected = compiler.inspect(NETWORKS, (1, 0))
    done: List[Architecture] = []
    with Pool([compiler], NETWORKS, 1) as pool:
        assert pool.compile([(1, 0)], done.append) == {(1, 0): [expected]}
        assert pool._processes is None
        entries = pool.compile([(2, 1), (1, 0)], done.append)
        assert list(entries) == [(2, 1), (1, 0)]
        assert entries[2, 1] == [compiler.find_cached(NETWORKS, (2, 1))]
        assert pool._processes is not None
    assert sorted(done) == [(1, 0), (1, 0), (2, 1)]


def test_signal_stops_a_waiting_pool(tmp_path: Path) -> None:
    compiler = Compiler(grove(), hanging_vela(tmp_path), 1.0, tmp_path)
    with stop_flag(), pytest.raises(Interrupted), Pool([compiler], NETWORKS, 1) as pool:
        os.kill(os.getpid(), signal.SIGTERM)
        pool.compile([(1, 0), (2, 0)], lambda architecture: None)


def test_compiling_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = f"""
if __name__ == "__main__":
    from pathlib import Path
    from tests.edgeflownas.hardware.test_pool import *
    compiler = Compiler(grove(), {hanging_vela(tmp_path)!r}, 60.0, Path({str(tmp_path)!r}))
    with Pool([compiler], NETWORKS, 1) as pool:
        pool.compile([(1, 0)], print)
"""
    path = tmp_path / "main.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(path)], cwd=str(ROOT), env=environment, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: bool(pids(tmp_path)), 60.0)
        (vela,) = pids(tmp_path)
        worker = int(Path(f"/proc/{vela}/stat").read_text().rsplit(")", 1)[1].split()[1])
        process.kill()
        process.wait()
        _until(lambda: not Path(f"/proc/{worker}").exists(), 10.0)
    finally:
        process.kill()
        for pid in pids(tmp_path):
            os.kill(pid, signal.SIGKILL)


def _until(true: "object", seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)
