"""Strict fairness (Chu et al., FairNAS, ICCV 2021, section 3.2): every option of every gene, equally often.

A cycle trains as many paths as the largest gene has options. Each gene deals its options to the paths in a random
order, so that each is trained once a cycle. A gene with fewer options repeats some of them, in turn, so that its counts
never differ by more than one.

What is dealt is a *group* of genes with the options that it may take: usually one gene with all of its options. Genes
that are fixed are a group that may be one thing only; backbones that were kept are a group of as many as were kept. A
group with more options than a cycle has paths deals those that were dealt least.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.network.space import Architecture, Space


class Group(NamedTuple):
    """Neighbouring genes that are dealt together.

    Attributes:
        first: number of the first of them.
        options: what they may be, distinct, each as long as there are genes in the group.
    """

    first: int
    options: Tuple[Architecture, ...]

    def names(self, space: Space) -> str:
        """The names of its genes."""
        return "+".join(gene.name for gene in space.genes[self.first : self.first + len(self.options[0])])


def free_groups(space: Space) -> List[Group]:
    """Every gene by itself, with all of its options."""
    return [Group(gene, tuple((option,) for option in range(count))) for gene, count in enumerate(space.counts)]


class Sampler:
    """Deals the options of each cycle and counts them.

    Attributes:
        groups: what is dealt, in the order of the genes.
        counts: how often each option of each group was dealt: [options] per group.
    """

    def __init__(self, space: Space, rng: np.random.Generator, groups: Optional[Sequence[Group]] = None) -> None:
        """Takes the space, the source of chance, and what is dealt; None: every gene by itself."""
        self._space = space
        self._rng = rng
        self.groups = list(groups or free_groups(space))
        self.counts: List[np.ndarray] = [np.zeros(len(group.options), np.int64) for group in self.groups]

    @property
    def paths(self) -> int:
        """Paths per cycle."""
        raise NotImplementedError

    @property
    def covers(self) -> bool:
        """Whether each cycle holds every option of every gene."""
        return False

    def _dealt(self, counts: np.ndarray) -> np.ndarray:
        """Options of one group, by number, for the paths of a cycle."""
        raise NotImplementedError

    def draw_cycle(self) -> List[Architecture]:
        """Deals one cycle: the architecture of each path."""
        paths: List[Architecture] = [()] * self.paths
        for group, counts in zip(self.groups, self.counts):
            dealt = self._dealt(counts)
            np.add.at(counts, dealt, 1)
            paths = [path + group.options[option] for path, option in zip(paths, dealt.tolist())]
        return paths

    def gap(self) -> int:
        """Largest difference between the counts of two options of one group: 0 is strictly fair."""
        return max(int(counts.max() - counts.min()) for counts in self.counts)

    def report(self) -> Dict[str, Any]:
        """How often each option of each group was dealt, and the largest difference, for JSON."""
        counts = {group.names(self._space): counts.tolist() for group, counts in zip(self.groups, self.counts)}
        report: Dict[str, Any] = {"gap": self.gap(), "counts": counts}
        if self.groups != free_groups(self._space):
            report["options"] = {
                group.names(self._space): [self._space.format(option) for option in group.options]
                for group in self.groups
            }
        return report

    def state(self) -> Dict[str, Any]:
        """All that the next cycle depends on, for JSON."""
        return {"rng": self._rng.bit_generator.state, "counts": [counts.tolist() for counts in self.counts]}

    def restore(self, state: Dict[str, Any]) -> None:
        """Goes on from a state."""
        self._rng.bit_generator.state = state["rng"]
        self.counts = [np.array(counts, np.int64) for counts in state["counts"]]


class FairSampler(Sampler):
    """Strict fairness."""

    @property
    def paths(self) -> int:
        """As many as the largest gene has options."""
        return max(self._space.counts)

    @property
    def covers(self) -> bool:
        """So it is where every gene is free."""
        return self.groups == free_groups(self._space)

    def _dealt(self, counts: np.ndarray) -> np.ndarray:
        order = self._rng.permutation(len(counts))
        order = order[np.argsort(counts[order], kind="stable")]  # the least trained first
        repeated = np.resize(order, max(self.paths - len(order), 0))
        return self._rng.permutation(np.concatenate([np.sort(order[: self.paths]), repeated]))


class UniformSampler(Sampler):
    """Single-path uniform sampling (Guo et al., SPOS, ECCV 2020), to compare with: one path a cycle, drawn at random.

    Options are equally frequent only in the long run; which of them came last is left to chance.
    """

    @property
    def paths(self) -> int:
        """One."""
        return 1

    def _dealt(self, counts: np.ndarray) -> np.ndarray:
        return self._rng.integers(len(counts), size=1)


SAMPLERS = {"strict": FairSampler, "uniform": UniformSampler}


def draw_covering_pool(
    space: Space, cycles: int, seed: int, groups: Optional[Sequence[Group]] = None
) -> List[Architecture]:
    """A fixed sample in which every option of every gene is equally frequent: the paths of some fair cycles."""
    sampler = FairSampler(space, np.random.default_rng(seed), groups)
    return [architecture for _ in range(cycles) for architecture in sampler.draw_cycle()]


def draw_fair_sample(space: Space, count: int, seed: int) -> List[Architecture]:
    """Distinct architectures in which every option of every gene is equally frequent: the paths of some fair cycles.

    A cycle that holds an architecture which is there already is dealt anew.

    Args:
        space: of the architectures.
        count: how many, a multiple of the paths of a cycle.
        seed: of the dealing.

    Raises:
        ValueError: the count is no such multiple, or so near the space's size that there is no such sample.
    """
    sampler = FairSampler(space, np.random.default_rng(seed))
    if count % sampler.paths:
        raise ValueError(f"{count} is not a multiple of {sampler.paths}, the paths of a fair cycle")
    sample: Dict[Architecture, None] = {}
    for _ in range(100 + 10 * count):
        before = sampler.counts
        sampler.counts = [counts.copy() for counts in before]
        cycle = sampler.draw_cycle()
        if len({*cycle, *sample}) < len(cycle) + len(sample):
            sampler.counts = before
            continue
        sample.update(dict.fromkeys(cycle))
        if len(sample) >= count:
            return list(sample)
    raise ValueError(f"there are no {count} distinct architectures in fair cycles")


def route_paths(space: Space, architectures: List[Architecture]) -> Tuple[np.ndarray, np.ndarray]:
    """How a cycle's paths meet the options.

    A gene's options stand in slots: slot s holds option s, and where there are more paths than options, the further
    slots hold what is repeated.

    Args:
        space: of the architectures.
        architectures: one per path, from a ``FairSampler`` that ``covers``.

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


def assign_own_slots(architectures: List[Architecture]) -> Tuple[np.ndarray, np.ndarray]:
    """The routing of paths that may take the same options: each path has a slot of its own at every gene."""
    option_of = np.array(architectures, np.int32).T
    return np.tile(np.arange(len(architectures), dtype=np.int32), (len(option_of), 1)), option_of
