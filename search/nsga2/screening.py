"""Screening: the selection of the architectures to score next by their predicted gain in hypervolume.

If all flow outputs are scored, an architecture stands for its trunk, that is, its genes without those of the flow
outputs. The cost of a generation is proportional to its number of trunks. Hardware costs are known beforehand;
the EPE is predicted by a surrogate: Bayesian ridge regression on everything scored so far, whose features are the
options of genes and of pairs of genes. The prediction is lowered by its uncertainty, so that the search also explores.

All results are computed from the archive, without random numbers: a search that is resumed selects the same
architectures as one that was never interrupted.

References: the predictor-assisted selection of NSGANetV2 (Lu et al., ECCV 2020); optimism as in GP-UCB (Srinivas et
al., ICML 2010).
"""

import itertools
import math
from typing import Dict, Iterable, List, Sequence

import numpy as np

from edgeflownas.network.space import Architecture, Space
from search.nsga2.archive import Archive
from search.nsga2.candidates import Candidates
from search.nsga2.objectives import Objectives, compute_points

# Tuned on a different supernet and different seeds than those reported: see results/reference/search_quality.
_RIDGE = 1e-3  # penalty of the option of a gene
_PAIR_RIDGE = 16e-3  # penalty of the options of a pair of genes
_OPTIMISM = 1.0  # standard deviations by which a prediction is lowered
_ROUNDING = 1e-9  # relative error of a hypervolume


class Screening:
    """Selects the architectures that a search requests, at most one per trunk."""

    def __init__(self, candidates: Candidates, objectives: Objectives) -> None:
        """Initialise the screening.

        Args:
            candidates: Architectures that can be requested.
            objectives: Objectives of the search.
        """
        self._candidates, self._objectives = candidates, objectives
        self._space = space = candidates.subspace.space
        singles, pairs = sum(space.counts), itertools.combinations(space.counts, 2)
        self._penalty = np.array([_RIDGE] * singles + [_PAIR_RIDGE] * sum(a * b for a, b in pairs))

    def select_first(self, others: Sequence[Architecture], least: int) -> List[Architecture]:
        """Select the initial architectures: the best one for each cost, which cannot be dominated, and some others.

        Architectures from ``others`` are added until every option that occurs in their trunks has been selected.

        Args:
            others: Architectures that may be requested, at least one.
            least: Number of trunks to select at least, if there are as many.
        """
        best = [self._candidates.feasible.best(name) for name in self._objectives.names if name != "epe"]
        selected = keep_one_per_trunk(self._space, best)
        trunks = [self._space.trunk(other) for other in others]
        while True:
            seen = [set(options) for options in zip(*map(self._space.trunk, selected))] or [set()] * len(trunks[0])
            new_options = [sum(option not in known for option, known in zip(trunk, seen)) for trunk in trunks]
            if selected and not max(new_options, default=0):
                distinct = keep_one_per_trunk(self._space, [*selected, *others])
                return distinct[: max(least, len(selected))]
            selected.append(others[int(np.argmax(new_options))])

    def select_most_promising(
        self, archive: Archive, front: np.ndarray, candidates: Sequence[Architecture], count: int
    ) -> List[Architecture]:
        """Select the candidates whose trunks have the largest predicted gain; without any gain, the first ones.

        Args:
            archive: Archive of everything scored so far.
            front: Rows of its front.
            candidates: Architectures with different trunks, never scored.
            count: Number of candidates to select.
        """
        rows = np.flatnonzero(np.isfinite(archive.column("epe")))
        reached = self._objectives.points(archive, front)
        if len(rows):
            groups = self._candidates.subspace.expand_outputs(candidates)
            epes = self.predict(archive.column("genes")[rows], archive.column("epe")[rows], groups)
            predicted = self._predict_points(groups, epes)
        else:
            predicted = [reached] * len(candidates)
        return [candidates[i] for i in self._select_greedily(reached, predicted, count)]

    def _select_greedily(self, reached: np.ndarray, groups: Sequence[np.ndarray], count: int) -> List[int]:
        """Select groups of points one by one by their gain in hypervolume; the first of several with the same gain.

        A gain can only shrink while groups are selected, so that those with a smaller earlier gain are not computed.

        Args:
            reached: Points that are already reached, shape [points, objectives].
            groups: Groups of points, each [points, objectives].
            count: Number of groups to select.

        Returns:
            Indices of the selected groups.
        """
        volume = self._objectives.hypervolume(reached)
        gains = dict.fromkeys(range(len(groups)), math.inf)
        selected: List[int] = []
        while gains and len(selected) < count:
            best, highest = -1, -math.inf
            for i, gain in sorted(gains.items(), key=lambda item: (-item[1], item[0])):
                if volume + gain < highest * (1 - _ROUNDING):
                    break
                own = self._objectives.hypervolume(np.concatenate([reached, groups[i]])) if gain else volume
                gains[i] = own - volume
                if own > highest or (own == highest and i < best):
                    best, highest = i, own
            del gains[best]
            selected.append(best)
            reached, volume = np.concatenate([reached, groups[best]]), highest
        return selected

    def predict(self, genes: np.ndarray, epe: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Predict the EPE of groups of architectures, lowered by the uncertainty at the centre of each group.

        Args:
            genes: Genes of the architectures that were scored, shape [N, genes].
            epe: Their finite EPEs in pixels, shape [N].
            groups: Genes of the architectures to predict, shape [groups, architectures, genes].

        Returns:
            Predicted EPEs in pixels, shape [groups, architectures].
        """
        import scipy.sparse  # takes longer than a command may take to start

        features, mean, spread = self._encode(genes), epe.mean(), epe.std()
        starts = np.arange(len(features) + 1) * features.shape[1]
        x = scipy.sparse.csr_matrix(
            (np.ones(features.size), features.ravel(), starts), (len(features), len(self._penalty))
        )
        inverse = np.linalg.inv((x.T @ x).toarray() / len(features) + np.diag(self._penalty))
        weights = inverse @ (x.T @ (epe - mean) / len(features))
        predicted = np.empty(groups.shape[:2])
        for row, group in enumerate(groups):
            features = self._encode(group)
            present, counts = np.unique(features, return_counts=True)  # few of many features
            centre = counts / len(features)
            uncertainty = spread * np.sqrt(_RIDGE * (centre @ inverse[np.ix_(present, present)] @ centre))
            predicted[row] = mean + weights[features].sum(axis=1) - _OPTIMISM * uncertainty
        return predicted

    def _predict_points(self, groups: np.ndarray, epe: np.ndarray) -> List[np.ndarray]:
        """Return the predicted points of those architectures of each group that can be requested."""
        genes = groups.reshape(-1, groups.shape[2])
        can_be_requested = self._candidates.contains(genes)
        costs = self._candidates.feasible.costs(genes[can_be_requested])
        points = compute_points(self._objectives.names, {"epe": epe.ravel()[can_be_requested], **costs}.__getitem__)
        return np.split(points, np.cumsum(can_be_requested.reshape(epe.shape).sum(axis=1))[:-1])

    def _encode(self, genes: np.ndarray) -> np.ndarray:
        """Return the indices of the features that architectures have: options of genes, then those of pairs."""
        counts, options = self._space.counts, genes.astype(int)
        columns, sizes = [options[:, i] for i in range(len(counts))], list(counts)
        for i, j in itertools.combinations(range(len(counts)), 2):
            columns.append(options[:, i] * counts[j] + options[:, j])
            sizes.append(counts[i] * counts[j])
        return np.stack(columns, axis=1) + np.cumsum([0, *sizes[:-1]])


def keep_one_per_trunk(space: Space, architectures: Iterable[Architecture]) -> List[Architecture]:
    """Return the first architecture of each trunk, in order."""
    by_trunk: Dict[Architecture, Architecture] = {}
    for architecture in architectures:
        by_trunk.setdefault(space.trunk(architecture), architecture)
    return list(by_trunk.values())
