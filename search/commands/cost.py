"""``cost``: makes a hardware cost table with Arm's compiler, and shows what architectures cost."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.progress import progress, say
from search.options import run_options
from search.run import Run


@click.group()
def command() -> None:
    """Builds and shows hardware cost tables from Arm's compiler."""


@command.command()
@run_options
@click.option("--board", type=click.Path(path_type=Path), help="Board to build for; default hardware.board.")
@click.option("--output", type=click.Path(path_type=Path), help="File of the table; default hardware.table.")
@click.option("--checks", default=20, show_default=True, type=click.IntRange(1), help="Held-out architectures.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Compiles side by side.")
def build(run: Run, board: Optional[Path], output: Optional[Path], checks: int, jobs: int) -> None:
    """Makes the cost table of the space on a board: a few compiles, then a check on others.

    What was compiled before, also by a build that was interrupted, is not compiled again.
    """
    from edgeflownas.hardware.build import build_table
    from edgeflownas.hardware.compiler import Compiler

    hardware = run.config.hardware
    if board is not None:
        hardware = hardware.model_copy(update={"board": str(board)})
    path = output or Path(hardware.table)
    words = " ".join(shlex.quote(word) for word in ["edgeflownas-search", *sys.argv[1:]])
    data = run.config.data
    table = build_table(Compiler.of(hardware), run.skeleton, *data.padded_size, checks, jobs, words)
    table.save(path)
    content = table.content
    say(f"{path}: {len(content.compiled)} compiles by Vela {content.origin.vela}, checked on {checks} others:")
    for name, error in content.error_percent.items():
        say(f"  {name}: off by {error.mean:.4f} % on average, {error.max:.4f} % at most")


@command.command()
@run_options
@click.argument("architectures", nargs=-1, required=True, metavar="ARCH...")
@click.option("--compile", "compiled", is_flag=True, help="Ask the compiler instead of the table.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def show(run: Run, architectures: Tuple[str, ...], compiled: bool, as_json: bool) -> None:
    """Shows what architectures cost on the board."""
    found = _compiled(run, architectures) if compiled else _from_table(run, architectures)
    if as_json:
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        Console(highlight=False).print(_shown(run, found))


def _from_table(run: Run, architectures: Tuple[str, ...]) -> List[Dict[str, Any]]:
    """The table's word on architectures."""
    hardware, data = run.config.hardware, run.config.data
    table = CostTable.load(Path(hardware.table))
    table.check(run.skeleton, *data.padded_size)
    table.check_board(Board.load(Path(hardware.board)))
    return [{"architecture": text, **asdict(table.cost(run.space.parse(text)))} for text in architectures]


def _compiled(run: Run, architectures: Tuple[str, ...]) -> List[Dict[str, Any]]:
    """The compiler's."""
    from edgeflownas.hardware.compiler import Compiler

    parsed = [run.space.parse(text) for text in architectures]
    data = run.config.data
    compiler = Compiler.of(run.config.hardware)
    found = []
    with progress(f"compiling for {compiler.board.settings.name}", len(parsed)) as bar:
        for text, architecture in zip(architectures, parsed):
            cost = compiler.cost(run.skeleton, architecture, *data.padded_size)
            found.append({"architecture": text, **asdict(cost)})
            bar.advance(text)
    return found


def _shown(run: Run, found: List[Dict[str, Any]]) -> Table:
    """The figures for people."""
    data = run.config.data
    board = Board.load(Path(run.config.hardware.board))
    title = (
        f"{board.settings.name}, c = {run.skeleton.width}, {data.height}x{data.width}; arena {board.arena_kib:.1f} KiB"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("architecture", no_wrap=True)
    for heading in ("FPS", "ms", "SRAM KiB", "Mcycles", "MMACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    for record in found:
        macs = run.skeleton.macs(run.space.parse(record["architecture"]), *data.padded_size)
        table.add_row(
            record["architecture"],
            f"{record['fps']:.2f}",
            f"{record['latency_ms']:.3f}",
            f"{record['sram_kib']:.1f}",
            f"{record['npu_cycles'] / 1e6:.3f}",
            f"{macs / 1e6:.1f}",
            record["source"],
        )
    return table
