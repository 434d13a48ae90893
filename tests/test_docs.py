"""The documentation as a site, and the example of the README; test_pages.py checks links and commands."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflownas.hardware.board import Board
from search.run import Run

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="needs MkDocs: make env STACK=modern, with Python 3.12 or later"
)
def test_site_is_built_without_warnings_and_can_be_searched(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert {"index.html", "docs/configuration.html", "results/reference/demo/index.html"} <= pages
    api = (site / "docs" / "api.html").read_text(encoding="utf-8")
    assert "Read a board" in api and "search.api.runs.open_run" in api and ":::" not in api
    assert "hypervolume" in (site / "search" / "search_index.json").read_text(encoding="utf-8")


def test_examples_of_the_readme_are_a_valid_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```yaml\n# (.*?)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    for name, content in blocks:
        Path(name).write_text(content)
    run = Run.open(Path("mine.yaml"))
    assert run.space.size == 19683 * 4 // 9
    assert Board.load(Path(run.config.hardware.board)).settings.accelerator == "ethos-u65-256"
