"""Promises 1 and 2 for whole commands with few inputs, in a new process, as TensorFlow cannot be used after a fork."""

import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

import pytest

from tests.reliability import crash, going_back


def run_part(tmp_path: Path, part: str, share: float, commands: Sequence[str]) -> List[str]:
    """Run a part of the tests for some commands, and return a line of figures for each."""
    arguments = [part, "--share", str(share), "--output", str(tmp_path / "out"), "--work", str(tmp_path)]
    arguments += [word for command in commands for word in ("--only", command)]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.reliability", *arguments], cwd=str(crash.ROOT), check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout[-4000:]
    lines = [line for line in process.stdout.splitlines() if line.startswith("  command")]
    assert len(lines) == len(commands), process.stdout
    return lines


@pytest.mark.parametrize(
    "part, share, commands", [("kills", 0.015, crash.COMMANDS), ("faults", 0.01, ("train", "cost build"))]
)
def test_killed_command_resumes_and_ends_as_without_the_kill(
    tmp_path: Path, part: str, share: float, commands: Sequence[str]
) -> None:
    run_part(tmp_path, part, share, commands)


def test_command_with_damaged_files_resumes_from_the_previous_ones(tmp_path: Path) -> None:
    run_part(tmp_path, "back", 0.1, tuple(going_back.FILES))
