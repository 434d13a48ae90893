"""Processes that are started in a folder with modules named like those of Python or of the project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.queue.runner import build_command

NAMES = (
    "search", "edgeflownas", "supernet", "random", "yaml", "types", "socket", "pickle", "queue", "numpy", "click",
    "multiprocessing", "tempfile", "runpy",
)  # fmt: skip


@pytest.fixture()
def hostile(tmp_path: Path) -> Path:
    """Return a folder with modules that leave a trace when they are imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open('{name} was imported', 'w')\nraise SystemExit(0)\n")
    return tmp_path


def traces(folder: Path) -> set:
    return {path.name for path in folder.iterdir()} - {f"{name}.py" for name in NAMES} - {"__pycache__"}


def test_task_is_started_in_any_folder(hostile: Path) -> None:
    done = subprocess.run(
        build_command(Path("no queue"), 0), check=False, cwd=str(hostile), capture_output=True, text=True
    )
    assert done.returncode == 2 and "edgeflownas-search: queue no queue:" in done.stderr
    assert traces(hostile) == set()


def test_workers_are_started_in_any_folder(hostile: Path) -> None:
    root = Path(__file__).parents[3]
    code = f"""
import sys
sys.path[0] = {str(root)!r}
from edgeflownas.process_pool import ProcessPool
from edgeflownas.network.space import Space
pool = ProcessPool(1)
print(pool.submit(eval, "__import__('random').__file__ + __import__('edgeflownas').__file__").result())
pool.shutdown()
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=str(hostile), capture_output=True, text=True)
    assert str(hostile) not in done.stdout and "random.py" in done.stdout, done.stderr
    assert traces(hostile) == set()


def test_module_started_by_its_name_sees_the_working_folder_last(hostile: Path) -> None:
    for name in ("search", "edgeflownas", "supernet", "runpy"):  # found before the module is started
        (hostile / f"{name}.py").unlink()
    root = str(Path(__file__).parents[3])
    variables = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-m", "search", "queue", "status", "--config", "no.yaml"], check=False, cwd=str(hostile),
        env=variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "no.yaml" in done.stderr, done.stderr
    assert traces(hostile) == set()
