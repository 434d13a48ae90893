from collections import Counter
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

from edgeflownas.config import ChildConfig, NetworkConfig
from edgeflownas.data.pipeline import Batch, read_batches
from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint, origin
from edgeflownas.tf_runtime.devices import CPU, Devices
from edgeflownas.training.child import ChildStep, prepare_child_training
from tests.small import DATA, EVALUATION, TRAIN, datasets, evaluation_data, weights_for

WIDTH = 4
SKELETON = default_skeleton(WIDTH)
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
    architecture = Space.from_skeleton(SKELETON).parse("010000200")
    return ChildStep(SKELETON, architecture, weights_for(SKELETON), TRAIN, evaluation_data(), threads=1, devices=CPU)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return next(iter(read_batches(datasets()[0], range(TRAIN.batch_size), TRAIN.batch_size, threads=1)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Dict[str, float]]:
    folder = tmp_path_factory.mktemp("child")
    return folder, prepare_child_training(config(), folder, weights_for(SKELETON)).run()


def test_child_starts_with_its_weights_of_the_supernet(step: ChildStep) -> None:
    supernet = weights_for(SKELETON)
    names = SKELETON.parameters(Space.from_skeleton(SKELETON).parse("010000200"))
    assert list(step.weight_names()) == list(names)
    tensors = step.tensors()
    assert all(np.array_equal(tensors[name], supernet[name]) for name in names)


def test_steps_on_one_batch_reduce_its_loss_and_change_every_weight(step: ChildStep, batch: Batch) -> None:
    before = step.tensors()
    losses = [step.run(batch, 1e-3, 0.0) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    after = step.tensors()
    assert not any(np.array_equal(before[name], after[name]) for name in step.weight_names())
    step.restore(before, step.state())
    assert step.run(batch, 1e-3, 0.0) == losses[0]


def test_best_weights_and_statistics_reproduce_the_logged_epe(trained: Tuple[Path, Dict[str, float]]) -> None:
    folder, last = trained
    tensors, state = checkpoint.load(folder / "best.h5")
    assert last["epoch"] == TRAIN.epochs
    evaluator = ChildEvaluator(SKELETON, (0,) * 9, evaluation_data(), threads=1)
    assert evaluator.epe(tensors, select_statistics(tensors)) == state["epe"] <= last["epe"]
    assert evaluator.score(tensors) == state["epe"]
    assert not any(name.startswith("optimizer/") for name in tensors)


def test_finished_training_is_not_changed_by_running_it_again(trained: Tuple[Path, Dict[str, float]]) -> None:
    folder, last = trained
    before = (folder / "last.h5").read_bytes()
    training = prepare_child_training(config(), folder, weights_for(SKELETON))
    assert training.resume()
    assert tuple(training.standing()) == (2, 8, 8, checkpoint.load(folder / "best.h5")[1]["epe"])
    assert training.run() == last
    assert (folder / "last.h5").read_bytes() == before


def test_training_of_another_tensorflow_is_resumed_with_a_remark(
    trained: Tuple[Path, Dict[str, float]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = origin.read_version()
    monkeypatch.setattr(origin, "read_version", lambda: "3.0.0")
    assert prepare_child_training(config(), trained[0], weights_for(SKELETON)).resume()
    remark = f"was computed with TensorFlow {before} and is continued with 3.0.0"
    assert remark in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "changes, weights, named",
    [
        ({"train": TRAIN.model_copy(update={"learning_rate": 2e-3})}, weights_for(SKELETON), "train.learning_rate"),
        ({}, None, "first weights: "),
    ],
)
def test_training_with_another_recipe_or_first_weights_is_not_resumed(
    trained: Tuple[Path, Dict[str, float]], changes: Dict[str, Any], weights: Any, named: str
) -> None:
    training = prepare_child_training(config(**changes), trained[0], weights)
    with pytest.raises(InputError, match=rf"belongs to a different training \({named}"):
        training.resume()


def test_weights_of_another_width_and_invalid_architectures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network.width"):
        prepare_child_training(config(), tmp_path, weights_for(default_skeleton(6)))
    with pytest.raises(InputError, match="gene EB0"):
        prepare_child_training(config(architecture="300000000"), tmp_path)


def gradients(devices: Devices, batch: Batch) -> Tuple[float, Dict[str, np.ndarray]]:
    """Return loss and gradients of a step, derived from Adam's first moment, which is a tenth of the gradient."""
    recipe = TRAIN.model_copy(update={"batch_size": len(batch.images), "clip_norm": 1e9})
    step = ChildStep(SKELETON, (0,) * 9, weights_for(SKELETON), recipe, evaluation_data(), 1, devices)
    loss = step.run(batch, 0.0, 1.0)
    tensors = step.tensors()
    return loss, {name: 10.0 * tensors[f"optimizer/{name}/Adam"] for name in step.weight_names()}


def test_gradient_on_two_devices_is_the_mean_over_half_batches(batch: Batch) -> None:
    batch.valid[0, :16] = 0  # the tower with fewer valid pixels has the same weight
    halves = [gradients(CPU, Batch(*(part[half] for part in batch))) for half in (slice(0, 2), slice(2, 4))]
    loss, actual = gradients(Devices("CPU", (0, 1)), batch)
    assert loss == pytest.approx((halves[0][0] + halves[1][0]) / 2, rel=1e-5)
    for name, gradient in actual.items():
        expected = (halves[0][1][name] + halves[1][1][name]) / 2
        scale = np.abs(expected).max()
        assert scale > 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * scale + 1e-7, err_msg=name)


def test_towers_are_on_their_devices_and_resume_bit_for_bit(batch: Batch) -> None:
    first, second = (
        ChildStep(SKELETON, (0,) * 9, weights_for(SKELETON), TRAIN, evaluation_data(), 1, Devices("CPU", (0, 1)))
        for _ in range(2)
    )
    operators = first.loss.graph.get_operations()
    heavy = Counter(operator.device for operator in operators if operator.type == "Conv2D")
    assert heavy["/device:CPU:0"] == heavy["/device:CPU:1"] > 0 and len(heavy) == 2
    first.run(batch, 1e-3, 1.0)
    second.restore(first.tensors(), first.state())
    assert first.run(batch, 1e-3, 1.0) == second.run(batch, 1e-3, 1.0)
    expected, actual = first.tensors(), second.tensors()
    assert all(np.array_equal(actual[name], expected[name]) for name in expected)


def test_batch_that_cannot_be_split_equally_is_refused() -> None:
    three = Devices("CPU", (0, 1, 2))
    with pytest.raises(InputError, match="train.batch_size: 4 pairs cannot be split equally among 3 devices"):
        ChildStep(SKELETON, (0,) * 9, weights_for(SKELETON), TRAIN, evaluation_data(), 1, three)
