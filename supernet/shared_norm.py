"""The EPE of architectures without recalibration, that is, with BN statistics that all of them share.

Training keeps no moving averages. Moving averages over fair cycles with these weights would approach the average over
architectures that cover every option equally often, so this average takes their place here. It serves only to show how
much recalibration gains.
"""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from supernet.fairness import draw_covering_pool

_CYCLES = 4  # fair cycles whose architectures are averaged
_SEED = 0


class SharedNormEvaluator:
    """Evaluator of architectures with the weights of a supernet and with statistics shared by all architectures."""

    def __init__(
        self, skeleton: Skeleton, architectures: Sequence[Architecture], data: EvaluationData, threads: int
    ) -> None:
        """Build a graph for each architecture."""
        self._pool = draw_covering_pool(Space.from_skeleton(skeleton), _CYCLES, _SEED)
        self._architectures = list(architectures)
        self._evaluators = {
            architecture: ChildEvaluator(skeleton, architecture, data, threads)
            for architecture in {*self._pool, *self._architectures}
        }

    def score(self, weights: Mapping[str, np.ndarray]) -> List[float]:
        """Return the EPEs of the architectures, in pixels and in their order."""
        shared = self.statistics(weights)
        scores = []
        for architecture in self._architectures:
            evaluator = self._evaluators[architecture]
            scores.append(evaluator.epe(weights, {name: shared[name] for name in evaluator.norms}))
        return scores

    def statistics(self, weights: Mapping[str, np.ndarray]) -> Statistics:
        """Return mean and variance of each BN, averaged over the architectures that contain it."""
        pairs_by_name: Dict[str, List[Tuple[np.ndarray, np.ndarray]]] = {}
        for architecture in self._pool:
            for name, pair in self._evaluators[architecture].recalibrate(weights).items():
                pairs_by_name.setdefault(name, []).append(pair)
        averages = {
            name: [np.mean(values, axis=0) for values in zip(*pairs)] for name, pairs in pairs_by_name.items()
        }
        return {name: (mean, variance) for name, (mean, variance) in averages.items()}
