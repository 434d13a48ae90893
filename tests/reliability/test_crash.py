"""Promises 1 and 2 of whole commands, a few times; in a process that has not computed with TensorFlow, to be forked."""

import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

import pytest

from tests.reliability import crash, going_back


def done(tmp_path: Path, part: str, share: float, commands: Sequence[str]) -> List[str]:
    """Does a part of all for some commands; gives their figures, a line each."""
    words = [part, "--share", str(share), "--output", str(tmp_path / "out"), "--work", str(tmp_path)]
    words += [word for command in commands for word in ("--only", command)]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.reliability", *words], cwd=str(crash.ROOT), check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-4000:]
    lines = [line for line in ended.stdout.splitlines() if line.startswith("  command")]
    assert len(lines) == len(commands), ended.stdout
    return lines


@pytest.mark.parametrize(
    "part, share, commands", [("kills", 0.015, crash.COMMANDS), ("faults", 0.01, ("train", "cost build"))]
)
def test_a_killed_command_that_is_continued_ends_as_if_nothing_had_been(
    tmp_path: Path, part: str, share: float, commands: Sequence[str]
) -> None:
    done(tmp_path, part, share, commands)


def test_a_command_whose_last_files_are_damaged_goes_on_from_those_before(tmp_path: Path) -> None:
    done(tmp_path, "back", 0.1, tuple(going_back.FILES))
