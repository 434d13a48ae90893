"""Which architectures to score next: those that, by a prediction of EPE, would gain most hypervolume.

Where all flow outputs are scored, an architecture is asked for on behalf of its trunk: its genes but those of flow
outputs. A generation is as dear as it has trunks. Costs are known beforehand. The EPE is predicted by Bayesian ridge
regression on everything scored so far; its features are the options of genes and of pairs of genes. The prediction is
lowered by its uncertainty, so that a search does not circle around what it knows.

All is computed anew from the archive, without a random number: a search that goes on chooses as if never interrupted.
References: the predictor-assisted selection of NSGANetV2 (Lu et al., ECCV 2020); optimism as in GP-UCB (Srinivas et
al., ICML 2010).
"""

import itertools
from typing import Dict, Iterable, List, Sequence

import numpy as np
import scipy.sparse

from edgeflownas.network.space import Architecture, Space
from search.nsga2.archive import Archive
from search.nsga2.objectives import Objectives, compute_points

# Tuned on another supernet and other seeds than those reported: see results/reference/search_quality.
_RIDGE = 1e-3  # penalty of the option of a gene
_PAIR_RIDGE = 16e-3  # penalty of the options of a pair of genes
_OPTIMISM = 1.0  # standard deviations by which a prediction is lowered
_ASKED = 4  # trunks of a generation: more keep more workers busy, fewer are chosen with more knowledge


class Screening:
    """Chooses the architectures, each on behalf of its trunk, that a search asks for."""

    def __init__(self, space: Space, objectives: Objectives, costs: Dict[str, np.ndarray]) -> None:
        """Takes the objectives and, by name and in the order of ``Space.all``, the costs of all architectures."""
        self._space, self._objectives = space, objectives
        # The points of all architectures, with an EPE of 0 until it is predicted.
        self._points = compute_points(objectives.names, {"epe": np.zeros(space.size), **costs}.__getitem__)
        singles, pairs = sum(space.counts), itertools.combinations(space.counts, 2)
        self._penalty = np.array([_RIDGE] * singles + [_PAIR_RIDGE] * sum(a * b for a, b in pairs))

    def first(self, may_be_asked: np.ndarray, others: Sequence[Architecture]) -> List[Architecture]:
        """What to begin with: the best in each cost, which nothing can dominate, and others for contrast.

        Others are added until none brings an option of the trunk that is not among them yet.

        Args:
            may_be_asked: bool, in the order of ``Space.all``.
            others: that may be asked for, at least one.
        """
        indices = np.flatnonzero(may_be_asked)
        axes = [axis for axis, name in enumerate(self._objectives.names) if name != "epe"]
        best = [indices[self._points[indices, axis].argmin()] for axis in axes]
        chosen = keep_one_per_trunk(self._space, self._space.architectures_at(np.array(best, int)))
        trunks = [self._space.trunk(other) for other in others]
        while True:
            seen = [set(options) for options in zip(*map(self._space.trunk, chosen))] or [set()] * len(trunks[0])
            news = [sum(option not in known for option, known in zip(trunk, seen)) for trunk in trunks]
            if chosen and not max(news, default=0):
                return chosen
            chosen.append(others[int(np.argmax(news))])

    def most_promising(
        self, archive: Archive, front: np.ndarray, may_be_asked: np.ndarray, candidates: Sequence[Architecture]
    ) -> List[Architecture]:
        """Of some candidates, those whose trunks gain most by the prediction; the first ones where none gains.

        Args:
            archive: everything scored so far.
            front: rows of its front.
            may_be_asked: bool, in the order of ``Space.all``.
            candidates: of different trunks, never scored.
        """
        rows = np.flatnonzero(np.isfinite(archive.column("epe")))
        left = list(range(len(candidates)))
        reached = self._objectives.points(archive, front)
        if len(rows):
            genes = self._space.expand_outputs(candidates)
            epe = self.predict(archive.column("genes")[rows], archive.column("epe")[rows], genes)
            promised = [self._promised(*each, may_be_asked) for each in zip(genes, epe)]
        else:
            promised = [reached] * len(candidates)
        chosen: List[Architecture] = []
        while left and len(chosen) < _ASKED:
            volumes = [self._objectives.hypervolume(np.concatenate([reached, promised[i]])) for i in left]
            best = left.pop(int(np.argmax(volumes)))
            chosen.append(candidates[best])
            reached = np.concatenate([reached, promised[best]])
        return chosen

    def predict(self, genes: np.ndarray, epe: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Predicts the EPE of architectures, for each group as optimistically as little is known of its centre.

        Args:
            genes: of the architectures that were scored, [N, genes].
            epe: theirs, finite, [N].
            groups: of the architectures in question, [groups, architectures, genes].

        Returns:
            [groups, architectures], pixels.
        """
        found, mean, spread = self._features(genes), epe.mean(), epe.std()
        begins = np.arange(len(found) + 1) * found.shape[1]
        x = scipy.sparse.csr_matrix((np.ones(found.size), found.ravel(), begins), (len(found), len(self._penalty)))
        inverse = np.linalg.inv((x.T @ x).toarray() / len(found) + np.diag(self._penalty))
        weights = inverse @ (x.T @ (epe - mean) / len(found))
        predicted = np.empty(groups.shape[:2])
        for row, group in enumerate(groups):
            found = self._features(group)
            centre = np.bincount(found.ravel(), minlength=len(weights)) / len(found)
            uncertainty = spread * np.sqrt(_RIDGE * (centre @ inverse @ centre))
            predicted[row] = mean + weights[found].sum(axis=1) - _OPTIMISM * uncertainty
        return predicted

    def _promised(self, genes: np.ndarray, epe: np.ndarray, may_be_asked: np.ndarray) -> np.ndarray:
        """The predicted points of those architectures that may be asked for."""
        indices = self._space.indices(genes)
        points = self._points[indices]
        points[:, [name == "epe" for name in self._objectives.names]] = epe[:, None]
        return points[may_be_asked[indices]]

    def _features(self, genes: np.ndarray) -> np.ndarray:
        """Numbers of the features that architectures have, first the options of genes, then those of pairs."""
        counts, options = self._space.counts, genes.astype(int)
        columns, sizes = [options[:, i] for i in range(len(counts))], list(counts)
        for i, j in itertools.combinations(range(len(counts)), 2):
            columns.append(options[:, i] * counts[j] + options[:, j])
            sizes.append(counts[i] * counts[j])
        return np.stack(columns, axis=1) + np.cumsum([0, *sizes[:-1]])


def keep_one_per_trunk(space: Space, architectures: Iterable[Architecture]) -> List[Architecture]:
    """The first architecture of each trunk, in order."""
    found: Dict[Architecture, Architecture] = {}
    for architecture in architectures:
        found.setdefault(space.trunk(architecture), architecture)
    return list(found.values())
