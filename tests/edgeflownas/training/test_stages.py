"""Training in two stages on two data sets: interrupted runs must equal an uninterrupted one."""

import os
import signal
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest

from edgeflownas.config import ChildConfig, ListData, NetworkConfig, StageConfig
from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton
from edgeflownas.signals import Interrupted
from edgeflownas.storage import checkpoint
from edgeflownas.training.child import ChildStep
from edgeflownas.training.loop import Training
from edgeflownas.training.stages import StagedTraining, prepare_retraining
from tests.small import DATA, EVALUATION, TRAIN, weights_for

OTHER = DATA.model_copy(update={"seed": 9, "height": 48, "width": 64, "train_pairs": 12})
STAGES = [
    StageConfig(**TRAIN.model_dump()),  # two epochs of four steps
    StageConfig(**{**TRAIN.model_dump(), "learning_rate": 1e-4}, data=OTHER),  # two epochs of three steps
]


def config(**changes: Any) -> ChildConfig:
    parts: Dict[str, Any] = {
        "architecture": "000000000",
        "seed": 1,
        "threads": 1,
        "network": NetworkConfig(width=2),
        "data": DATA,
        "train": STAGES,
        "evaluation": EVALUATION,
    }
    return ChildConfig(**{**parts, **changes})


def weights() -> Dict[str, np.ndarray]:
    return weights_for(default_skeleton(2))


def outcome(folder: Path) -> Dict[str, Any]:
    """Return everything that must not depend on interruptions."""
    result: Dict[str, Any] = {}
    for name in ("stage1/best.h5", "stage1/last.h5", "best.h5", "last.h5"):
        tensors, state = checkpoint.load(folder / name)
        result[name] = checkpoint.digest(tensors), state.get("epe"), state["identity"]
        result[name + " curve"] = [
            {key: value for key, value in line.items() if key != "wall_s"}
            for line in state.get("place", {}).get("history", [])
        ]
    return result


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Dict[str, float]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    training = prepare_retraining(config(), folder, weights())
    assert isinstance(training, StagedTraining) and not training.resume()
    assert tuple(training.standing())[:3] == (0, 0, 8 + 6)
    last = training.run()
    assert tuple(training.standing())[:3] == (4, 14, 14)
    return folder, last


def test_each_stage_uses_its_data_and_starts_with_the_best_weights_of_the_previous_stage(uninterrupted: Any) -> None:
    folder, last = uninterrupted
    (first, one), (_, two) = (checkpoint.load(folder / name) for name in ("stage1/best.h5", "best.h5"))
    names = [name for name in first if not name.endswith(("/mean", "/variance"))]
    assert two["identity"]["first weights"] == checkpoint.digest({name: first[name] for name in names})
    assert (one["identity"]["data"]["seed"], two["identity"]["data"]["seed"]) == (DATA.seed, 9)
    assert (last["epoch"], last["steps"]) == (2, 6)
    own = checkpoint.load(folder / "last.h5")[1]["place"]["wall_s"]
    assert last["wall_s"] > own, "the time of both stages"


@pytest.mark.parametrize("number", [6, 12], ids=["first stage", "second stage"])
def test_training_stopped_in_either_stage_ends_bit_for_bit_the_same(
    number: int, uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps = ChildStep.run, []

    def run_and_stop(*arguments: Any) -> float:
        steps.append(run(*arguments))
        if len(steps) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return float(steps[-1])

    monkeypatch.setattr(ChildStep, "run", run_and_stop)
    with pytest.raises(Interrupted):
        prepare_retraining(config(), tmp_path, weights()).run()
    training = prepare_retraining(config(), tmp_path, weights())
    assert training.resume() and training.standing().step == number
    training.run()
    assert len(steps) == 14, "no step was repeated or left out"
    assert outcome(tmp_path) == outcome(uninterrupted[0])


def test_training_that_died_between_stages_resumes_with_the_second(
    uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Training.run
    calls: List[Any] = []

    def die_after_first(self: Training, *arguments: Any) -> Dict[str, float]:
        calls.append(run(self, *arguments))
        if len(calls) == 1:
            raise KeyError
        return calls[-1]

    monkeypatch.setattr(Training, "run", die_after_first)
    with pytest.raises(KeyError):
        prepare_retraining(config(), tmp_path, weights()).run()
    assert not (tmp_path / "stage1" / "finished.json").exists()
    training = prepare_retraining(config(), tmp_path, weights())
    assert training.resume()
    training.run()
    assert outcome(tmp_path) == outcome(uninterrupted[0])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"train": [STAGES[0].model_copy(update={"epochs": 3}), STAGES[1]]}, "stage1/best.h5: .*train.epochs: 2"),
        ({"train": [STAGES[0].model_copy(update={"data": OTHER}), STAGES[1]]}, "stage1/best.h5: .*data.height: 32"),
        ({"seed": 2}, "stage1/best.h5: .*seed: 1"),
        ({"train": [STAGES[0], STAGES[1].model_copy(update={"epochs": 3})]}, "last.h5: .*train.epochs: 2"),
    ],
)
def test_changed_stage_is_not_resumed(uninterrupted: Any, changes: Dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        prepare_retraining(config(**changes), uninterrupted[0], weights()).resume()


def test_errors_of_a_later_stage_are_reported_before_the_first_begins(tmp_path: Path) -> None:
    missing = STAGES[1].model_copy(update={"data": ListData(kind="list", val_list=str(tmp_path / "none.txt"))})
    with pytest.raises(InputError, match="queue.train.1.data.val_list: .*none.txt: cannot be read"):
        prepare_retraining(config(train=[STAGES[0], missing]), tmp_path, weights())
    large = STAGES[1].model_copy(update={"batch_size": 13})
    with pytest.raises(InputError, match=r"^queue.train.1.batch_size: 13 is more than the 12 .* lower it$"):
        prepare_retraining(config(train=[STAGES[0], large]), tmp_path, weights())
    assert not list(tmp_path.iterdir())


def test_stage_that_does_not_improve_ends_early_and_the_next_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epes = iter([2.0, 3.0, 3.0, 9.0, 5.0, 6.0])
    monkeypatch.setattr(ChildStep, "evaluate", lambda self: next(epes))
    first = STAGES[0].model_copy(update={"epochs": 9, "patience": 2})
    training = prepare_retraining(config(train=[first, STAGES[1]]), tmp_path, weights())
    last = training.run()
    assert len(checkpoint.load(tmp_path / "stage1" / "last.h5")[1]["place"]["history"]) == 3
    assert checkpoint.load(tmp_path / "stage1" / "best.h5")[1]["epoch"] == 1
    assert last["epe"] == 5.0 and training.standing().epoch == 11


def test_recipe_with_one_stage_is_a_plain_training(tmp_path: Path) -> None:
    assert isinstance(prepare_retraining(config(train=TRAIN), tmp_path, weights()), Training)


def test_loss_that_is_not_finite_stops_the_training_and_names_its_files(
    uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, batches = ChildStep.run, []

    def run_with_invalid_flow(self: ChildStep, batch: Any, *arguments: Any) -> float:
        batches.append(batch)
        if len(batches) == 6:
            batch = batch._replace(flow=np.full_like(batch.flow, np.nan))
        return run(self, batch, *arguments)

    monkeypatch.setattr(ChildStep, "run", run_with_invalid_flow)
    with pytest.raises(FloatingPointError, match="not-finite.json"):
        prepare_retraining(config(train=TRAIN), tmp_path, weights()).run()
    assert checkpoint.load(tmp_path / "last.h5")[1]["place"]["epoch"] == 1
    from edgeflownas.data.pipeline import shuffle_indices
    from edgeflownas.storage.files import read_json

    expected = [[f"scene {index} of seed 0, train"] for index in shuffle_indices(16, 1, 1)[4:8]]
    assert read_json(tmp_path / "not-finite.json") == {"step": 5, "files": expected}
