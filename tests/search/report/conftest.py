"""Runs that several tests read, made once."""

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
    """A run that has everything."""
    with at_root():
        run = queued(searched(folder / "demo"))
        ranked(run)
        return run


@pytest.fixture(scope="package")
def page(demo: Run) -> Path:
    """Its report, with cycles of parts and a picture that are easily told."""
    with at_root():
        path = demo.folder / "report.html"
        write_report([read(demo.folder)], path, lambda contents: CYCLES, picture)
    return path


@pytest.fixture
def written(page: Path) -> Path:
    """The folder of it."""
    return page.parent


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
