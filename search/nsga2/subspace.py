"""The part of a space that is searched: some or all options of every gene."""

import functools
import operator
from typing import Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space


class Subspace:
    """All combinations of some options of a space's genes. Its architectures keep their digits in the space.

    Attributes:
        space: The space.
        options: Options of each gene that are searched, from light to heavy.
        size: Number of architectures.
    """

    def __init__(self, space: Space, options: Optional[Sequence[Sequence[int]]] = None) -> None:
        """Initialise the subspace.

        Args:
            space: The space.
            options: Options of each gene, sorted and at least one; if None, all.
        """
        self.space = space
        searched_options = [range(count) for count in space.counts] if options is None else options
        self.options: Tuple[Tuple[int, ...], ...] = tuple(tuple(searched) for searched in searched_options)
        self.size = multiply(map(len, self.options))
        self._is_searched = np.zeros((len(self.options), max(space.counts, default=1)), bool)
        for gene, searched in enumerate(self.options):
            self._is_searched[gene, list(searched)] = True

    @classmethod
    def of(cls, space: Space, options: Mapping[str, Sequence[str]]) -> "Subspace":
        """Return the subspace with the named options of some genes, and all options of the others.

        Args:
            space: The space.
            options: Names of the options by name of the gene.

        Raises:
            InputError: There is no such gene or option.
        """
        by_name = {gene.name: gene for gene in space.genes}
        for name, wanted in options.items():
            if name not in by_name:
                raise InputError(f"evolution.options: there is no gene {name}; the genes are {', '.join(by_name)}")
            for option in wanted:
                if option not in by_name[name].options:
                    known = ", ".join(by_name[name].options)
                    raise InputError(f"evolution.options.{name}: there is no option {option}; the options are {known}")
        return cls(
            space,
            [
                [place for place, option in enumerate(gene.options) if option in options.get(gene.name, gene.options)]
                for gene in space.genes
            ],
        )

    def contains(self, genes: np.ndarray) -> np.ndarray:
        """Return which architectures [N, genes] are in the subspace, bool [N]."""
        return np.asarray(self._is_searched[np.arange(genes.shape[1]), genes].all(axis=1))

    def all(self) -> np.ndarray:
        """Return all architectures in the order of their digits, uint8 [size, genes]."""
        genes = np.empty((self.size, len(self.options)), np.uint8)
        repeats = self.size
        for gene, searched in enumerate(self.options):
            repeats //= len(searched)
            column = np.repeat(np.array(searched, np.uint8), repeats)
            genes[:, gene] = np.tile(column, self.size // len(column))
        return genes

    def expand_outputs(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Combine each architecture with all searched flow outputs, in order: [architectures, combinations, genes]."""
        outputs = list(self.space.outputs)
        combinations = np.array(list(np.ndindex(*(self.space.counts[gene] for gene in outputs))), int)
        searched = self._is_searched[outputs, combinations].all(axis=1)
        return np.asarray(self.space.expand_outputs(architectures)[:, searched])


def multiply(factors: Iterable[int]) -> int:
    """Return a product of any size."""
    return functools.reduce(operator.mul, factors, 1)


def choose_integers(largest: int) -> type:
    """Return a type for arrays of integers up to the given one, which are exact."""
    return np.int64 if largest < 1 << 62 else object


def number_architectures(genes: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Return the numbers of architectures [N, genes] in the order of their digits, integers [N] of any size."""
    dtype = choose_integers(multiply(counts))
    numbers: np.ndarray = np.zeros(len(genes), dtype)
    for gene, count in enumerate(counts):
        numbers = numbers * count + genes[:, gene].astype(dtype)
    return numbers
