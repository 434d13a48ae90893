import numpy as np
import pytest

from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from supernet.tree import TreeEvaluator
from tests.small import OTHER_STAGES, SHIPPED, evaluation_data, weights_for


@pytest.fixture(scope="module")
def data():
    return evaluation_data()


@pytest.fixture(scope="module", params=[*SHIPPED.values(), OTHER_STAGES], ids=[*SHIPPED, "other space"])
def tree(request, data):
    skeleton = Skeleton(4, request.param)
    weights = weights_for(skeleton)
    return skeleton, weights, TreeEvaluator(skeleton, weights, data, threads=1)


def score(evaluator, architectures):
    return dict(pair for group in evaluator.score(architectures) for pair in group)


def test_scores_equal_those_of_the_child_evaluator(tree, data):
    skeleton, weights, evaluator = tree
    rng = np.random.default_rng(0)
    architectures = [Space.from_skeleton(skeleton).sample(rng) for _ in range(8)]
    for architecture, epe in score(evaluator, architectures).items():
        reference = ChildEvaluator(skeleton, architecture, data, threads=1).score(weights)
        assert epe == pytest.approx(reference, rel=1e-5)


def test_scores_do_not_depend_on_order_grouping_or_earlier_requests(tree, data):
    skeleton, weights, evaluator = tree
    rng = np.random.default_rng(1)
    architectures = list({Space.from_skeleton(skeleton).sample(rng) for _ in range(12)})
    together = score(evaluator, architectures)
    one_by_one = {}
    fresh = TreeEvaluator(skeleton, weights, data, threads=1)
    for architecture in reversed(architectures):
        one_by_one.update(score(fresh, [architecture]))
    assert one_by_one == together == score(fresh, architectures[::2] + architectures[1::2])


def test_scores_of_all_heads_equal_those_of_some_heads(tree):
    skeleton, _, evaluator = tree
    space = Space.from_skeleton(skeleton)
    split = space.backbone
    backbone = space.sample(np.random.default_rng(2))[:split]
    every_head = [architecture for architecture in space.all() if architecture[:split] == backbone]
    expected = score(evaluator, every_head)
    assert score(evaluator, every_head[::7]) == {key: expected[key] for key in every_head[::7]}


def test_each_backbone_is_one_sorted_group(tree):
    skeleton, _, evaluator = tree
    space = Space.from_skeleton(skeleton)
    rng = np.random.default_rng(3)
    requested = [space.sample(rng) for _ in range(6)]
    groups = [[architecture for architecture, _ in group] for group in evaluator.score(requested * 2)]
    backbones = [{architecture[: space.backbone] for architecture in group} for group in groups]
    assert all(len(of_group) == 1 for of_group in backbones)
    assert sum(groups, []) == sorted(set(requested))


def test_recalibration_does_not_change_weights(tree):
    skeleton, weights, evaluator = tree
    score(evaluator, [Space.from_skeleton(skeleton).sample(np.random.default_rng(4))])
    assert checkpoint.digest(evaluator.weights()) == checkpoint.digest(weights)


def test_loading_other_weights_discards_statistics(tree, data):
    skeleton, weights, _ = tree
    evaluator = TreeEvaluator(skeleton, weights, data, threads=1)
    architecture = Space.from_skeleton(skeleton).sample(np.random.default_rng(5))
    before = score(evaluator, [architecture])
    evaluator.load(weights_for(skeleton, seed=9))
    after = score(evaluator, [architecture])
    evaluator.load(weights)
    assert before != after and score(evaluator, [architecture]) == before
