"""``cost``: makes a hardware cost table with Arm's compiler, and shows what architectures cost."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Cost, CostTable
from edgeflownas.hardware.networks import RANDOM
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import use_previous
from search.commands import layer_view
from search.commands.options import InOrder, run_options
from search.run import Run


@click.group(cls=InOrder)
def command() -> None:
    """Builds and shows hardware cost tables from Arm's compiler."""


@command.command()
@run_options
@click.option("--board", type=click.Path(path_type=Path), help="Board to build for; default hardware.board.")
@click.option("--output", type=click.Path(path_type=Path), help="File of the table; default hardware.table.")
@click.option("--checks", default=20, show_default=True, type=click.IntRange(1), help="Held-out architectures.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Compiles side by side.")
@click.option("--from-previous", is_flag=True, help="Only put the table before in the place of one that is damaged.")
def build(
    run: Run, board: Optional[Path], output: Optional[Path], checks: int, jobs: int, from_previous: bool
) -> None:
    """Makes the cost table of the space on a board: a few compiles, then a check on others.

    It is made for the supernet's weights, or, as long as there are none, for random ones. What was compiled before,
    also by a build that was interrupted, is not compiled again.
    """
    from edgeflownas.hardware.build import build_tables
    from edgeflownas.hardware.compiler import Compiler

    hardware = run.config.hardware
    if board is not None:
        if output is None and board.resolve() != Path(hardware.board).resolve():
            raise InputError(
                f"--board {board}: name the file of its table with --output; hardware.table, {hardware.table}, is that "
                f"of hardware.board, {hardware.board}"
            )
        hardware = hardware.model_copy(update={"board": str(board)})
    path = output or Path(hardware.table)
    if from_previous:
        mended = use_previous(path, CostTable.load)
        say(f"{path}: was damaged, and is now the one before" if mended else f"{path}: is not damaged")
        return
    words = " ".join(shlex.quote(word) for word in ["edgeflownas-search", *sys.argv[1:]])
    compiler, networks = Compiler.from_config(hardware), run.networks()
    say(f"{run.weights_said()}; {compiler.summary()}")
    (table,) = build_tables([compiler], networks, checks, jobs, words)
    table.save(path)
    content = table.content
    say(f"{path}: {len(content.compiled)} compiles by Vela {content.origin.vela}, checked on {checks} others:")
    for meeting in content.together:
        say(f"  {', '.join(meeting.genes)} were compiled in combination: they meet in {', '.join(meeting.why)}")
    for name, error in content.error_percent.items():
        say(f"  {name}: off by {error.mean:.4f} % on average, {error.max:.4f} % at most")


@command.command()
@run_options
@click.argument("architectures", nargs=-1, required=True, metavar="ARCH...")
@click.option("--compile", "compiled", is_flag=True, help="Ask the compiler instead of the table.")
@click.option("--layers", is_flag=True, help="Compile, and show the parts of the network; of two: the difference.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def show(run: Run, architectures: Tuple[str, ...], compiled: bool, layers: bool, as_json: bool) -> None:
    """Shows what architectures cost on the board."""
    if layers:
        _show_layers(run, architectures, as_json)
        return
    found, settings = _compiled(run, architectures) if compiled else _from_table(run, architectures)
    if as_json:
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        console = Console(highlight=False)
        console.print(_shown(run, found, settings))
        _say_misfits(console, Board.load(Path(run.config.hardware.board)), found)


def _from_table(run: Run, architectures: Tuple[str, ...]) -> Tuple[List[Dict[str, Any]], str]:
    """The table's word on architectures, and what it hangs on."""
    table, board = run.cost_table()
    origin, weights = table.content.origin, table.content.origin.weights
    mine = checkpoint.digest(run.supernet_weights()) if run.supernet_file.exists() else RANDOM
    table = table.for_weights(mine, run.config.hardware.vela_version)
    found = [_record(text, table.cost(run.space.parse(text)), board, origin.vela) for text in architectures]
    said = f"table of {'random weights' if weights == RANDOM else f'the weights {weights:.12} (sha256)'}"
    return found, f"{board.summary(origin.vela)}; {said}"


def _compiled(run: Run, architectures: Tuple[str, ...]) -> Tuple[List[Dict[str, Any]], str]:
    """The compiler's."""
    from edgeflownas.hardware.compiler import Compiler

    parsed = [run.space.parse(text) for text in architectures]
    compiler = Compiler.from_config(run.config.hardware)
    settings, networks = f"{compiler.summary()}; {run.weights_said()}", run.networks()
    found = []
    with progress(f"compiling for {compiler.board.settings.name}", len(parsed)) as bar:
        for text, architecture in zip(architectures, parsed):
            cost = compiler.cost(networks, architecture)
            found.append(_record(text, cost, compiler.board, compiler.vela.version))
            bar.advance(text)
    return found, settings


def _record(architecture: str, cost: Cost, board: Board, vela: str) -> Dict[str, Any]:
    """An architecture's cost in plain types, and what it hangs on."""
    fits = board.misfit(cost.sram_kib) is None
    return {"architecture": architecture, **asdict(cost), "fits": fits, **board.provenance(vela)}


def _say_misfits(console: Console, board: Board, found: Sequence[Mapping[str, Any]]) -> None:
    """Names the networks that the board has no room for."""
    for record in found:
        misfit = board.misfit(record["sram_kib"])
        if misfit is not None:
            say(f"{record['architecture']} {misfit}", console)


def _shown(run: Run, found: List[Dict[str, Any]], settings: str) -> Table:
    """The figures for people."""
    data = run.config.data
    board = Board.load(Path(run.config.hardware.board))
    title = (
        f"{board.settings.name}, c = {run.skeleton.width}, {data.height}x{data.width}; arena {board.arena_kib:.1f} KiB"
    )
    table = Table(title=title, caption=settings, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
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


def _show_layers(run: Run, architectures: Tuple[str, ...], as_json: bool) -> None:
    """Shows one architecture by its parts, or two side by side."""
    from edgeflownas.hardware.compiler import Compiler

    if len(architectures) > 2:
        raise click.UsageError(f"--layers: shows one architecture, or the difference of two, not {len(architectures)}")
    compiler = Compiler.from_config(run.config.hardware)
    views, networks = [], run.networks()
    with progress(f"compiling for {compiler.board.settings.name}", len(architectures)) as bar:
        for text in architectures:
            views.append(layer_view.view(compiler, networks, run.space.parse(text)))
            bar.advance(text)
    board, vela = compiler.board, compiler.vela.version
    found = [
        {"architecture": text, **each.record(), "fits": board.misfit(each.figures.sram_kib) is None,
         **board.provenance(vela)}
        for text, each in zip(architectures, views)
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(found, indent=2, allow_nan=False))
        return
    table = layer_view.one(architectures[0], views[0]) if len(views) == 1 else layer_view.two(architectures, views)
    console = Console(highlight=False)
    console.print(table)
    say(f"{board.settings.name}: {board.summary(vela)}; {run.weights_said()}", console)
    _say_misfits(console, board, found)
