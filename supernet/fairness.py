"""Strict fairness (Chu et al., FairNAS, ICCV 2021, section 3.2): every option of every gene, equally often.

A cycle trains as many paths as the largest gene has options. Each gene deals its options to the paths in a random
order, so that each is trained once a cycle. A gene with fewer options repeats some of them, in turn, so that its counts
never differ by more than one.
"""

from typing import Any, Dict, List, Tuple

import numpy as np

from edgeflownas.space import Architecture, Space


class FairSampler:
    """Deals the options of each cycle and counts them.

    Attributes:
        counts: how often each option of each gene was dealt: [options] per gene.
    """

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self.counts: List[np.ndarray] = [np.zeros(count, np.int64) for count in space.counts]

    @property
    def paths(self) -> int:
        """Paths per cycle."""
        return max(self._space.counts)

    def cycle(self) -> List[Architecture]:
        """Deals one cycle: the architecture of each path."""
        dealt = []
        for counts in self.counts:
            repeated = self._rng.permutation(len(counts))
            repeated = repeated[np.argsort(counts[repeated], kind="stable")]  # the least trained first
            options = np.concatenate([np.arange(len(counts)), np.resize(repeated, self.paths - len(counts))])
            np.add.at(counts, options, 1)
            dealt.append(self._rng.permutation(options))
        return [tuple(int(options[path]) for options in dealt) for path in range(self.paths)]

    def gap(self) -> int:
        """Largest difference between the counts of two options of one gene: 0 is strictly fair."""
        return max(int(counts.max() - counts.min()) for counts in self.counts)

    def state(self) -> Dict[str, Any]:
        """All that the next cycle depends on, for JSON."""
        return {"rng": self._rng.bit_generator.state, "counts": [counts.tolist() for counts in self.counts]}

    def restore(self, state: Dict[str, Any]) -> None:
        """Goes on from a state."""
        self._rng.bit_generator.state = state["rng"]
        self.counts = [np.array(counts, np.int64) for counts in state["counts"]]


def covering_pool(space: Space, cycles: int, seed: int) -> List[Architecture]:
    """A fixed sample in which every option of every gene is equally frequent: the paths of some fair cycles."""
    sampler = FairSampler(space, np.random.default_rng(seed))
    return [architecture for _ in range(cycles) for architecture in sampler.cycle()]


def routing(space: Space, architectures: List[Architecture]) -> Tuple[np.ndarray, np.ndarray]:
    """How a cycle's paths meet the options.

    A gene's options stand in slots: slot s holds option s, and where there are more paths than options, the further
    slots hold what is repeated.

    Args:
        space: of the architectures.
        architectures: one per path, from ``FairSampler.cycle``.

    Returns:
        ``path``, int32 [genes, paths]: the path that each slot serves; and ``option``, int32 [genes, paths]: the option
        in each slot.
    """
    paths = len(architectures)
    path_of = np.empty((len(space.genes), paths), np.int32)
    option_of = np.empty_like(path_of)
    for gene, count in enumerate(space.counts):
        left = list(range(paths))
        for slot in range(paths):
            wanted = [path for path in left if slot >= count or architectures[path][gene] == slot]
            path_of[gene, slot] = wanted[0]
            option_of[gene, slot] = architectures[wanted[0]][gene]
            left.remove(wanted[0])
    return path_of, option_of
