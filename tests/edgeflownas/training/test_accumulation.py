"""A batch in parts gives the gradient of the parts' mean loss; with equal BN statistics, that of the batch at once."""

from typing import Any, Dict, Tuple

import numpy as np
import pytest
from pydantic import ValidationError

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch, read_batches
from edgeflownas.errors import InputError
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.devices import CPU, Devices
from edgeflownas.training.child import ChildStep
from edgeflownas.training.step import GraphStep
from supernet.fairness import FairSampler
from supernet.training import FairCycle
from tests.small import THREE_GENES, TRAIN, datasets, evaluation_data, weights_for

SKELETON = Skeleton(4, THREE_GENES)
SPACE = Space.from_skeleton(SKELETON)
KINDS = ("child", "supernet")
UNCLIPPED = 1e9


def make_step(kind: str, batch_size: int, accumulation: int, clip_norm: float = UNCLIPPED) -> GraphStep:
    config = TrainConfig(
        epochs=1, batch_size=batch_size, accumulation=accumulation, learning_rate=1e-3, clip_norm=clip_norm
    )
    weights, data = weights_for(SKELETON), evaluation_data()
    if kind == "child":
        return ChildStep(SKELETON, (1, 1, 1), weights, config, data, 1, CPU)
    sampler = FairSampler(SPACE, np.random.default_rng(3))
    return FairCycle(SKELETON, weights, config, data, sampler, 1, CPU)


def read_batch(pairs: int) -> Batch:
    return next(iter(read_batches(datasets()[0], range(pairs), pairs, threads=1)))


def select(batch: Batch, rows: Any) -> Batch:
    return Batch(*(array[rows] for array in batch))


def gradients(step: GraphStep, batch: Batch) -> Tuple[float, Dict[str, np.ndarray]]:
    """Take a first step, and return its loss and its gradients: ten times the first moments of Adam."""
    loss = step.run(batch, 1e-3, 1.0)
    moments = {name: value for name, value in step.tensors().items() if name.endswith("/Adam")}
    assert len(moments) == len(step.weight_names())
    return loss, {name: 10 * value for name, value in moments.items()}


def assert_close(actual: Dict[str, np.ndarray], expected: Dict[str, np.ndarray]) -> None:
    assert set(actual) == set(expected)
    largest = max(np.abs(value).max() for value in expected.values())
    for name, value in expected.items():
        scale = max(np.abs(value).max(), 1e-3 * largest)
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=2e-4 * scale, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_with_equal_statistics_are_the_batch_at_once(kind: str) -> None:
    part = read_batch(2)
    batch = select(part, [0, 1] * 4)  # four equal parts: BN has the same statistics in each as in all
    loss, expected = gradients(make_step(kind, 8, 1), batch)
    accumulated, actual = gradients(make_step(kind, 8, 4), batch)
    assert accumulated == pytest.approx(loss, rel=1e-5)
    assert_close(actual, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_mean_over_the_parts(kind: str) -> None:
    batch = read_batch(4)
    batch.valid[0, :16] = 0  # a part with fewer valid pixels has the same weight
    halves = [gradients(make_step(kind, 2, 1), select(batch, rows)) for rows in (slice(0, 2), slice(2, 4))]
    loss, actual = gradients(make_step(kind, 4, 2), batch)  # for the supernet: by the same cycle for all parts
    assert loss == pytest.approx(np.mean([half for half, _ in halves]), rel=1e-5)
    assert_close(actual, {name: (value + halves[1][1][name]) / 2 for name, value in halves[0][1].items()})


def test_parts_are_like_towers_on_several_devices() -> None:
    config = TrainConfig(epochs=1, batch_size=4, learning_rate=1e-3, clip_norm=UNCLIPPED)
    towers = ChildStep(SKELETON, (1, 1, 1), weights_for(SKELETON), config, evaluation_data(), 1, Devices("CPU", (0, 1)))
    loss, expected = gradients(towers, read_batch(4))
    accumulated, actual = gradients(make_step("child", 4, 2), read_batch(4))
    assert accumulated == pytest.approx(loss, rel=1e-5)
    assert_close(actual, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_second_step_does_not_contain_the_first(kind: str) -> None:
    batch = read_batch(4)
    one, other = make_step(kind, 4, 2), make_step(kind, 4, 2)
    one.run(batch, 1e-3, 1.0)
    tensors, state = one.tensors(), one.state()
    other.run(select(batch, [3, 2, 1, 0]), 1e-3, 1.0)  # leaves other sums behind
    other.restore(tensors, state)
    assert one.run(batch, 1e-3, 1.0) == other.run(batch, 1e-3, 1.0)
    after, again = one.tensors(), other.tensors()
    assert all(np.array_equal(after[name], again[name]) for name in after)
    assert not any("accumulated" in name for name in after)


def test_clipping_acts_on_the_mean_gradient() -> None:
    loss, free = gradients(make_step("child", 4, 2), read_batch(4))
    norm = np.sqrt(sum((value.astype(float) ** 2).sum() for value in free.values()))
    _, clipped = gradients(make_step("child", 4, 2, clip_norm=norm / 2), read_batch(4))
    assert_close({name: 2 * value for name, value in clipped.items()}, free)


def test_part_that_is_not_finite_changes_nothing() -> None:
    step, batch = make_step("child", 4, 2), read_batch(4)
    before = step.tensors()
    flow = batch.flow.copy()
    flow[0] = np.inf
    with pytest.raises(Exception, match="the gradient is not finite"):
        step.run(batch._replace(flow=flow), 1e-3, 1.0)
    assert all(np.array_equal(value, before[name]) for name, value in step.tensors().items())
    assert np.isfinite(step.run(batch, 1e-3, 1.0))


def test_parts_must_be_equal() -> None:
    with pytest.raises(ValidationError, match="should divide batch_size, which is 8"):
        TrainConfig(batch_size=8, accumulation=3)
    three = TRAIN.model_copy(update={"batch_size": 6, "accumulation": 2})
    with pytest.raises(InputError, match="3 pairs cannot be split equally among 2 devices"):
        ChildStep(SKELETON, (1, 1, 1), weights_for(SKELETON), three, evaluation_data(), 1, Devices("CPU", (0, 1)))


def test_recipe_names_accumulation_only_where_it_is_used() -> None:
    assert "accumulation" not in TRAIN.recipe  # so that earlier training runs can be resumed
    assert TRAIN.model_copy(update={"accumulation": 2}).recipe["accumulation"] == 2
