"""The EPE of architectures without recalibration: with BN statistics that all of them share.

Training keeps no moving averages. What they would come to, were they kept over fair cycles under these weights, is the
average over architectures that cover every option equally often: that stands in for them here. It shows what
recalibration is worth, and nothing else uses it.
"""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import Statistics
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from supernet.fairness import draw_covering_pool

_CYCLES = 4  # of architectures that are averaged over
_SEED = 0


class SharedNormEvaluator:
    """Scores architectures under any weights of a supernet, each with the statistics of all."""

    def __init__(
        self, skeleton: Skeleton, architectures: Sequence[Architecture], data: EvaluationData, threads: int
    ) -> None:
        """Builds the graphs, one for each architecture."""
        self._pool = draw_covering_pool(Space.from_skeleton(skeleton), _CYCLES, _SEED)
        self._architectures = list(architectures)
        self._evaluators = {
            each: ChildEvaluator(skeleton, each, data, threads) for each in {*self._pool, *self._architectures}
        }

    def score(self, weights: Mapping[str, np.ndarray]) -> List[float]:
        """EPE of the architectures, pixels, in their order."""
        shared = self.statistics(weights)
        scores = []
        for architecture in self._architectures:
            evaluator = self._evaluators[architecture]
            scores.append(evaluator.epe(weights, {name: shared[name] for name in evaluator.norms}))
        return scores

    def statistics(self, weights: Mapping[str, np.ndarray]) -> Statistics:
        """Mean and variance of each BN, each averaged over the architectures that have it, as moving averages are."""
        found: Dict[str, List[Tuple[np.ndarray, np.ndarray]]] = {}
        for architecture in self._pool:
            for name, pair in self._evaluators[architecture].recalibrate(weights).items():
                found.setdefault(name, []).append(pair)
        averages = {name: [np.mean(each, axis=0) for each in zip(*pairs)] for name, pairs in found.items()}
        return {name: (mean, variance) for name, (mean, variance) in averages.items()}
