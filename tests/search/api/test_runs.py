from pathlib import Path

import pytest

from edgeflownas.config import dump
from edgeflownas.errors import InputError
from search import api

ROOT = Path(__file__).parents[3]


def test_runs_are_opened_by_name_by_file_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run = api.open_run("tiny", settings={"evolution.population": 12, "evolution.objectives": ["epe", "sram_kib"]})
    assert run.config.evolution.population == 12 and run.config.evolution.objectives == ["epe", "sram_kib"]
    assert run.folder == Path("results/tiny") and run.space.size == 19683
    assert api.open_run(ROOT / "configs/tiny.yaml", tmp_path).folder == tmp_path
    (tmp_path / "config.yaml").write_text(dump(run.config))
    reopened = api.open_run(str(tmp_path))
    assert reopened.folder == tmp_path and reopened.config.evolution == run.config.evolution


def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match="evolution.population"):
        api.open_run("tiny", settings={"evolution.population": "many"})
