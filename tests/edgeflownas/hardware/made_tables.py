"""Cost tables of spaces of any size, with made-up figures."""

import itertools
from typing import Callable, Iterable, Sequence

import numpy as np

from edgeflownas.hardware.cost import CostTable, Figures, Network, Origin, TableFile, single_changes
from edgeflownas.network.space import Architecture
from tests.edgeflownas.hardware.tiny import grove


def make_table(
    counts: Sequence[int],
    figures: Callable[[Architecture], Figures],
    together: Iterable[Sequence[int]] = (),
    held_out: Iterable[Architecture] = (),
) -> CostTable:
    """Make a table from a function that returns an architecture's figures.

    Args:
        counts: Number of options of each gene.
        figures: Function that returns the compiled figures.
        together: Groups of genes of which all combinations are compiled.
        held_out: Architectures that the table was checked with.
    """
    compiled = set(single_changes(counts))
    for genes in together:
        for options in itertools.product(*(range(counts[gene]) for gene in genes)):
            chosen = dict(zip(genes, options))
            compiled.add(tuple(chosen.get(gene, 0) for gene in range(len(counts))))

    def digits(architecture: Architecture) -> str:
        return "".join(map(str, architecture))

    return CostTable(
        TableFile(
            origin=Origin(command="test", date="2024-01-01", seconds=1.0, vela="5.2.0", tensorflow="1.15.0"),
            board=grove().description(),
            network=Network(
                width=8,
                height_px=64,
                width_px=96,
                genes={f"G{gene}": [str(option) for option in range(count)] for gene, count in enumerate(counts)},
                skeleton_sha256="",
            ),
            error_percent={},
            compiled={digits(architecture): figures(architecture) for architecture in sorted(compiled)},
            held_out={digits(architecture): figures(architecture) for architecture in held_out},
        )
    )


def draw_figures(
    counts: Sequence[int], seed: int, together: Iterable[Sequence[int]] = (), step: int = 1
) -> Callable[[Architecture], Figures]:
    """Return a function of random figures that are additive, except for groups of genes.

    Args:
        counts: Number of options of each gene.
        seed: Seed of the figures.
        together: Groups of genes whose options add further cycles together, and share an SRAM peak.
        step: Smallest difference between two numbers of cycles.
    """
    rng = np.random.default_rng(seed)
    single = [[0, *np.cumsum(rng.integers(1, 40, count - 1))] for count in counts]
    npu_single = [[0, *np.cumsum(rng.integers(1, 40, count - 1))] for count in counts]
    peaks = [rng.choice([500, 530, 531, 560], count) for count in counts]
    groups = [(genes, rng.integers(-3, 30, [counts[gene] for gene in genes])) for genes in together]

    def figures(architecture: Architecture) -> Figures:
        cycles = 400 + sum(int(single[gene][option]) for gene, option in enumerate(architecture))
        npu_cycles = 300 + sum(int(npu_single[gene][option]) for gene, option in enumerate(architecture))
        sram_kib = max((int(peaks[gene][option]) for gene, option in enumerate(architecture) if option), default=530)
        for genes, extra in groups:
            options = tuple(architecture[gene] for gene in genes)
            if all(options):
                cycles += int(extra[options])
                npu_cycles += abs(int(extra[options]))
                sram_kib = max(sram_kib, 530 + int(extra[options]))
        return Figures(npu_cycles=npu_cycles * step, cycles=cycles * step, sram_kib=sram_kib)

    return figures
