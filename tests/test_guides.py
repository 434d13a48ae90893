"""The guides, followed as they are written, with a smaller configuration of the same name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
import yaml

from edgeflownas.hardware.vela import default_command
from tests.search.queue.cluster import find_obstacle, running_cluster
from tests.test_extending import COPIED, code_blocks

ROOT = Path(__file__).parents[1]
VELA = ROOT / default_command()
SMALL: Dict[str, Dict[str, Any]] = {
    "data": {"train_pairs": 16, "val_pairs": 4},
    "evaluation": {"calibration_pairs": 4},
    "evolution": {"generations": 1},
}
TRAIN = {"epochs": 1, "warmup_steps": 0}
# Stands for rsync between two machines, which are folders here; options are ignored.
RSYNC = """#!/bin/sh
from=${2#cluster:} to=${3#cluster:}
[ "$from" = "$2" ] || from=$CLUSTER/$from
[ "$to" = "$3" ] || to=$CLUSTER/$to
mkdir -p "$to" && cp -a "$from." "$to"
"""


class Machine:
    """A machine on which a reader follows a guide.

    Attributes:
        folder: Folder in which the commands are run.
        environment: Environment variables of the commands.
    """

    def __init__(self, folder: Path, environment: Dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.environment = folder, environment

    def follow(self, kind: str, content: str) -> str:
        """Run a block of shell commands or of Python, and return its output."""
        command = {"sh": ["bash", "-euc", content], "python": [sys.executable, "-c", content]}[kind]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture()
def laptop(tmp_path: Path) -> Iterator[Machine]:
    """Provide a copy of the repository with a smaller demo, and the program on the path."""
    copy, programs = tmp_path / "laptop", tmp_path / "bin"
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(str(ROOT / folder), str(copy / folder), symlinks=True, ignore=ignored)
    path = copy / "configs" / "demo.yaml"
    content = yaml.safe_load(path.read_text())
    for section, changes in SMALL.items():
        content[section].update(changes)
    content["queue"].update(size=2, train={**content["queue"]["train"], **TRAIN})
    path.write_text(yaml.safe_dump(content))
    if (ROOT / ".venv-vela").exists():
        (copy / ".venv-vela").symlink_to(ROOT / ".venv-vela")
    programs.mkdir()
    for name, text in {
        "edgeflownas-search": f'#!/bin/sh\nPYTHONPATH="{copy}" exec "{sys.executable}" -m search "$@"\n',
        "rsync": RSYNC,
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    yield Machine(copy, {
        **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(copy), "PYTHONWARNINGS": "ignore",
        "CLUSTER": str(tmp_path / "cluster"),
    })  # fmt: skip


@pytest.mark.skipif(not VELA.exists(), reason="needs Vela: make env")
@pytest.mark.timeout(1800)
def test_guide_from_clone_to_board(laptop: Machine) -> None:
    page = (ROOT / "docs" / "clone_to_board.md").read_text(encoding="utf-8")
    kinds = []
    for kind, content in code_blocks(page):
        laptop.follow(kind, content)
        kinds.append(kind)
    assert kinds == ["sh", "sh", "sh", "python"]
    named = {"README.md", "io.json", "network_vela.tflite", "network.h", "sample_0_input.bin", "network.tflite"}
    assert all(f"`{name}`" in page for name in named)
    assert named <= {path.name for path in (laptop.folder / "results/demo/firmware").iterdir()}


@pytest.mark.skipif(find_obstacle() is not None, reason=f"Slurm cannot be started: {find_obstacle()}")
@pytest.mark.skipif(not VELA.exists(), reason="needs Vela: make env")
@pytest.mark.timeout(1800)
def test_guide_from_laptop_to_cluster(laptop: Machine, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "laptop_to_cluster.md").read_text(encoding="utf-8")
    with running_cluster() as cluster:
        cluster_environment = {**laptop.environment, "SLURM_CONF": cluster.environment["SLURM_CONF"]}
        login = Machine(tmp_path / "cluster" / "nas", cluster_environment)
        for section in page.split("\n## ")[1:]:
            machine = login if section.startswith("On the login node") else laptop
            for kind, content in code_blocks(section):
                machine.follow(kind, content)
    assert (laptop.folder / "results/demo/report.html").is_file()
    final = (laptop.folder / "results/demo/final_front.csv").read_text().splitlines()
    assert len(final) == 3
