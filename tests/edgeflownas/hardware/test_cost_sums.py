import itertools
from pathlib import Path
from typing import List

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflownas.hardware.cost import CostTable
from tests.edgeflownas.hardware.made_tables import draw_figures, make_table

SHIPPED = sorted((Path(__file__).parents[3] / "configs" / "hardware").glob("*_c*.yaml"))
FIGURES = ("fps", "latency_ms", "sram_kib", "npu_cycles")


def check_costs(table: CostTable, genes: np.ndarray) -> None:
    """Check that the sums give every architecture the costs of the table, to the last bit."""
    costs = table.sums().costs(genes)
    for row, architecture in enumerate(genes.tolist()):
        cost = table.cost(architecture)
        assert [costs[name][row] for name in FIGURES] == [getattr(cost, name) for name in FIGURES]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=5),
    st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=3, unique=True), max_size=2),
    st.integers(0, 2**32 - 1),
)
def test_sums_equal_the_costs_of_the_table(counts: List[int], groups: List[List[int]], seed: int) -> None:
    together = [sorted(group) for group in groups if max(group) < len(counts)]
    everything = list(itertools.product(*map(range, counts)))
    # Figures that are not additive where nothing was compiled together are exceptions, or errors of the predictions.
    figures = draw_figures(counts, seed, [*together, list(range(len(counts)))])
    held_out = [everything[i] for i in np.random.default_rng(seed).integers(len(everything), size=5)]
    table = make_table(counts, figures, together, held_out)
    check_costs(table, np.array(everything, np.uint8))
    sums = table.sums()
    assert sorted(gene for part in sums.parts for gene in part.genes) == list(range(len(counts)))
    assert set(sums.exceptions) <= set(held_out)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_sums_equal_the_costs_of_the_shipped_tables(path: Path) -> None:
    table = CostTable.load(path)
    counts = [len(options) for options in table.content.network.genes.values()]
    rng = np.random.default_rng(0)
    check_costs(table, rng.integers(counts, size=(400, len(counts))).astype(np.uint8))


def test_parts_hold_the_genes_that_were_compiled_together() -> None:
    table = make_table((3, 2, 2, 4, 2), draw_figures((3, 2, 2, 4, 2), 1), [(0, 3), (3, 4)])
    assert [part.genes for part in table.sums().parts] == [(0, 3, 4), (1,), (2,)]
