"""The pages of docs/ compared with what they describe."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from edgeflownas.config import load
from tests.search.test_terminal import parse

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", *ROOT.glob("results/reference/*/README.md")])


def list_names(page, heading):
    """Return the names in the tables below a heading."""
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(heading + "\n")]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_files_of_scores_have_the_documented_layout(demo):
    page = (ROOT / "docs" / "search_file.md").read_text()
    both = list_names(page, "Both files")
    for path in (demo.search_file, demo.space_file):
        with h5py.File(path, "r") as file:
            assert set(file["archive"]) <= both <= set(file.attrs) | set(file["archive"])
            assert set(file.attrs) - both <= {"complete", "hypervolume"}
    with h5py.File(demo.search_file, "r") as file:
        assert set(file["generations/0000"].attrs) == list_names(page, "search.h5")
        assert set(file["generations/0000"]) == {"genes", "objectives"}


def test_documented_reader_works():
    page = (ROOT / "docs" / "search_file.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "edgeflownas-space 19683" in done.stdout


def list_commands(page):
    """Yield the program's commands in the code blocks of a page, split into words."""
    for line in re.findall(r"^ {4}(?:efn|(?:\S*/)?edgeflownas-search) +(\S.*)$", page.read_text(), re.MULTILINE):
        words = [word for word in shlex.split(line, comments=True) if word != "&"]
        if "…" not in words:
            yield words


def test_pages_contain_commands():
    assert sum(1 for page in PAGES for _ in list_commands(page)) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_are_valid(page):
    for words in list_commands(page):
        context = parse(words)
        config = context.params.get("config_path")
        for path in (ROOT / f"{config}", ROOT / "configs" / f"{config}.yaml"):
            if path.is_file():
                load(path, context.params["overrides"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_targets(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
