"""Strict fairness (Chu et al., FairNAS, ICCV 2021, section 3.2): every option of every gene is trained equally often.

A cycle trains as many paths as the largest gene has options. Each gene assigns its options to the paths in a random
order, so each option is trained once per cycle. A gene with fewer options repeats some of them, in turn, so that its
counts never differ by more than one.

Options are assigned to *groups* of genes: usually each gene is a group with all its options. Fixed genes form a group
with a single option; several kept backbones form a group whose options are these backbones. If a group has more
options than a cycle has paths, those that were drawn least often come first.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.network.space import Architecture, Space


class Group(NamedTuple):
    """Adjacent genes whose options are drawn together.

    Attributes:
        first: Index of the first gene.
        options: Distinct combinations of options, with one option per gene of the group.
    """

    first: int
    options: Tuple[Architecture, ...]

    def names(self, space: Space) -> str:
        """Return the names of the genes."""
        return "+".join(gene.name for gene in space.genes[self.first : self.first + len(self.options[0])])


def free_groups(space: Space) -> List[Group]:
    """Return a group for each gene, with all of its options."""
    return [Group(gene, tuple((option,) for option in range(count))) for gene, count in enumerate(space.counts)]


class Sampler:
    """Base class of samplers, which draw the paths of each cycle and count the options.

    Attributes:
        groups: Groups of genes, in order.
        counts: Number of times that each option was drawn, [options] per group.
    """

    def __init__(self, space: Space, rng: np.random.Generator, groups: Optional[Sequence[Group]] = None) -> None:
        """Create a sampler.

        Args:
            space: Space of the architectures.
            rng: Random generator.
            groups: Groups of genes; if None, each gene by itself.
        """
        self._space = space
        self._rng = rng
        self.groups = list(groups or free_groups(space))
        self.counts: List[np.ndarray] = [np.zeros(len(group.options), np.int64) for group in self.groups]

    @property
    def paths(self) -> int:
        """Number of paths per cycle."""
        raise NotImplementedError

    @property
    def covers(self) -> bool:
        """Whether each cycle contains every option of every gene."""
        return False

    def _draw_options(self, counts: np.ndarray) -> np.ndarray:
        """Draw the indices of a group's options for the paths of a cycle."""
        raise NotImplementedError

    def draw_cycle(self) -> List[Architecture]:
        """Draw the architecture of each path of a cycle."""
        paths: List[Architecture] = [()] * self.paths
        for group, counts in zip(self.groups, self.counts):
            options = self._draw_options(counts)
            np.add.at(counts, options, 1)
            paths = [path + group.options[option] for path, option in zip(paths, options.tolist())]
        return paths

    def gap(self) -> int:
        """Return the largest difference between the counts of two options of a group; 0 means strictly fair."""
        return max((int(counts.max() - counts.min()) for counts in self.counts), default=0)

    def report(self) -> Dict[str, Any]:
        """Return how often each option was drawn in each group, and the largest difference, as JSON data."""
        counts = {group.names(self._space): counts.tolist() for group, counts in zip(self.groups, self.counts)}
        report: Dict[str, Any] = {"gap": self.gap(), "counts": counts}
        if self.groups != free_groups(self._space):
            report["options"] = {
                group.names(self._space): [self._space.format(option) for option in group.options]
                for group in self.groups
            }
        return report

    def state(self) -> Dict[str, Any]:
        """Return everything that the next cycle depends on, as JSON data."""
        return {"rng": self._rng.bit_generator.state, "counts": [counts.tolist() for counts in self.counts]}

    def restore(self, state: Dict[str, Any]) -> None:
        """Restore a state."""
        self._rng.bit_generator.state = state["rng"]
        self.counts = [np.array(counts, np.int64) for counts in state["counts"]]


class FairSampler(Sampler):
    """Sampler with strict fairness."""

    @property
    def paths(self) -> int:
        """Number of options of the largest gene."""
        return max(self._space.counts, default=1)

    @property
    def covers(self) -> bool:
        """Whether every gene is a group with all of its options."""
        return self.groups == free_groups(self._space)

    def _draw_options(self, counts: np.ndarray) -> np.ndarray:
        order = self._rng.permutation(len(counts))
        order = order[np.argsort(counts[order], kind="stable")]  # those that were trained least come first
        repeated = np.resize(order, max(self.paths - len(order), 0))
        return self._rng.permutation(np.concatenate([np.sort(order[: self.paths]), repeated]))


class UniformSampler(Sampler):
    """Sampler of one uniformly drawn path per cycle, for comparison (single-path one-shot, Guo et al., ECCV 2020).

    Options are equally frequent only in the long run, and their order is random.
    """

    @property
    def paths(self) -> int:
        """Number of paths per cycle, which is 1."""
        return 1

    def _draw_options(self, counts: np.ndarray) -> np.ndarray:
        return self._rng.integers(len(counts), size=1)


SAMPLERS = {"strict": FairSampler, "uniform": UniformSampler}


def draw_covering_pool(
    space: Space, cycles: int, seed: int, groups: Optional[Sequence[Group]] = None
) -> List[Architecture]:
    """Draw the paths of some fair cycles, always the same, in which all options of a gene are equally frequent."""
    sampler = FairSampler(space, np.random.default_rng(seed), groups)
    return [architecture for _ in range(cycles) for architecture in sampler.draw_cycle()]


def draw_fair_sample(space: Space, count: int, seed: int) -> List[Architecture]:
    """Draw the paths of fair cycles until there are enough distinct architectures with equally frequent options.

    A cycle that repeats an architecture of the sample is drawn again.

    Args:
        space: Space of the architectures.
        count: Number of architectures, a multiple of the number of paths in a cycle.
        seed: Seed of the sampler.

    Raises:
        ValueError: The count is not such a multiple, or is so close to the size of the space that no sample was found.
    """
    sampler = FairSampler(space, np.random.default_rng(seed))
    if count % sampler.paths:
        raise ValueError(f"{count} is not a multiple of {sampler.paths}, the paths of a fair cycle")
    sample: Dict[Architecture, None] = {}
    for _ in range(100 + 10 * count):
        counts_before = sampler.counts
        sampler.counts = [counts.copy() for counts in counts_before]
        cycle = sampler.draw_cycle()
        if len({*cycle, *sample}) < len(cycle) + len(sample):
            sampler.counts = counts_before
            continue
        sample.update(dict.fromkeys(cycle))
        if len(sample) >= count:
            return list(sample)
    raise ValueError(f"found no {count} distinct architectures in fair cycles")


def route_paths(space: Space, architectures: List[Architecture]) -> Tuple[np.ndarray, np.ndarray]:
    """Return the routes of a cycle's paths through the options of each gene.

    The options of a gene are in slots: slot s holds option s, and if there are more paths than options, the remaining
    slots hold the repeated options.

    Args:
        space: Space of the architectures.
        architectures: One architecture per path, drawn by a ``FairSampler`` whose ``covers`` is true.

    Returns:
        Path that each slot serves, int32 [genes, paths]; and option in each slot, int32 [genes, paths].
    """
    paths = len(architectures)
    path_of = np.empty((len(space.genes), paths), np.int32)
    option_of = np.empty_like(path_of)
    for gene, count in enumerate(space.counts):
        unserved = list(range(paths))
        for slot in range(paths):
            path = next(path for path in unserved if slot >= count or architectures[path][gene] == slot)
            path_of[gene, slot] = path
            option_of[gene, slot] = architectures[path][gene]
            unserved.remove(path)
    return path_of, option_of


def assign_own_slots(architectures: List[Architecture]) -> Tuple[np.ndarray, np.ndarray]:
    """Return the routes of paths that may share options; each path has its own slot at every gene."""
    option_of = np.array(architectures, np.int32).T
    return np.tile(np.arange(len(architectures), dtype=np.int32), (len(option_of), 1)), option_of
