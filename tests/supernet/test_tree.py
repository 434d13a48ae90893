import numpy as np
import pytest

from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.network.skeleton import STAGES, Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from supernet.tree import TreeEvaluator
from tests.small import OTHER_STAGES, evaluation_data, weights_for


@pytest.fixture(scope="module")
def data():
    return evaluation_data()


@pytest.fixture(scope="module", params=[(4, STAGES), (4, OTHER_STAGES)], ids=["nine genes", "other space"])
def tree(request, data):
    skeleton = Skeleton(*request.param)
    weights = weights_for(skeleton)
    return skeleton, weights, TreeEvaluator(skeleton, weights, data, threads=1)


def scored(evaluator, architectures):
    return dict(pair for group in evaluator.score(architectures) for pair in group)


def test_scores_are_those_of_the_one_architecture_way(tree, data):
    skeleton, weights, evaluator = tree
    rng = np.random.default_rng(0)
    architectures = [Space.from_skeleton(skeleton).sample(rng) for _ in range(8)]
    for architecture, epe in scored(evaluator, architectures).items():
        reference = ChildEvaluator(skeleton, architecture, data, threads=1).score(weights)
        assert epe == pytest.approx(reference, rel=1e-5)


def test_scores_do_not_depend_on_order_grouping_or_what_was_asked_before(tree, data):
    skeleton, weights, evaluator = tree
    rng = np.random.default_rng(1)
    architectures = list({Space.from_skeleton(skeleton).sample(rng) for _ in range(12)})
    together = scored(evaluator, architectures)
    one_by_one = {}
    fresh = TreeEvaluator(skeleton, weights, data, threads=1)
    for architecture in reversed(architectures):
        one_by_one.update(scored(fresh, [architecture]))
    assert one_by_one == together == scored(fresh, architectures[::2] + architectures[1::2])


def test_all_heads_of_a_backbone_score_as_some_of_them(tree):
    skeleton, _, evaluator = tree
    space = Space.from_skeleton(skeleton)
    split = space.backbone
    backbone = space.sample(np.random.default_rng(2))[:split]
    completed = scored(evaluator, [each for each in space.all() if each[:split] == backbone])
    assert scored(evaluator, list(completed)[::7]) == {each: completed[each] for each in list(completed)[::7]}


def test_each_group_is_one_backbone_and_comes_once_and_sorted(tree):
    skeleton, _, evaluator = tree
    space = Space.from_skeleton(skeleton)
    rng = np.random.default_rng(3)
    asked = [space.sample(rng) for _ in range(6)]
    groups = [[architecture for architecture, _ in group] for group in evaluator.score(asked * 2)]
    backbones = [{architecture[: space.backbone] for architecture in group} for group in groups]
    assert all(len(each) == 1 for each in backbones)
    assert sum(groups, []) == sorted(set(asked))


def test_recalibration_leaves_every_weight_untouched(tree):
    skeleton, weights, evaluator = tree
    scored(evaluator, [Space.from_skeleton(skeleton).sample(np.random.default_rng(4))])
    assert checkpoint.digest(evaluator.weights()) == checkpoint.digest(weights)


def test_other_weights_are_scored_afresh(tree, data):
    skeleton, weights, _ = tree
    evaluator = TreeEvaluator(skeleton, weights, data, threads=1)
    architecture = Space.from_skeleton(skeleton).sample(np.random.default_rng(5))
    before = scored(evaluator, [architecture])
    evaluator.load(weights_for(skeleton, seed=9))
    after = scored(evaluator, [architecture])
    evaluator.load(weights)
    assert before != after and scored(evaluator, [architecture]) == before
