"""Runs that several tests share."""

from pathlib import Path

import pytest

from search.report.contents import read
from search.report.report import write_report
from search.run import Run
from tests.search.report.made import CYCLES, at_root, picture, queued, ranked, searched


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="package")
def demo(folder: Path) -> Run:
    """A run with all kinds of results."""
    with at_root():
        run = queued(searched(folder / "demo"))
        ranked(run)
        return run


@pytest.fixture(scope="package")
def page(demo: Run) -> Path:
    """Report of the demo run, with made-up cycles of parts and a black picture."""
    with at_root():
        path = demo.folder / "report.html"
        write_report([read(demo.folder)], path, lambda contents: CYCLES, picture)
    return path


@pytest.fixture
def written(page: Path) -> Path:
    """Folder of the report."""
    return page.parent


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
