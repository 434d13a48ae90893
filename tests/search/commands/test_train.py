import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint
from edgeflownas.storage.lock import locked
from search import cli
from search.commands import train
from search.commands.options import GpuDevices
from search.run import Run
from supernet import training

CONFIG = Path(__file__).parents[3] / "configs" / "tiny.yaml"


def test_second_training_in_a_folder_is_refused_and_changes_nothing(tmp_path, monkeypatch, capsys):
    argv = ["edgeflownas-search", "train", "--config", str(CONFIG), "--run", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    with locked(tmp_path / "supernet" / "train.lock", "training"), pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "in use by process" in capsys.readouterr().err
    assert not list((tmp_path / "supernet").iterdir())


def test_command_to_continue_omits_flags_that_forbid_it(tmp_path, monkeypatch, capsys):
    program = str(tmp_path / "edgeflownas-search")
    monkeypatch.setattr(sys, "argv", [program, "train", "--config", "a b.yaml", "--no-resume"])

    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli, "main", interrupt)
    with pytest.raises(SystemExit):
        cli.main()
    assert f"to continue: {program} train --config 'a b.yaml'\n" in capsys.readouterr().err


def test_weights_of_another_network_are_refused_even_if_shapes_agree(tmp_path):
    run = Run.open(CONFIG, tmp_path)
    weights = {name: np.zeros(shape, np.float32) for name, shape in default_skeleton(4).parameters().items()}
    path = tmp_path / "weights.h5"
    checkpoint.save(path, weights, {"identity": {"network": run.skeleton.digest()}})
    assert set(run.load_weights(path)) == set(weights)
    checkpoint.save(path, weights, {"identity": {"network": "another"}})
    with pytest.raises(InputError, match="belong to a different network"):
        run.load_weights(path)


def test_training_is_not_resumed_with_other_initial_weights(tmp_path):
    options = ["--config", str(CONFIG), "--run", str(tmp_path / "run"), "--num-epochs", "1"]
    for key, value in {"data.train_pairs": 8, "data.val_pairs": 2, "evaluation.calibration_pairs": 4}.items():
        options += ["--set", f"{key}={value}"]
    weights = tmp_path / "run" / "supernet" / "best.h5"
    assert CliRunner().invoke(train.command, options, catch_exceptions=False).exit_code == 0
    result = CliRunner().invoke(train.command, [*options, "--init-from", str(weights)])
    assert isinstance(result.exception, InputError)
    assert "belongs to a different training (first weights: not set there, " in str(result.exception)


def test_paths_of_options_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.yaml").write_text(CONFIG.read_text())
    runs = []
    monkeypatch.setattr(train, "train", lambda run, *_: runs.append(run))
    result = CliRunner().invoke(train.command, ["--config=~/a.yaml", "--run=~/run"])
    assert result.exit_code == 0, result.output
    assert runs[0].folder == tmp_path / "run"


def test_empty_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(train.command, [f"--config={CONFIG}", "--run="])
    assert result.exit_code == 2 and "--run': is empty; name a file or a folder" in result.output
    assert not list(tmp_path.iterdir())


def call_train(tmp_path, monkeypatch, *options):
    """Call ``train``; return the runs it trains and its output."""
    runs = []
    monkeypatch.setattr(train, "train", lambda run, *_: runs.append(run))
    arguments = ["--config", str(CONFIG), "--run", str(tmp_path), *options]
    result = CliRunner().invoke(train.command, arguments)
    return runs, result


@pytest.mark.parametrize(("options", "devices"), [([], None), (["none"], []), (["1"], [1]), (["0,2"], [0, 2])])
def test_gpu_device_changes_the_devices_but_not_the_identity(tmp_path, monkeypatch, options, devices):
    words = [word for option in options for word in ("--gpu-device", option)]
    (run,), result = call_train(tmp_path, monkeypatch, *words)
    assert result.exit_code == 0, result.output
    assert run.config.train.devices == devices
    assert run.training_identity() == Run.open(CONFIG, tmp_path).training_identity()


@pytest.mark.parametrize(
    ("text", "message"),
    [("-1", "neither a list"), ("all", "nor none"), ("0,", "neither a list"), ("1,01", "names a GPU twice")],
)
def test_invalid_gpu_devices_are_refused(text, message):
    with pytest.raises(click.BadParameter, match=message):
        GpuDevices().convert(text, None, None)


def test_missing_gpu_is_reported_in_one_line_before_reading_data(tmp_path, monkeypatch, capsys):
    argv = ["edgeflownas-search", "train", "--config", str(CONFIG), "--run", str(tmp_path), "--gpu-device", "99"]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(training, "open_datasets", None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    *_, error = capsys.readouterr().err.strip().splitlines()
    assert "train.devices: TensorFlow sees" in error and "not GPU 99" in error
