"""A fair cycle on several devices compared with one device; virtual CPU devices replace GPUs."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from edgeflownas.data.pipeline import read_batches
from edgeflownas.errors import InputError
from edgeflownas.network.build import create_variables
from edgeflownas.network.operations import Conv, Flow, Residual, Upsample
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.devices import CPU, Devices
from edgeflownas.tf_runtime.stack import tf
from supernet.fairness import FairSampler
from supernet.parallel import build_parallel_cycle
from supernet.training import FairCycle
from tests.small import OTHER_STAGES, SHIPPED, TRAIN, datasets, evaluation_data, make_stage, weights_for

TWO, THREE = (Devices("CPU", tuple(range(count))) for count in (2, 3))
RECIPE = TRAIN.model_copy(update={"clip_norm": 1e9})  # so that Adam's first moment is a tenth of the gradient

# Three options per gene, as in the real network, and every kind of stage; the graph is built in seconds.
FEW_STAGES = (
    make_stage("E0", Conv, (5,), width=1, stride=2),
    make_stage("EB0", Residual, (1, 2, 3), width=1),
    make_stage("Down", Conv, (3,), width=2, stride=2),
    make_stage("Up", Upsample, (3, 5, 7), width=1),
    make_stage("Coarse", Flow, (3, 5, 7)),
    make_stage("Fine", Upsample, (3,), width=0.5),
    make_stage("Out", Flow, (3, 5, 7)),
)


def build_step(devices, stages=FEW_STAGES):
    skeleton = Skeleton(4, stages)
    sampler = FairSampler(Space.from_skeleton(skeleton), np.random.default_rng(1))
    return FairCycle(skeleton, weights_for(skeleton), RECIPE, evaluation_data(), sampler, 1, devices)


@pytest.fixture(scope="module")
def batch():
    return next(iter(read_batches(datasets()[0], range(RECIPE.batch_size), RECIPE.batch_size, threads=1)))


@pytest.fixture(scope="module")
def three():
    return build_step(THREE)


def run_first_step(step, batch):
    """Return loss, gradients and number of convolutions by device of a first step; the state is restored."""
    before, metadata, run = step.tensors(), tf.RunMetadata(), step._session.run
    state = step.state()
    options = tf.RunOptions(trace_level=tf.RunOptions.SOFTWARE_TRACE)
    try:
        step._session.run = lambda fetches, feed: run(fetches, feed, options, metadata)
        loss = step.run(batch, 0.0, 1.0)
    finally:
        step._session.run = run
    after = step.tensors()
    step.restore(before, state)
    gradients = {name: 10.0 * after[f"optimizer/{name}/Adam"] for name in step.weight_names()}
    ran = Counter()
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            is_convolution = re.search("= (_MklNative)?Conv2D", node.timeline_label)  # oneDNN has its own names
            ran[device.device.split("/")[-1]] += bool(is_convolution)
    return loss, gradients, +ran


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        scale = np.abs(value).max()
        assert scale > 0, f"{name} has no gradient"
        np.testing.assert_allclose(actual[name], value, rtol=1e-3, atol=1e-4 * scale + 1e-7, err_msg=name)


def test_three_devices_share_the_work_and_give_the_gradients_of_one(three, batch):
    loss, expected, ran = run_first_step(build_step(CPU), batch)
    same_loss, actual, shared = run_first_step(three, batch)
    assert same_loss == pytest.approx(loss, rel=1e-5)
    assert_same(actual, expected)
    assert set(ran) == {"device:CPU:0"}
    assert set(shared) == {"device:CPU:0", "device:CPU:1", "device:CPU:2"}
    assert sum(shared.values()) == sum(ran.values())  # each option is computed once, forward and backward
    assert max(shared.values()) < sum(ran.values()) / 2


@pytest.mark.parametrize("stages", [OTHER_STAGES, SHIPPED["edgeflownet_bilinear_11"]], ids=["other", "eleven genes"])
def test_fewer_devices_than_paths_give_the_gradients_of_one(stages, batch):
    _, expected, _ = run_first_step(build_step(CPU, stages), batch)
    _, actual, shared = run_first_step(build_step(TWO, stages), batch)
    assert_same(actual, expected)
    assert set(shared) == {"device:CPU:0", "device:CPU:1"}


def test_training_on_three_devices_resumes_bit_for_bit(three, batch):
    for _ in range(2):
        three.run(batch, 1e-3, 1.0)
    saved, state = three.tensors(), json.loads(json.dumps(three.state()))
    resumed = build_step(THREE)
    resumed.restore(saved, state)
    losses = [[step.run(batch, 1e-3, 1.0) for _ in range(2)] for step in (three, resumed)]
    assert losses[0] == losses[1]
    expected, actual = three.tensors(), resumed.tensors()
    assert all(np.array_equal(actual[name], expected[name]) for name in expected)
    assert not np.array_equal(actual["Out/0/kernel"], saved["Out/0/kernel"])
    assert resumed.evaluate() == three.evaluate()


def test_more_devices_than_paths_are_refused():
    with pytest.raises(InputError, match="train.devices: a cycle has 3 paths, which 4 devices cannot share"):
        build_step(Devices("CPU", (0, 1, 2, 3)))


def test_gradients_on_gpus_are_built_in():
    skeleton = Skeleton(4, FEW_STAGES)
    genes = len(skeleton.choice_blocks)
    with tf.Graph().as_default() as graph, tf.device("/device:GPU:0"):
        weights = create_variables(weights_for(skeleton))
        routing = [tf.placeholder(tf.int32, [genes, 3]) for _ in range(2)]
        names = [f"/device:GPU:{number}" for number in range(3)]
        predictions = build_parallel_cycle(skeleton, tf.zeros([2, 32, 48, 6]), weights, *routing, names)
        outputs = [flows[-1] for flows in predictions]
        tf.gradients(outputs, list(weights.values()), colocate_gradients_with_ops=True)
    assert [output.device for output in outputs] == names
    operators = graph.get_operations()
    assert "IdentityN" not in {operator.type for operator in operators}  # operator that a custom gradient adds
    backward = Counter(operator.device for operator in operators if operator.type == "Conv2DBackpropFilter")
    assert backward[names[0]] == backward[names[1]] + 1 == backward[names[2]] + 1  # one more for the stem
