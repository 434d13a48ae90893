"""The routed cycle compared with its definition: the paths of a cycle run one by one."""

import numpy as np
import pytest

from edgeflownas.network.build import BatchNorm, build_child, create_variables, normalise_images
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.losses import multiscale_loss
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.fairness import FairSampler, route_paths
from supernet.routed import build_fair_cycle, permute
from tests.small import DATA, OTHER_STAGES, SHIPPED, datasets, weights_for


def batch(count):
    samples = [datasets()[0].sample(i, None) for i in range(count)]
    return [np.stack([getattr(sample, name) for sample in samples]) for name in ("images", "flow")]


class Cycle:
    """The routed graph with its loss and gradients."""

    def __init__(self, skeleton, weights):
        self.space = Space.from_skeleton(skeleton)
        self.paths = max(self.space.counts, default=1)
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.images = tf.placeholder(tf.uint8, [2, DATA.height, DATA.width, 6])
            self.flow = tf.placeholder(tf.float32, [2, DATA.height, DATA.width, 2])
            shape = [len(self.space.genes), self.paths]
            self.path_of, self.option_of = (tf.placeholder(tf.int32, shape) for _ in range(2))
            self.weights = create_variables(weights)
            x = normalise_images(self.images)
            self.predictions = build_fair_cycle(skeleton, x, self.weights, self.path_of, self.option_of)
            valid = tf.ones([2, DATA.height, DATA.width, 1])
            one = tf.constant(1.0)
            losses = [multiscale_loss(flows, self.flow, valid, one) for flows in self.predictions]
            self.loss = tf.add_n(losses)
            self.gradients = dict(zip(self.weights, tf.gradients(self.loss, list(self.weights.values()))))
            self.session = open_session(self.graph, 1)
            self.session.run(tf.global_variables_initializer())

    def run(self, fetches, cycle):
        path_of, option_of = route_paths(self.space, cycle)
        images, flow = batch(2)
        feed = {self.images: images, self.flow: flow, self.path_of: path_of, self.option_of: option_of}
        return self.session.run(fetches, feed)


def run_alone(skeleton, architecture, weights, fetch_gradients):
    """Return the predictions of a single architecture, and the gradients of its loss by name."""
    images, flow = batch(2)
    with tf.Graph().as_default() as graph, open_session(graph, 1) as session:
        own = {name: weights[name] for name in skeleton.parameters(architecture)}
        tensors = create_variables(own)
        flows = build_child(skeleton, architecture, normalise_images(tf.constant(images)), BatchNorm(tensors))
        valid = tf.ones([2, DATA.height, DATA.width, 1])
        loss = multiscale_loss(flows, tf.constant(flow), valid, tf.constant(1.0))
        gradients = dict(zip(tensors, tf.gradients(loss, list(tensors.values())))) if fetch_gradients else {}
        session.run(tf.global_variables_initializer())
        return session.run((flows, gradients))


@pytest.mark.parametrize(
    ("width", "stages"),
    [*((4, stages) for stages in SHIPPED.values()), (8, SHIPPED["edgeflownet_bilinear"]), (4, OTHER_STAGES)],
    ids=[*SHIPPED, "nine genes of width 8", "other space"],
)
def test_gradients_are_the_sum_of_the_paths_run_one_by_one(width, stages):
    skeleton = Skeleton(width, stages)
    weights = weights_for(skeleton)
    routed = Cycle(skeleton, weights)
    cycle = FairSampler(routed.space, np.random.default_rng(1)).draw_cycle()
    summed = {name: np.zeros_like(value) for name, value in weights.items()}
    for architecture in cycle:
        for name, gradient in run_alone(skeleton, architecture, weights, True)[1].items():
            summed[name] += gradient
    gradients = routed.run(routed.gradients, cycle)
    assert set(gradients) == set(summed)
    for name, expected in summed.items():
        assert np.abs(expected).max() > 0, f"{name} has no gradient"
        np.testing.assert_allclose(
            gradients[name], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max() + 1e-7, err_msg=name
        )


def test_child_with_the_supernets_weights_gives_the_output_of_its_path():
    skeleton = default_skeleton(4)
    weights = weights_for(skeleton, seed=2)
    routed = Cycle(skeleton, weights)
    sampler = FairSampler(routed.space, np.random.default_rng(2))
    compared = set()
    while len(compared) < 51:
        cycle = sampler.draw_cycle()
        for architecture, predictions in zip(cycle, routed.run(routed.predictions, cycle)):
            alone, _ = run_alone(skeleton, architecture, weights, False)
            for ours, expected in zip(predictions, alone):
                np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
            compared.add(architecture)


def test_permute_reorders_values_and_routes_gradients_back():
    rng = np.random.default_rng(0)
    with tf.Graph().as_default() as graph, open_session(graph, 1) as session:
        tensors = [tf.constant(float(i) + np.zeros(3, np.float32)) for i in range(5)]
        order = tf.placeholder(tf.int32, [5])
        moved = permute(tensors, order, tf.math.invert_permutation(order))
        weighted = tf.add_n([(10.0**i) * tf.reduce_sum(tensor) for i, tensor in enumerate(moved)])
        gradients = tf.gradients(weighted, tensors)
        for _ in range(5):
            chosen = rng.permutation(5)
            values, back = session.run((moved, gradients), {order: chosen})
            assert [value[0] for value in values] == list(chosen)
            for i, source in enumerate(chosen):
                np.testing.assert_allclose(back[source], 10.0**i)
