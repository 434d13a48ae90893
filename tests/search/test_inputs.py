"""Runs that are used from another working folder than the one they were made in."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeflownas.config import Config, KittiData, dump, validate
from edgeflownas.hardware.board import Board
from edgeflownas.storage import checkpoint
from search.queue.build import build
from search.queue.queue import Queue
from search.report.contents import read
from search.run import Run
from tests.edgeflownas.data.written import WRITERS
from tests.search.queue.small import CONTENT, small_archive
from tests.small import weights_for

ROOT = Path(__file__).parents[2]


@pytest.fixture()
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run with relative paths, made in another working folder; the present one is empty."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    shutil.copytree(str(ROOT / "configs" / "hardware"), str(home / "hardware"))
    monkeypatch.chdir(home)
    data = WRITERS["kitti2015"](Path("kitti"))
    table = next(path.name for path in (home / "hardware").glob("tiny*.yaml"))
    hardware = {"board": "hardware/grove_vision_ai_v2.yaml", "table": f"hardware/{table}"}
    queue = {**CONTENT["queue"], "train": [{**CONTENT["queue"]["train"], "data": data}]}
    Path("nine.yaml").write_text("name: nine\nbase: edgeflownet_bilinear\nstages: []\n")
    files = {"space": "nine.yaml", "supernet": "trained.h5"}
    content = {**CONTENT, **files, "data": data, "hardware": hardware, "queue": queue}
    run = Run(validate(content, Config, "test"), Path("run"))
    checkpoint.save(Path("trained.h5"), weights_for(run.skeleton), {})
    run.write_config()
    build(run, small_archive(run), np.arange(6))
    monkeypatch.chdir(away)
    return home / "run"


def test_all_files_of_the_configuration_are_located(made: Path) -> None:
    home = made.parent
    config = Run.open(made / "config.yaml", made).config
    assert isinstance(config.data, KittiData)
    for path in (config.space, config.supernet, config.hardware.board, config.hardware.table, config.data.root):
        assert Path(str(path)).exists() and home in Path(str(path)).parents, path
    task = Queue(made / "queue").task(0).config
    assert [stage.data for stage in task.stages] == [config.data]


def test_paths_that_exist_here_are_kept(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.parent)
    assert Run.open(made / "config.yaml", made).config.supernet == "trained.h5"


def test_board_and_table_are_kept_if_the_originals_are_gone_or_changed(made: Path) -> None:
    folder = made.parent / "hardware"
    board = folder / "grove_vision_ai_v2.yaml"
    before = Board.load(board).description()
    board.write_text(board.read_text().replace("name: ", "name: Another "))
    assert read(made).board.description() == before
    shutil.rmtree(str(folder))
    assert read(made).board.description() == before
    run = Run.open(made / "config.yaml", made)
    assert Board.load(Path(run.config.hardware.board)).description() == before
    assert Path(run.config.hardware.table).is_file()


def test_damaged_record_is_ignored(made: Path) -> None:
    (made / "inputs" / "origin.json").write_text("{")
    config = Run.open(made / "config.yaml", made).config
    assert isinstance(config.data, KittiData) and config.data.root == "kitti"
    assert config.supernet == str(made / "inputs" / "supernet" / "trained.h5")


def test_run_made_at_home_is_continued_away(made: Path) -> None:
    """Written again, the configuration has absolute paths, and the same command reads it."""
    run = Run.open(made / "config.yaml", made)
    run.write_config()
    assert dump(Run.open(made / "config.yaml", made).config) == dump(run.config)
