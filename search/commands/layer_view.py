"""Tables of the cost of an architecture's parts on a board."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Figures
from edgeflownas.hardware.layers import Part, summarise_parts
from edgeflownas.hardware.networks import Networks
from edgeflownas.network.space import Architecture


@dataclass(frozen=True)
class LayerView:
    """The compiled figures of an architecture and of its parts.

    Attributes:
        figures: Figures of the whole network.
        parts: Parts of the network, in the order in which they begin to run.
    """

    figures: Figures
    parts: List[Part]

    def record(self) -> Dict[str, Any]:
        """Return the figures as plain Python types."""
        return {**self.figures.model_dump(), "parts": [asdict(part) for part in self.parts]}


def inspect_layers(compiler: Compiler, networks: Networks, architecture: Architecture) -> LayerView:
    """Compile an architecture twice: for the board, and for a board on which nothing waits for weights.

    Raises:
        InputError: Vela is missing, or the architecture cannot be compiled.
    """
    entry = compiler.inspect(networks, architecture)
    fast = compiler.for_board(compiler.board.without_waiting()).inspect(networks, architecture)
    return LayerView(entry.figures, summarise_parts(entry.layers, fast.layers))


def render_parts(name: str, view: LayerView) -> Table:
    """Return a table of the parts of an architecture."""
    table = _create_table(f"{name}: {view.figures.cycles:,} cycles, SRAM peak {view.figures.sram_kib:.1f} KiB")
    for heading in ("cycles", "share", "MAC use", "SRAM KiB", "waiting", "on CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in view.parts:
        table.add_row(
            part.name,
            f"{part.cycles:,}",
            f"{part.share:.1%}",
            f"{part.utilisation:.1f} %",
            f"{part.sram_kib:.1f}",
            f"{part.waiting:,}" if part.waiting else "",
            str(part.on_cpu or ""),
        )
    return table


def render_comparison(names: Sequence[str], views: Sequence[LayerView]) -> Table:
    """Return a table of the parts of two architectures and their differences, second minus first, in 80 columns."""
    table = _create_table(f"{names[1]} compared with {names[0]}: cycles; share and MAC use of the second")
    table.padding, table.show_edge = (0, 0, 0, 0), False
    for heading in (names[0], names[1], "difference", "waiting", "share", "MAC %", "SRAM KiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    first, second = ({part.name: part for part in view.parts} for view in views)
    for name in [*first, *(name for name in second if name not in first)]:
        a, b = first.get(name), second.get(name)
        cycles = [0 if part is None else part.cycles for part in (a, b)]
        waiting = [0 if part is None else part.waiting or 0 for part in (a, b)]
        sram = [0.0 if part is None else part.sram_kib for part in (a, b)]
        table.add_row(
            name,
            f"{cycles[0]:,}",
            f"{cycles[1]:,}",
            _format_signed(cycles[1] - cycles[0]),
            _format_signed(waiting[1] - waiting[0]),
            "" if b is None else f"{b.share:.1%}",
            "" if b is None else f"{b.utilisation:.1f}",
            f"{sram[1] - sram[0]:+.1f}" if sram[0] != sram[1] else "",
        )
    totals = [view.figures for view in views]
    table.add_section()
    table.add_row(
        "whole",
        *(f"{total.cycles:,}" for total in totals),
        _format_signed(totals[1].cycles - totals[0].cycles),
        *("", "", ""),
        f"{totals[1].sram_kib - totals[0].sram_kib:+.1f}",
    )
    return table


def _create_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("part", no_wrap=True)
    return table


def _format_signed(value: int) -> str:
    return f"{value:+,}" if value else ""
