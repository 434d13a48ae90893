"""Predicted costs of many architectures at once, as sums over parts of the genes.

Genes whose costs depend on each other form a *part*; every other gene is a part by itself. The cycles of an
architecture are those of the lightest one plus the cycles that the options of each part add. Its SRAM peak is the
highest peak of its parts. A part adds no cycles if its genes all have their lightest option, and has no peak if this is
so for its genes that affect the peak.
"""

from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np

from edgeflownas.network.space import Architecture


class TableFigures(NamedTuple):
    """The figures of an architecture that a table holds or predicts.

    Attributes:
        npu_cycles: Cycles in which the NPU computes.
        cycles: All cycles of an inference, including waiting for memory.
        sram_kib: Peak use of the arena, in KiB.
    """

    npu_cycles: int
    cycles: int
    sram_kib: float


class Part(NamedTuple):
    """The genes of a part, and the figures of all combinations of their options, in the order of their digits.

    Attributes:
        genes: Ascending places of the genes.
        counts: Number of options of each of these genes.
        npu_cycles: NPU cycles that a combination adds, int64 [combinations].
        cycles: Cycles that a combination adds, int64 [combinations].
        sram_kib: SRAM peak in KiB, -inf if there is none, float64 [combinations].
    """

    genes: Tuple[int, ...]
    counts: Tuple[int, ...]
    npu_cycles: np.ndarray
    cycles: np.ndarray
    sram_kib: np.ndarray

    def combinations(self, genes: np.ndarray) -> np.ndarray:
        """Return the numbers of the combinations that architectures [N, genes] have, shape [N]."""
        columns = tuple(genes[:, gene].astype(np.intp) for gene in self.genes)
        return np.ravel_multi_index(columns, self.counts)


class CostSums:
    """The costs of a table as sums over parts.

    Attributes:
        lightest: Figures of the lightest architecture.
        parts: Parts, sorted by their first gene.
        exceptions: Figures of the architectures that do not have the predicted ones.
        clock_hz: Clock rate of the NPU.
    """

    def __init__(
        self,
        counts: Sequence[int],
        predict: Callable[[Architecture], TableFigures],
        compiled: Iterable[Architecture],
        known: Mapping[Architecture, TableFigures],
        affects_sram: Sequence[bool],
        clock_hz: float,
    ) -> None:
        """Split the predictions of a table.

        Args:
            counts: Number of options of each gene.
            predict: Function that predicts the figures of an architecture.
            compiled: Architectures that the predictions are derived from.
            known: Figures that replace the predicted ones.
            affects_sram: Whether a gene affects the predicted SRAM peak, for each gene.
            clock_hz: Clock rate of the NPU.
        """
        self.lightest = predict((0,) * len(counts))
        self.parts = [
            self._make_part(genes, counts, predict, affects_sram) for genes in _join_genes(len(counts), compiled)
        ]
        self.exceptions = {
            architecture: figures for architecture, figures in known.items() if figures != predict(architecture)
        }
        self.clock_hz = clock_hz

    def costs(self, genes: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the costs of architectures [N, genes] by name, each float64 [N]; equal to those of the table."""
        npu_cycles = np.full(len(genes), self.lightest.npu_cycles, np.int64)
        cycles = np.full(len(genes), self.lightest.cycles, np.int64)
        sram_kib = np.full(len(genes), -np.inf)
        for part in self.parts:
            combinations = part.combinations(genes)
            npu_cycles += part.npu_cycles[combinations]
            cycles += part.cycles[combinations]
            np.maximum(sram_kib, part.sram_kib[combinations], out=sram_kib)
        sram_kib[np.isneginf(sram_kib)] = self.lightest.sram_kib
        for row, figures in self._find_exceptions(genes):
            npu_cycles[row], cycles[row], sram_kib[row] = figures
        return {**self.speed(cycles), "sram_kib": sram_kib, "npu_cycles": npu_cycles.astype(np.float64)}

    def speed(self, cycles: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the frames per second and the latency in ms of numbers of cycles."""
        seconds = cycles / self.clock_hz
        with np.errstate(divide="ignore"):
            return {"fps": 1 / seconds, "latency_ms": seconds * 1e3}

    def _find_exceptions(self, genes: np.ndarray) -> Iterator[Tuple[int, TableFigures]]:
        """Yield the rows of architectures [N, genes] that are exceptions, with their figures."""
        by_digits = {bytes(architecture): figures for architecture, figures in self.exceptions.items()}
        if by_digits:
            length, digits = genes.shape[1], genes.astype(np.uint8).tobytes()
            for row in range(len(genes)):
                figures = by_digits.get(digits[row * length : (row + 1) * length])
                if figures is not None:
                    yield row, figures

    def _make_part(
        self,
        genes: Tuple[int, ...],
        counts: Sequence[int],
        predict: Callable[[Architecture], TableFigures],
        affects_sram: Sequence[bool],
    ) -> Part:
        own_counts = tuple(counts[gene] for gene in genes)
        options = np.zeros((int(np.prod(own_counts)), len(counts)), int)
        options[:, genes] = list(np.ndindex(*own_counts))
        npu_cycles, cycles, sram_kib = zip(*(predict(tuple(row)) for row in options.tolist()))
        has_peak = (options[:, np.array(affects_sram, bool)] > 0).any(axis=1)
        return Part(
            genes=genes,
            counts=own_counts,
            npu_cycles=np.array(npu_cycles, np.int64) - self.lightest.npu_cycles,
            cycles=np.array(cycles, np.int64) - self.lightest.cycles,
            sram_kib=np.where(has_peak, sram_kib, -np.inf),
        )


def _join_genes(count: int, compiled: Iterable[Architecture]) -> List[Tuple[int, ...]]:
    """Return the parts: sets of genes that were changed together in some compiled architecture, joined if they meet."""
    parts: List[Set[int]] = [{gene} for gene in range(count)]
    for architecture in compiled:
        changed = {gene for gene, option in enumerate(architecture) if option}
        meeting = [part for part in parts if part & changed]
        parts = [part for part in parts if not part & changed]
        if meeting:
            parts.append(set().union(*meeting))
    return sorted(tuple(sorted(part)) for part in parts)
