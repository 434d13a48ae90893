"""``cost``: hardware cost tables from Arm's compiler, and the cost of architectures."""

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
from edgeflownas.shipped.locate import shorten
from edgeflownas.storage.files import report_restored, use_previous
from edgeflownas.terminal import open_console, print_table
from search.commands import cost_import, layer_view
from search.commands.options import NamedFile, PathOption, json_option, print_json, run_options
from search.groups import OrderedGroup
from search.run import Run
from search.storage.compiled_costs import read_compiled_costs, read_final_costs
from search.storage.measurements import read_measurements
from search.weights import WeightsOrigin


@click.group(cls=OrderedGroup)
def command() -> None:
    """Show costs on a board, build tables that predict them, and import measured ones."""


@command.command()
@run_options
@click.option(
    "--board",
    type=NamedFile("configs/hardware", "board"),
    help="File of the board to build for, or its name in configs/hardware/. Default: hardware.board.",
)
@click.option("--output", type=PathOption(), help="File to write the table to. Default: hardware.table.")
@click.option(
    "--checks", default=20, show_default=True, type=click.IntRange(1), help="Number of architectures for the check."
)
@click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(1), help="Number of compilations that run in parallel."
)
@click.option("--from-previous", is_flag=True, help="Replace a damaged table with the previous one; build nothing.")
def build(run: Run, board: Optional[Path], output: Optional[Path], checks: int, jobs: int, from_previous: bool) -> None:
    """Build the cost table for a board.

    A few architectures are compiled to build the table. It is then checked on other architectures.

    The table applies to the supernet's weights, or to random weights if there is no supernet yet. Architectures that
    were compiled before, even by an interrupted build, are not compiled again.
    """
    from edgeflownas.hardware.build import build_tables
    from edgeflownas.hardware.compiler import Compiler

    hardware = run.config.hardware
    if board is not None:
        if output is None and board.resolve() != Path(hardware.board).resolve():
            raise InputError(
                f"--board {board}: name the file of its table with --output; hardware.table ({hardware.table}) is for "
                f"hardware.board ({hardware.board})"
            )
        hardware = hardware.model_copy(update={"board": str(board)})
    path = output or Path(shorten(hardware.table))
    if from_previous:
        if use_previous(path, CostTable.load):
            report_restored(path)
        else:
            say(f"{path}: is not damaged")
        return
    command_line = " ".join(shlex.quote(word) for word in ["edgeflownas-search", *sys.argv[1:]])
    compiler, networks = Compiler.from_config(hardware), run.networks()
    say(f"weights: {run.networks_origin()}; {compiler.summary()}")
    (table,) = build_tables([compiler], networks, checks, jobs, command_line)
    table.save(path)
    content = table.content
    compiled, held_out = len(content.compiled), len(content.held_out)
    say(f"{path}: {compiled} compiled by Vela {content.origin.vela} for the table, {held_out} to check it")
    for meeting in content.together:
        say(f"  {', '.join(meeting.genes)} were compiled in combination: they interact in {', '.join(meeting.why)}")
    for name, error in content.error_percent.items():
        say(f"  error of {name}: {error.mean:.4f} % on average, {error.max:.4f} % at most")


@command.command()
@run_options
@click.argument("architectures", nargs=-1, required=True, metavar="ARCH...")
@click.option(
    "--compile", "compiled", is_flag=True, help="Compile the architectures instead of using known or predicted costs."
)
@click.option(
    "--layers",
    is_flag=True,
    help="Compile, and show the cost of each part of a network, or the difference between two networks.",
)
@json_option
def show(run: Run, architectures: Tuple[str, ...], compiled: bool, layers: bool, as_json: bool) -> None:
    """Show the cost of architectures on the board.

    Latencies measured on the board come first, then figures that the run has compiled. All others are predicted by the
    cost table.
    """
    if layers:
        _show_layers(run, architectures, as_json)
        return
    records, settings = _compile(run, architectures) if compiled else _look_up(run, architectures)
    if as_json:
        print_json(records)
    else:
        console = open_console()
        print_table(_render_costs(run, records, settings), console)
        _say_misfits(console, Board.load(Path(run.config.hardware.board)), records)


def _look_up(run: Run, architectures: Tuple[str, ...]) -> Tuple[List[Dict[str, Any]], str]:
    """Return the costs that the run or the table knows, and the settings and weights that they apply to."""
    table, board = run.cost_table()
    origin, weights = table.content.origin, table.content.origin.weights
    own = run.networks_origin()
    table = table.for_weights(own.sha256, run.config.hardware.vela_version)
    compiled = read_compiled_costs(run)
    children = read_final_costs(run, board.provenance(run.config.hardware.vela_version))
    measurements = read_measurements(run, board)
    parsed = [run.space.parse(text) for text in architectures]
    costs = [
        measurements.prefer(
            run.space.format(architecture),
            compiled.get(architecture) or children.get(architecture) or table.cost(architecture),
        )
        for architecture in parsed
    ]
    records = [_to_record(text, cost, board, origin.vela, own) for text, cost in zip(architectures, costs)]
    known = sum(architecture in compiled for architecture in parsed)
    trained = sum(architecture in children and architecture not in compiled for architecture in parsed)
    measured = sum(cost.source == "measured" for cost in costs)
    sources = [f"{known} compiled by the search or enumeration of this run"] if known else []
    sources += [f"{trained} compiled with the weights of the trained children of this run"] if trained else []
    sources += [f"{measured} measured on the board"] if measured else []
    if measurements.line is not None and any(cost.source == "corrected" for cost in costs):
        sources.append(f"corrected by a line through {measurements.line.points} measurements")
    sources.append(f"table of {'random weights' if weights == RANDOM else f'the weights {weights:.12} (sha256)'}")
    return records, "; ".join([board.summary(origin.vela), *sources, f"weights: {own}"])


def _compile(run: Run, architectures: Tuple[str, ...]) -> Tuple[List[Dict[str, Any]], str]:
    """Return the compiled costs of architectures, and the settings and weights that the costs apply to."""
    from edgeflownas.hardware.compiler import Compiler

    parsed = [run.space.parse(text) for text in architectures]
    compiler = Compiler.from_config(run.config.hardware)
    origin, networks = run.networks_origin(), run.networks()
    records = []
    with progress(f"compiling for {compiler.board.settings.name}", len(parsed)) as bar:
        for text, architecture in zip(architectures, parsed):
            cost = compiler.cost(networks, architecture)
            records.append(_to_record(text, cost, compiler.board, compiler.vela.version, origin))
            bar.advance(text)
    return records, f"{compiler.summary()}; weights: {origin}"


def _to_record(architecture: str, cost: Cost, board: Board, vela: str, origin: WeightsOrigin) -> Dict[str, Any]:
    """Return the cost of an architecture and everything it depends on, as plain Python types."""
    fits = board.misfit(cost.sram_kib) is None
    return {"architecture": architecture, **asdict(cost), "fits": fits, **board.provenance(vela), **origin.record()}


def _say_misfits(console: Console, board: Board, records: Sequence[Mapping[str, Any]]) -> None:
    """Print the networks that do not fit on the board."""
    for record in records:
        misfit = board.misfit(record["sram_kib"])
        if misfit is not None:
            say(f"{record['architecture']} {misfit}", console)


def _render_costs(run: Run, records: List[Dict[str, Any]], settings: str) -> Table:
    """Return a table of the costs for the terminal."""
    data = run.config.data
    board = Board.load(Path(run.config.hardware.board))
    height, width = data.size
    title = f"{board.settings.name}, c = {run.skeleton.width}, {height}x{width}; arena {board.arena_kib:.1f} KiB"
    table = Table(title=title, caption=settings, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
    table.add_column("architecture", no_wrap=True)
    for heading in ("FPS", "ms", "SRAM KiB", "Mcycles", "MMACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    for record in records:
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
    """Show the parts of one architecture, or of two with their differences."""
    from edgeflownas.hardware.compiler import Compiler

    if len(architectures) > 2:
        raise click.UsageError(f"--layers: name one architecture, or two to compare; {len(architectures)} are named")
    compiler = Compiler.from_config(run.config.hardware)
    views, networks = [], run.networks()
    with progress(f"compiling for {compiler.board.settings.name}", len(architectures)) as bar:
        for text in architectures:
            views.append(layer_view.inspect_layers(compiler, networks, run.space.parse(text)))
            bar.advance(text)
    board, vela = compiler.board, compiler.vela.version
    origin = run.networks_origin()
    records = [
        {"architecture": text, **view.record(), "fits": board.misfit(view.figures.sram_kib) is None,
         **board.provenance(vela), **origin.record()}
        for text, view in zip(architectures, views)
    ]  # fmt: skip
    if as_json:
        print_json(records)
        return
    if len(views) == 1:
        table = layer_view.render_parts(architectures[0], views[0])
    else:
        table = layer_view.render_comparison(architectures, views)
    console = open_console()
    print_table(table, console)
    say(f"{board.settings.name}: {board.summary(vela)}; weights: {origin}", console)
    _say_misfits(console, board, records)


command.add_command(cost_import.command)
