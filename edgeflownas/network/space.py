"""The search space: genes, architectures, and their notation as digits. Independent of TensorFlow.

An architecture is a tuple with one option per gene, ``(2, 1, 0, 0, 1, 2, 0, 0, 1)``, written ``210012001``. The options
of each gene are ordered from light (0) to heavy. The only architecture of a space without genes is written ``0``.
"""

import functools
import itertools
import operator
from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.skeleton import Skeleton

Architecture = Tuple[int, ...]

ONLY = "0"  # the only architecture of a space without genes
_SHOWN = 40  # characters of an invalid text that a message quotes


@dataclass(frozen=True)
class Gene:
    """One choice: its name, its place in the network, and its options from light to heavy."""

    name: str
    place: str
    options: Tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """All combinations of the genes' options.

    Attributes:
        genes: Genes in the order of the network.
        backbone: Number of genes, counted from the first, that precede the heads.
        outputs: Indices of the flow stages' genes, which affect nothing but the flow.
        counts: Number of options of each gene.
    """

    genes: Tuple[Gene, ...]
    backbone: int
    outputs: Tuple[int, ...]
    counts: Tuple[int, ...] = field(init=False, repr=False, compare=False)

    @classmethod
    def from_skeleton(cls, skeleton: Skeleton) -> "Space":
        """Return the space of a skeleton's choice blocks; the heads begin at the first flow stage."""
        genes: List[Gene] = []
        outputs: List[int] = []
        backbone: Optional[int] = None
        for stage in skeleton.stages:
            if stage.is_flow and backbone is None:
                backbone = len(genes)
            if not stage.is_gene:
                continue
            if stage.is_flow:
                outputs.append(len(genes))
            kind = stage.options[0][0].kind
            genes.append(Gene(stage.name, f"{kind} at 1/{skeleton.scale(stage)}", stage.labels))
        return cls(tuple(genes), len(genes) if backbone is None else backbone, tuple(outputs))

    def __post_init__(self) -> None:
        """Count the options, and reject a gene whose options do not fit in one digit."""
        for gene in self.genes:
            if not 2 <= len(gene.options) <= 10:
                raise ValueError(f"gene {gene.name} has {len(gene.options)} options: a gene has 2 to 10")
        object.__setattr__(self, "counts", tuple(len(gene.options) for gene in self.genes))

    @property
    def size(self) -> int:
        """Number of architectures."""
        return functools.reduce(operator.mul, self.counts, 1)

    def parse(self, text: str) -> Architecture:
        """Read an architecture from its digits.

        Raises:
            InputError: The text does not have one digit per gene, or names an option that a gene does not have.
        """
        if not self.genes:
            if text != ONLY:
                raise InputError(f"architecture {text[:_SHOWN]!r}: the space has no genes; name its network as {ONLY}")
            return ()
        if len(text) != len(self.genes) or not (text.isascii() and text.isdigit()):
            example = "".join("0" for _ in self.genes)
            raise InputError(
                f"architecture {text[:_SHOWN]!r}: must be {len(self.genes)} digits, one per gene "
                f"({' '.join(gene.name for gene in self.genes)}), such as {example}"
            )
        architecture = tuple(int(digit) for digit in text)
        for gene, option in zip(self.genes, architecture):
            if option >= len(gene.options):
                raise InputError(
                    f"architecture {text[:_SHOWN]!r}: gene {gene.name} has options 0 to {len(gene.options) - 1}, "
                    f"not {option}"
                )
        return architecture

    def format(self, architecture: Sequence[int]) -> str:
        """Write an architecture as digits."""
        return "".join(str(int(option)) for option in architecture) or ONLY

    def all(self) -> Iterator[Architecture]:
        """Yield all architectures in the order of their digits (depth first)."""
        return itertools.product(*map(range, self.counts))

    def index(self, architecture: Sequence[int]) -> int:
        """Return the index of an architecture in ``all``.

        Raises:
            LookupError: The architecture is not in this space.
        """
        counts, index = self.counts, 0
        if len(architecture) != len(counts):
            raise LookupError(f"an architecture has {len(counts)} genes, not {len(architecture)}")
        for option, count in zip(architecture, counts):
            if not 0 <= option < count:
                raise LookupError(f"a gene with {count} options has no option {option}")
            index = index * count + option
        return index

    def indices(self, genes: Union[np.ndarray, Sequence[Sequence[int]]]) -> np.ndarray:
        """Return the indices [N] of architectures, or of rows of genes [N, genes], in ``all``.

        Raises:
            ValueError: An architecture is not in this space.
        """
        table = np.reshape(np.array(genes, int), (-1, len(self.genes)))
        return np.ravel_multi_index(tuple(table.T), self.counts)

    def architectures_at(self, indices: np.ndarray) -> List[Architecture]:
        """Return the architectures at the given indices of ``all``."""
        return [tuple(genes) for genes in np.transpose(np.unravel_index(indices, self.counts)).tolist()]

    def trunk(self, architecture: Architecture) -> Architecture:
        """Return the options of an architecture except those of the flow outputs."""
        return tuple(option for place, option in enumerate(architecture) if place not in self.outputs)

    def expand_outputs(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Combine each architecture with all flow outputs, in order: [architectures, combinations, genes]."""
        combinations = np.array(list(np.ndindex(*(self.counts[place] for place in self.outputs))), int)
        genes = np.reshape(np.array(architectures, int), (-1, 1, len(self.genes))).repeat(len(combinations), axis=1)
        genes[:, :, list(self.outputs)] = combinations
        return genes

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture uniformly."""
        return tuple(int(rng.integers(count)) for count in self.counts)
