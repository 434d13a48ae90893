"""``import-weights``: its output can be used, and is not overwritten."""

import json
from pathlib import Path

import pytest

from edgeflownas.storage import checkpoint
from search.cli import cli
from tests.edgeflownas.network.test_published import write_checkpoint
from tests.terminal import make_runner

ROOT = Path(__file__).parents[3]


def test_imported_weights_are_evaluated_with_their_own_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path, _ = write_checkpoint(tmp_path)
    weights = tmp_path / "original.h5"
    imported = make_runner().invoke(cli, ["import-weights", str(path), "--output", str(weights)])
    assert imported.exit_code == 0, imported.output
    words = ["--config", "tiny", "--run", str(tmp_path / "run"), "--weights", str(weights), "--json"]
    words += ["--set", "space=edgeflownet", "--set", "network.width=4"]

    def epe_by_calibration(pairs: int) -> float:
        result = make_runner().invoke(cli, ["evaluate", "0", *words, "--set", f"evaluation.calibration_pairs={pairs}"])
        assert result.exit_code == 0, result.output
        record = json.loads(result.stdout)
        assert record["architectures"][0]["weights_sha256"][:12] in imported.stderr
        return float(record["architectures"][0]["epe"])

    assert epe_by_calibration(8) == epe_by_calibration(16)
    again = make_runner().invoke(cli, ["import-weights", str(path), "--output", str(weights)])
    assert "exists; name a new file" in str(again.exception)
    assert checkpoint.load(weights)[1] == {"imported_from": str(path)}
