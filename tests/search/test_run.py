"""Whose weights a run uses, and that results name them."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

from edgeflownas import progress
from edgeflownas.storage import checkpoint
from search.cli import cli
from search.run import Run
from tests.search.queue.small import small_queue, small_run
from tests.terminal import make_runner


@pytest.fixture()
def run(tmp_path: Path) -> Run:
    """Return a run whose configuration names weights, and that has not trained any."""
    progress.say_once.cache_clear()
    small_queue(tmp_path)
    run = small_run(tmp_path)
    run.write_config()
    return run


def train(run: Run) -> Tuple[Path, str]:
    """Write the files of a training; return the best weights and their digest."""
    weights = {name: value + np.float32(0.125) for name, value in run.supernet_weights().items()}
    for name in ("last.h5", "best.h5"):
        checkpoint.save(run.supernet_folder / name, weights, {"epoch": 1})
    return run.supernet_folder / "best.h5", checkpoint.digest(weights)


def call(run: Run, *words: str) -> Any:
    arguments = [*words, "--config", str(run.folder / "config.yaml"), "--run", str(run.folder)]
    return make_runner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def evaluate(run: Run, *words: str) -> Dict[str, Any]:
    result: Dict[str, Any] = json.loads(call(run, "evaluate", "000000000", "--json", *words).stdout)["architectures"][0]
    return result


def test_weights_of_the_configuration_are_used_until_the_run_trains_its_own(run: Run) -> None:
    named = Path(str(run.config.supernet))
    assert run.supernet_file == named
    before = evaluate(run)
    assert (before["weights"], before["weights_sha256"]) == (str(named), checkpoint.digest(run.supernet_weights()))
    own, digest = train(run)
    after = evaluate(run)
    assert (after["weights"], after["weights_sha256"]) == (str(own), digest)
    assert after["epe"] != before["epe"]


def test_conflict_of_own_and_named_weights_is_reported(run: Run) -> None:
    own, _ = train(run)
    message = f"{own}: this run's own training is used, not supernet: {run.config.supernet} of the configuration"
    assert message in call(run, "evaluate", "000000000").stderr


def test_weights_of_an_option_win_over_a_training(run: Run) -> None:
    train(run)
    named = Path(str(run.config.supernet))
    row = evaluate(run, "--weights", str(named))
    assert (row["weights"], row["weights_sha256"]) == (str(named), checkpoint.digest(run.load_weights(named)))


def test_training_without_best_weights_is_not_replaced_by_named_ones(run: Run) -> None:
    own, _ = train(run)
    own.unlink()
    result = make_runner().invoke(
        cli, ["evaluate", "000000000", "--config", str(run.folder / "config.yaml"), "--run", str(run.folder)]
    )
    assert result.exit_code and str(own) in str(result.exception)


def test_printed_results_name_the_weights(run: Run) -> None:
    own, digest = train(run)
    assert f"Weights: {own} (sha256 {digest:.12})." in re.sub(r"\s+", " ", call(run, "evaluate", "000000000").stdout)
    output = re.sub(r"\s+", " ", call(run, "queue", "status").stdout)
    queue = run.queue_folder / "supernet.h5"
    assert f"Initial weights: {queue} (sha256 {checkpoint.digest(checkpoint.load(queue)[0]):.12})." in output
    (row, *_) = json.loads(call(run, "queue", "status", "--json").stdout)
    assert row["initial_weights"] == str(queue) and len(row["initial_weights_sha256"]) == 64
