import gc
import weakref

import numpy as np
import pytest

from edgeflownas.network.build import BatchNorm, build_child, create_variables
from edgeflownas.network.definition import default_skeleton
from edgeflownas.tf_runtime.gradients import attach_gradient
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.routed import permute
from tests.small import weights_for


def run(graph, fetches):
    with open_session(graph, threads=1) as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_attached_gradient_replaces_the_built_in_one():
    with tf.Graph().as_default() as graph:
        x, y = tf.constant([3.0]), tf.constant([5.0])
        products = attach_gradient([x * y, x * x], [x, y], lambda a, b: (10 * a + b, 100 * a))
        results = run(graph, (products, tf.gradients(products, [x, y], [tf.constant([1.0]), tf.constant([2.0])])))
    np.testing.assert_array_equal(results, [[[15], [9]], [[12], [100]]])


def test_gradients_may_differ_between_operators_of_a_graph_and_between_graphs():
    for factor in (2.0, 3.0):
        with tf.Graph().as_default() as graph:
            x = tf.get_variable("x", [1])
            (inner,) = attach_gradient([tf.sin(x)], [x], lambda upstream, factor=factor: [factor * upstream])
            (outer,) = attach_gradient([tf.sin(inner)], [inner], lambda upstream: [7.0 * upstream])
            assert run(graph, tf.gradients(outer, x))[0] == [7 * factor]


def test_gradient_is_attached_within_a_branch():
    for taken, expected in ((True, 5), (False, 6)):
        with tf.Graph().as_default() as graph:
            x = tf.constant(3.0)
            y = tf.cond(
                tf.constant(taken),
                lambda x=x: attach_gradient([x * x], [x], lambda upstream: [5.0 * upstream])[0],
                lambda x=x: x * x,
            )
            assert run(graph, tf.gradients(y, x)) == [expected]


@pytest.mark.parametrize("part", ["network", "routes"])
def test_graphs_with_gradients_of_their_own_are_freed(part):
    skeleton = default_skeleton(8)
    with tf.Graph().as_default() as graph:
        x = tf.constant(np.zeros([2, 64, 96, 6], np.float32))
        if part == "network":
            weights = create_variables(weights_for(skeleton))
            y = build_child(skeleton, (1,) * 9, x, BatchNorm(weights))
        else:
            y = permute([x, x + 1], tf.constant([1, 0]), tf.constant([1, 0]))
        run(graph, tf.gradients(y, x))
    kept = weakref.ref(graph)
    del graph, x, y
    weights = None  # noqa: F841
    gc.collect()
    assert kept() is None
