"""Promise 1 with a few kills; in a process of its own, as one that has computed with TensorFlow must not be forked."""

import subprocess
import sys
from pathlib import Path
from typing import Sequence

import pytest

from tests.reliability import crash


@pytest.mark.parametrize(
    "part, share, commands", [("kills", 0.015, crash.COMMANDS), ("faults", 0.01, ("train", "cost build"))]
)
def test_a_killed_command_that_is_continued_ends_as_if_nothing_had_been(
    tmp_path: Path, part: str, share: float, commands: Sequence[str]
) -> None:
    words = [part, "--share", str(share), "--output", str(tmp_path / "out"), "--work", str(tmp_path)]
    words += [word for command in commands for word in ("--only", command)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.reliability", *words], cwd=str(crash.ROOT), check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("  command")]
    assert len(lines) == len(commands), done.stdout
