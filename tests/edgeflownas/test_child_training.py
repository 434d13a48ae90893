from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

from edgeflownas import checkpoint
from edgeflownas.child_training import ChildStep, child_training
from edgeflownas.config import ChildConfig, NetworkConfig
from edgeflownas.data.pipeline import Batch, batches
from edgeflownas.errors import InputError
from edgeflownas.evaluation import ChildEvaluator
from edgeflownas.recalibration import among
from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Space
from tests.small import DATA, EVALUATION, TRAIN, datasets, evaluation_data, weights_for

WIDTH = 4
SKELETON = Skeleton(WIDTH)
LIGHT = "000000000"


def config(**changes: Any) -> ChildConfig:
    parts: Dict[str, Any] = {
        "architecture": LIGHT,
        "seed": 1,
        "threads": 1,
        "network": NetworkConfig(width=WIDTH),
        "data": DATA,
        "train": TRAIN,
        "evaluation": EVALUATION,
    }
    return ChildConfig(**{**parts, **changes})


@pytest.fixture(scope="module")
def step() -> ChildStep:
    architecture = Space.of(SKELETON).parse("010000200")
    return ChildStep(SKELETON, architecture, weights_for(SKELETON), TRAIN, evaluation_data(), threads=1)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return next(iter(batches(datasets()[0], range(TRAIN.batch_size), TRAIN.batch_size, threads=1)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Dict[str, float]]:
    folder = tmp_path_factory.mktemp("child")
    return folder, child_training(config(), folder, weights_for(SKELETON)).run()


def test_child_begins_with_its_part_of_the_supernet(step: ChildStep) -> None:
    supernet = weights_for(SKELETON)
    names = SKELETON.parameters(Space.of(SKELETON).parse("010000200"))
    assert list(step.weight_names()) == list(names)
    tensors = step.tensors()
    assert all(np.array_equal(tensors[name], supernet[name]) for name in names)


def test_steps_on_one_batch_bring_its_loss_down_and_move_every_weight(step: ChildStep, batch: Batch) -> None:
    before = step.tensors()
    losses = [step.run(batch, 1e-3, 0.0) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    after = step.tensors()
    assert not any(np.array_equal(before[name], after[name]) for name in step.weight_names())
    step.restore(before, step.state())
    assert step.run(batch, 1e-3, 0.0) == losses[0]


def test_best_weights_with_their_statistics_give_the_logged_epe(trained: Tuple[Path, Dict[str, float]]) -> None:
    folder, last = trained
    tensors, state = checkpoint.load(folder / "best.h5")
    assert last["epoch"] == TRAIN.epochs
    evaluator = ChildEvaluator(SKELETON, (0,) * 9, evaluation_data(), threads=1)
    assert evaluator.epe(tensors, among(tensors)) == state["epe"] <= last["epe"]
    assert evaluator.score(tensors) == state["epe"]
    assert not any(name.startswith("optimizer/") for name in tensors)


def test_finished_training_is_left_as_it_is(trained: Tuple[Path, Dict[str, float]]) -> None:
    folder, last = trained
    before = (folder / "last.h5").read_bytes()
    training = child_training(config(), folder, weights_for(SKELETON))
    assert training.resume()
    assert tuple(training.standing()) == (2, 8, 8, checkpoint.load(folder / "best.h5")[1]["epe"])
    assert training.run() == last
    assert (folder / "last.h5").read_bytes() == before


@pytest.mark.parametrize(
    "changes, weights, named",
    [
        ({"train": TRAIN.model_copy(update={"learning_rate": 2e-3})}, weights_for(SKELETON), "train"),
        ({}, None, "first weights"),
    ],
)
def test_training_is_not_continued_as_another(
    trained: Tuple[Path, Dict[str, float]], changes: Dict[str, Any], weights: Any, named: str
) -> None:
    training = child_training(config(**changes), trained[0], weights)
    with pytest.raises(InputError, match=f"another {named}"):
        training.resume()


def test_weights_of_another_width_and_unknown_architectures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network.width"):
        child_training(config(), tmp_path, weights_for(Skeleton(6)))
    with pytest.raises(InputError, match="gene EB0"):
        child_training(config(architecture="300000000"), tmp_path)
