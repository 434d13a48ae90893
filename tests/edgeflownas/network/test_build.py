"""Operations compared with their definitions in NumPy, and the fast convolutions with the plain ones."""

from typing import Dict, List, Tuple

import numpy as np
import pytest

from edgeflownas.network.build import (
    CURRENT,
    BatchNorm,
    FixedNorm,
    apply_stage,
    build_child,
    convolve_fast,
    convolve_plain,
    follow_stage,
    pool,
)
from edgeflownas.network.operations import ChannelAttention, Conv, Convolution, Gate, Method, Residual, Separable
from edgeflownas.network.operations import Transposed as TransposedConv
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.stack import tf
from tests.small import SHIPPED, weights_for

HEIGHT, WIDTH, INPUTS, OUTPUTS = 6, 10, 3, 4
CASES = [
    Convolution("a", kernel, INPUTS, outputs, None, 1, stride, dilation, method)
    for kernel, stride, dilation, method in [
        (3, 1, 1, Method.DIRECT),
        (5, 2, 1, Method.DIRECT),
        (3, 1, 2, Method.DIRECT),
        (3, 1, 3, Method.DIRECT),
        (3, 1, 1, Method.TRANSPOSED),
        (7, 1, 1, Method.TRANSPOSED),
        (3, 2, 1, Method.TRANSPOSED),
        (5, 2, 1, Method.TRANSPOSED),
        (7, 2, 1, Method.TRANSPOSED),
        (3, 1, 1, Method.DEPTHWISE),
        (5, 2, 1, Method.DEPTHWISE),
    ]
    for outputs in [INPUTS if method is Method.DEPTHWISE else OUTPUTS]
]


def convolve_by_definition(convolution: Convolution, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Add up one product per tap. A tap connects the pixel p of the larger map with the pixel p // stride."""
    size, stride, dilation = convolution.kernel, convolution.stride, convolution.dilation
    before = max(dilation * (size - 1) + 1 - stride, 0) // 2  # "SAME" padding of an even map
    is_transposed = convolution.method is Method.TRANSPOSED
    height, width = x.shape[1] // stride, x.shape[2] // stride
    if is_transposed:
        height, width = x.shape[1] * stride, x.shape[2] * stride
    y = np.zeros((len(x), height, width, convolution.outputs))
    small = x.shape[1:3] if is_transposed else (height, width)
    for a, b, row, column in np.ndindex(size, size, *small):
        place = row * stride + a * dilation - before, column * stride + b * dilation - before
        large = y.shape[1:3] if is_transposed else x.shape[1:3]
        if not (0 <= place[0] < large[0] and 0 <= place[1] < large[1]):
            continue
        if is_transposed:
            y[:, place[0], place[1]] += x[:, row, column] @ kernel[a, b]
        elif convolution.method is Method.DEPTHWISE:
            y[:, row, column] += x[:, place[0], place[1]] * kernel[a, b, :, 0]
        else:
            y[:, row, column] += x[:, place[0], place[1]] @ kernel[a, b]
    return y


@pytest.mark.parametrize("convolution", CASES, ids=lambda case: f"{case.method.value} {case.kernel}/{case.stride}")
def test_convolutions_equal_their_definition_and_have_gradients(convolution: Convolution) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, HEIGHT, WIDTH, INPUTS)).astype(np.float32)
    kernel = rng.normal(size=convolution.kernel_shape).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = tf.placeholder(tf.float32, [None, *x.shape[1:]]), tf.constant(kernel)
        results = [convolve(convolution, *inputs) for convolve in (convolve_fast, convolve_plain)]
        gradients = [tf.gradients(tf.reduce_sum(tf.sin(results[0])), inputs)]
        if convolution.dilation == 1:  # TensorFlow 1.15 has no gradients of dilated convolutions on a CPU
            gradients.append(tf.gradients(tf.reduce_sum(tf.sin(results[1])), inputs))
        (fast, plain), slopes = session.run((results, gradients), {inputs[0]: x})
    expected = convolve_by_definition(convolution, x, kernel)
    np.testing.assert_allclose(fast, expected, atol=1e-5)
    np.testing.assert_allclose(plain, expected, atol=1e-5)
    for pair in zip(*slopes):
        np.testing.assert_allclose(pair[0], pair[-1], atol=1e-4)
    places = x.shape[1:3] if convolution.method is Method.TRANSPOSED else expected.shape[1:3]
    assert convolution.macs(*places) == kernel.size * np.prod(places)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def run_stage(stage: Stage, x: np.ndarray, weights: Dict[str, np.ndarray], source: Stage) -> np.ndarray:
    """Return the output of a stage that follows another one, which keeps the activation as it is."""
    skeleton = Skeleton(4, (source, stage))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(x)
        inputs = follow_stage(skeleton, source, {CURRENT: images}, images)
        constants = {name: tf.constant(value) for name, value in weights.items()}
        return np.asarray(session.run(apply_stage(skeleton, stage, 0, inputs, BatchNorm(constants))))


def test_attention_and_gate_scale_channels_as_defined() -> None:
    rng = np.random.default_rng(1)
    source = Stage("S", 1.0, ((Conv(1),),))
    x = rng.normal(size=(2, HEIGHT, WIDTH, 4)).astype(np.float32)
    means = x.mean(axis=(1, 2))
    kernel = rng.normal(size=(3, 1, 1, 1)).astype(np.float32)
    weights = {"A/0/kernel": kernel, "A/0/bias": np.array([0.3], np.float32)}
    y = run_stage(Stage("A", 1.0, ((ChannelAttention(3),),)), x, weights, source)
    padded = np.pad(means, ((0, 0), (1, 1)))
    along = sum(padded[:, i : i + 4] * kernel[i, 0, 0, 0] for i in range(3)) + 0.3
    np.testing.assert_allclose(y, x * sigmoid(along)[:, None, None], atol=1e-5)

    kernel = rng.normal(size=(1, 1, 4, 4)).astype(np.float32)
    weights = {"G/0/kernel": kernel, "G/0/bias": np.arange(4, dtype=np.float32)}
    y = run_stage(Stage("G", 1.0, ((Gate("S"),),)), x, weights, source)
    np.testing.assert_allclose(y, x * sigmoid(means @ kernel[0, 0] + np.arange(4))[:, None, None], atol=1e-5)


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ((Conv(3), Conv(3, dilation=2)), ["B/0/0", "B/0/1"]),
        ((Separable(3),), ["B/0/depthwise", "B/0/pointwise"]),
        ((TransposedConv(3, stride=1), Conv(1, plain=True)), ["B/0/0", "B/0/1"]),
        ((Residual(1, transposed=True),), ["B/0/block0/conv0", "B/0/block0/conv1"]),
    ],
)
def test_operations_run_in_order_and_statistics_can_be_folded(option: Tuple, names: List[str]) -> None:
    skeleton = Skeleton(4, (Stage("S", 1.0, ((Conv(1),),)), Stage("B", 1.0, (option,))))
    stage, weights = skeleton.stages[1], weights_for(skeleton)
    assert [convolution.name for convolution in skeleton.convolutions(stage, 0)] == names
    x = np.random.default_rng(2).normal(size=(2, HEIGHT, WIDTH, 4)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        constants = {name: tf.constant(value) for name, value in weights.items()}
        norm = BatchNorm(constants)
        expected = apply_stage(skeleton, stage, 0, {CURRENT: tf.constant(x)}, norm)
        folded = apply_stage(skeleton, stage, 0, {CURRENT: tf.constant(x)}, FixedNorm(constants, norm.statistics))
        one, other = session.run((expected, folded))
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", SHIPPED)
def test_fast_network_equals_the_plain_one(name: str) -> None:
    skeleton = Skeleton(4, SHIPPED[name])
    space, weights = Space.from_skeleton(skeleton), weights_for(skeleton)
    images = np.random.default_rng(3).uniform(-1, 1, (2, 32, 48, 6)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        constants = {name: tf.constant(value) for name, value in weights.items()}
        heaviest = [count - 1 for count in space.counts]
        flows = [
            build_child(skeleton, heaviest, tf.constant(images), BatchNorm(constants, convolve))
            for convolve in (convolve_fast, convolve_plain)
        ]
        fast, plain = session.run(flows)
    for one, other in zip(fast, plain):
        np.testing.assert_allclose(one, other, atol=2e-3)
    assert fast[-1].shape == (2, 32, 48, 4)


def test_pooled_features_are_kept_only_as_long_as_a_gate_needs_them() -> None:
    skeleton = Skeleton(4, SHIPPED["edgeflownet_bilinear_11"])
    kept = {stage.name: skeleton.kept_after(stage) for stage in skeleton.stages}
    assert [name for name, sources in kept.items() if sources == ["DB0"]] == ["DB0", "Attention", "Up1", "DB1", "Up2"]
    with tf.Graph().as_default():
        assert pool(tf.zeros([1, 4, 6, 5])).shape.as_list() == [1, 1, 1, 5]
