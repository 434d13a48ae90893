"""``--dry-run`` on a small run, called in this process."""

from pathlib import Path

import click
import pytest
import yaml

from edgeflownas.config import Config, dump, validate
from tests.search.commands.calls import LIGHT, call, data_file, invoked, make_run
from tests.search.queue.small import CONTENT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def test_dry_run_shows_the_plan_and_writes_nothing(run):
    before = sorted(run.folder.rglob("*"))
    shown = call(run, "train", "--dry-run").stdout
    assert validate(yaml.safe_load(shown.split("\ntrain: 8 pairs")[0]), Config, "shown") == run.config
    assert "train: 8 pairs of procedural" in shown and "steps: 4 per epoch, 8 in 2 epochs" in shown
    assert "million MACs on a pair of 32x32" in shown and "GiB" in shown and "per epoch" in shown
    shown = call(run, "train", "--dry-run", "--set", "strategy=staged", "--set", "staged.epochs=[3,2,2]").stdout
    assert "stages: 3, 2, 2 epochs" in shown and "28 in 7 epochs; a cycle of 3 paths takes" in shown
    shown = call(run, "train", "--dry-run", "--set", "train.sampling=uniform").stdout
    assert "a cycle of 1 path takes" in shown
    shown = cli_retrain(run)
    assert "stage 1 of 1" in shown and "architecture: '000000000'" in shown and "a step takes" in shown
    shown = call(run, "evaluate", LIGHT, "--task", "2", "--dry-run").stdout
    assert shown.count("million MACs") == 2
    assert "val: 2 pairs of procedural" in shown and "s per pair" in shown and "for 2 pairs" in shown and "GiB" in shown
    assert sorted(run.folder.rglob("*")) == before


def test_dry_run_needs_no_trained_weights(tmp_path):
    content = yaml.safe_load(dump(validate(CONTENT, Config, "test")))
    tall = {**content["data"], "height": 48}
    content["queue"]["train"] = [{"epochs": 2}, {"epochs": 3, "batch_size": 4, "data": tall}]
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    options = ["--config", str(config), "--set", f"name={tmp_path.name}"]
    path = data_file(tmp_path, "sintel")
    shown = invoked("evaluate", LIGHT, "222222222", *options, "--data", path, "--dry-run").stdout
    assert "val: 8 pairs of sintel, the first is training/clean/alley_1/frame_0001.png" in shown
    assert shown.count("million MACs on a pair of 48x64 pixels") == 2, "of 40x60"
    options += ["--set", "queue.train.1.epochs=7"]
    shown = invoked("retrain", *options, "--architecture", "012012012", "--dry-run").stdout
    assert "architecture: '012012012'" in shown and "stage 2 of 2" in shown and "per epoch, 14 in 7 epochs" in shown
    assert "million MACs on a pair of 48x32 pixels" in shown
    assert not (Path("results") / tmp_path.name).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "x.yaml", "--architecture", LIGHT], "--config requires --architecture and --dry-run"),
        (["--config", "x.yaml", "--dry-run"], "--config requires --architecture and --dry-run"),
        (["--config", "x.yaml", "--architecture", LIGHT, "--dry-run", "--index", "0"], "name a task by --queue"),
        (["--queue", "x"], "name a task by --queue and --index"),
        (["--queue", "x", "--index", "0", "--set", "seed=2"], "name a task by --queue and --index"),
    ],
)
def test_retraining_is_named_by_task_or_by_architecture(words, message):
    with pytest.raises(click.UsageError, match=message):
        invoked("retrain", *words)


def cli_retrain(run):
    return invoked("retrain", "--queue", str(run.queue_folder), "--index", "2", "--dry-run").stdout
