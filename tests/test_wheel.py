"""The wheel, installed in an environment of its own and used from an empty folder."""

import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import List

import pytest

from edgeflownas.hardware.vela import default_command

ROOT = Path(__file__).parents[1]
BUILD = ("pyproject.toml", "edgeflownas", "search", "supernet", "configs", "results/reference/demo")
LARGEST = 15 << 20  # bytes
SHORT = [
    f"--set={setting}"
    for setting in ("evolution.generations=1", "evaluation.val_pairs=4", "evaluation.calibration_pairs=4")
]


def call(*command: object, folder: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `make dist` does, from a copy, so that the checkout is left as it is."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in BUILD:
        source, target = ROOT / name, copy / name
        if source.is_dir():
            shutil.copytree(str(source), str(target), symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(str(source), str(target))
    options = next(line for line in (ROOT / "Makefile").read_text().splitlines() if " wheel -q " in line)
    call(sys.executable, *options.split()[1:], folder=copy)
    (path,) = (copy / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a new environment, which borrows the dependencies of the running one."""
    environment = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return environment / "bin" / "edgeflownas-search"


def test_wheel_is_small_and_contains_every_configuration_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(str(wheel)).namelist()
    shipped = {f"edgeflownas/shipped/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.*")}
    assert len(shipped) > 15 and shipped <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"edgeflownas", "search", "supernet"}
    assert wheel.stat().st_size < LARGEST


def test_installed_program_searches_by_the_name_of_a_configuration(program: Path, tmp_path: Path) -> None:
    vela = ROOT / default_command()
    options: List[object] = [f"--set=hardware.vela={vela}"] if vela.exists() else ["--set=hardware.compile_front=false"]
    result = json.loads(call(program, "evolve", "--config", "demo", *SHORT, *options, "--json", folder=tmp_path))
    assert result["weights"] == "results/reference/demo/supernet.h5" and result["scored"] > 100
    written = (tmp_path / "results/demo/config.yaml").read_text()
    assert "\n  board: configs/hardware/grove_vision_ai_v2.yaml\n" in written and "site-packages" not in written
    again = call(program, "evolve", "--config", "results/demo/config.yaml", "--json", folder=tmp_path)
    assert json.loads(again)["front"] == result["front"]
    call(program, "report", "results/demo", folder=tmp_path)
    assert (tmp_path / "results/demo/report.html").is_file()
