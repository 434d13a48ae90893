import numpy as np
import pytest

from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from supernet import shared_norm
from supernet.fairness import draw_covering_pool
from supernet.shared_norm import SharedNormEvaluator
from tests.small import THREE_GENES, evaluation_data, weights_for


def test_every_architecture_is_scored_with_the_moving_averages_of_fair_cycles(monkeypatch):
    """Running means and variances average what single paths see; how far paths lie apart is no part of a variance."""
    monkeypatch.setattr(shared_norm, "_CYCLES", 1)
    skeleton = Skeleton(2, THREE_GENES)
    weights, data = weights_for(skeleton), evaluation_data()
    shared = SharedNormEvaluator(skeleton, [(2, 1, 0)], data, 1)
    pool = draw_covering_pool(Space.from_skeleton(skeleton), 1, 0)
    alone = {each: ChildEvaluator(skeleton, each, data, 1) for each in {*pool, (2, 1, 0)}}
    found = [alone[each].recalibrate(weights) for each in pool]
    statistics = shared.statistics(weights)
    assert set(statistics) == {name for each in found for name in each}
    for name, pair in statistics.items():
        having = [each[name] for each in found if name in each]
        for part, values in zip(pair, zip(*having)):
            np.testing.assert_allclose(part, np.mean(values, axis=0), rtol=1e-5, atol=1e-7)
    child = alone[2, 1, 0]
    (epe,) = shared.score(weights)
    assert epe == pytest.approx(child.epe(weights, {name: statistics[name] for name in child.norms}), rel=1e-6)
    assert epe != pytest.approx(child.epe(weights, child.recalibrate(weights)), rel=1e-3)
