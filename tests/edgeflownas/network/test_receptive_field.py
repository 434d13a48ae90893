import numpy as np
import pytest

from edgeflownas.network.build import FixedNorm, build_child
from edgeflownas.network.operations import Conv, Flow, Separable, Transposed, Upsample
from edgeflownas.network.receptive_field import measure_receptive_field
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.tf_runtime.stack import tf
from tests.small import make_stage

DILATED = Stage("E1", 1.0, ((Conv(3, 2), Conv(3, dilation=2)),))
SIDE = 128
NETWORKS = {
    "stride": [
        make_stage("E0", Conv, [7], 1, stride=2), make_stage("Up", Upsample, [1], 1), make_stage("F", Flow, [5]),
    ],
    "dilation": [
        make_stage("E0", Conv, [5], 1, stride=2), DILATED, make_stage("U1", Upsample, [3], 1),
        make_stage("U2", Upsample, [7], 1), make_stage("F", Flow, [1]),
    ],
    "transposed": [
        make_stage("E0", Conv, [3], 1, stride=2), make_stage("S", Separable, [5], 1),
        make_stage("U", Transposed, [7], 1), make_stage("F", Flow, [3], transposed=True),
    ],
    "two scales": [
        make_stage("E0", Conv, [3], 1, stride=2), make_stage("F0", Flow, [7]), make_stage("U", Upsample, [3], 1),
        make_stage("F1", Flow, [3]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_field_is_that_of_the_gradient(name: str) -> None:
    """The gradients of the pixels of a small block reach as far as computed, and the field of none is larger."""
    skeleton = Skeleton(2, NETWORKS[name])
    weights = {key: np.full(shape, 0.1, np.float32) for key, shape in skeleton.parameters().items()}
    norms = [key[: -len("/gamma")] for key in weights if key.endswith("/gamma")]
    sides = []
    with tf.Graph().as_default(), tf.Session() as session:
        constants = {key: tf.constant(value) for key, value in weights.items()}
        channels = {norm: weights[norm + "/gamma"].shape for norm in norms}
        statistics = {norm: (tf.zeros(shape), tf.ones(shape)) for norm, shape in channels.items()}
        images = tf.ones([1, SIDE, SIDE, 6])
        flow = build_child(skeleton, (), images, FixedNorm(constants, statistics))[-1]
        row, middle = tf.placeholder(tf.int32, []), SIDE // 2
        (gradient,) = tf.gradients(flow[0, row, middle, 0], images)
        for offset in range(4):
            touched = np.flatnonzero(session.run(gradient, {row: middle + offset}).any(axis=(0, 2, 3)))
            sides.append(touched[-1] - touched[0] + 1)
    assert max(sides) == measure_receptive_field(skeleton, ())
