import numpy as np
import pytest

from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from supernet import shared_norm
from supernet.fairness import draw_covering_pool
from supernet.shared_norm import SharedNormEvaluator
from tests.small import THREE_GENES, evaluation_data, weights_for


def test_architectures_are_scored_with_averages_over_fair_cycles(monkeypatch):
    """Like moving averages, the variances are means over paths, without the variance between the paths' means."""
    monkeypatch.setattr(shared_norm, "_CYCLES", 1)
    skeleton = Skeleton(2, THREE_GENES)
    weights, data = weights_for(skeleton), evaluation_data()
    shared = SharedNormEvaluator(skeleton, [(2, 1, 0)], data, 1)
    pool = draw_covering_pool(Space.from_skeleton(skeleton), 1, 0)
    evaluators = {
        architecture: ChildEvaluator(skeleton, architecture, data, 1) for architecture in {*pool, (2, 1, 0)}
    }
    recalibrated = [evaluators[architecture].recalibrate(weights) for architecture in pool]
    statistics = shared.statistics(weights)
    assert set(statistics) == {name for child_statistics in recalibrated for name in child_statistics}
    for name, pair in statistics.items():
        pairs = [child_statistics[name] for child_statistics in recalibrated if name in child_statistics]
        for part, values in zip(pair, zip(*pairs)):
            np.testing.assert_allclose(part, np.mean(values, axis=0), rtol=1e-5, atol=1e-7)
    child = evaluators[2, 1, 0]
    (epe,) = shared.score(weights)
    assert epe == pytest.approx(child.epe(weights, {name: statistics[name] for name in child.norms}), rel=1e-6)
    assert epe != pytest.approx(child.epe(weights, child.recalibrate(weights)), rel=1e-3)
