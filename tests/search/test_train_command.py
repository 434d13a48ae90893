import sys
from pathlib import Path

import numpy as np
import pytest

from edgeflownas import checkpoint
from edgeflownas.errors import InputError
from edgeflownas.lock import locked
from edgeflownas.skeleton import Skeleton
from search import cli
from search.run import Run

CONFIG = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def test_a_second_training_in_a_folder_is_refused_and_touches_nothing(tmp_path, monkeypatch, capsys):
    argv = ["edgeflownas-search", "train", "--config", str(CONFIG), "--run", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    with locked(tmp_path / "supernet" / "train.lock", "training"), pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "in use by process" in capsys.readouterr().err
    assert not list((tmp_path / "supernet").iterdir())


def test_the_command_that_continues_says_nothing_that_forbids_it(tmp_path, monkeypatch, capsys):
    program = str(tmp_path / "edgeflownas-search")
    monkeypatch.setattr(sys, "argv", [program, "train", "--config", "a b.yaml", "--no-resume"])

    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli, "main", interrupt)
    with pytest.raises(SystemExit):
        cli.main()
    assert f"to continue: {program} train --config 'a b.yaml'\n" in capsys.readouterr().err


def test_weights_of_another_network_are_refused_even_where_shapes_agree(tmp_path):
    run = Run.open(CONFIG, tmp_path)
    weights = {name: np.zeros(shape, np.float32) for name, shape in Skeleton(4).parameters().items()}
    path = tmp_path / "weights.h5"
    checkpoint.save(path, weights, {"identity": {"network": run.skeleton.digest()}})
    assert set(run.fitting_weights(path)) == set(weights)
    checkpoint.save(path, weights, {"identity": {"network": "another"}})
    with pytest.raises(InputError, match="are of another network"):
        run.fitting_weights(path)
