"""The examples of docs/extending.md, run as they are written, in a copy of the repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from edgeflownas.hardware.vela import default_command

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = {part.splitlines()[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
COPIED = ("edgeflownas", "supernet", "search", "configs", "results/reference/demo")
VELA = ROOT / default_command()
PROGRAM = [sys.executable, "-m", "search"]


def code_blocks(section: str) -> Iterator[Tuple[str, str]]:
    """Yield the language and the content of each block of code."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(2)


def apply(copy: Path, diff: str) -> None:
    """Apply each change where its old lines occur, which must be exactly one place; line numbers do not count."""
    for part in re.split(r"^--- a/", diff, flags=re.MULTILINE)[1:]:
        path = copy / part.splitlines()[0]
        text = path.read_text()
        for hunk in re.split(r"^@@.*\n", part, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines()
            old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-", ""))
            new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+", ""))
            assert text.count(old) == 1, f"{path.name} must contain exactly once:\n{old}"
            text = text.replace(old, new)
        path.write_text(text)


def run(copy: Path, command: List[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(1200)  # on a busy machine
@pytest.mark.parametrize("name", list(SECTIONS))
def test_example_of_the_page_runs(name, tmp_path):
    for folder in COPIED:
        shutil.copytree(str(ROOT / folder), str(tmp_path / folder), ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / ".venv-vela").exists():
        (tmp_path / ".venv-vela").symlink_to(ROOT / ".venv-vela")
    commands = 0
    for kind, content in code_blocks(SECTIONS[name]):
        if kind == "diff":
            apply(tmp_path, content)
        elif kind == "python":
            run(tmp_path, [sys.executable, "-c", content])
        for line in content.splitlines() if kind == "sh" else ():
            program, *words = shlex.split(line)
            assert program == "edgeflownas-search"
            if ("--compile" in words or words[:2] == ["cost", "build"]) and not VELA.exists():
                pytest.skip("needs Vela: make env")
            run(tmp_path, [*PROGRAM, *words])
            commands += 1
    assert commands, "every example ends in a command"
