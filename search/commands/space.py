"""``space``: check and draw the file of a search space."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.config import MULTIPLE
from edgeflownas.errors import InputError
from edgeflownas.hardware.networks import Networks
from edgeflownas.network.definition import inspect_space, read_space
from edgeflownas.network.receptive_field import measure_receptive_field
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import NamedFile, json_option, print_json
from search.groups import OrderedGroup


@click.group(cls=OrderedGroup)
def command() -> None:
    """Check and draw the file of a search space."""


_width = click.option(
    "--width", default=32, show_default=True, type=click.IntRange(2), help="Base width c, an even number of channels."
)


@command.command()
@click.argument("space", metavar="FILE|NAME")
@_width
@click.option("--height", default=176, show_default=True, type=click.IntRange(MULTIPLE), help="Height of the images.")
@click.option("--columns", default=224, show_default=True, type=click.IntRange(MULTIPLE), help="Width of the images.")
@click.option(
    "--board",
    type=NamedFile("configs/hardware", "board"),
    default="grove_vision_ai_v2",
    show_default=True,
    help="File of the board to compile for, or its name in configs/hardware/.",
)
@click.option("--compile/--no-compile", "compiled", default=True, help="Whether to look for operators on the CPU.")
@json_option
def check(space: str, width: int, height: int, columns: int, board: Path, compiled: bool, as_json: bool) -> None:
    """Check a space: its genes, its size, and the extremes of its networks.

    Everything that is wrong with the file is listed, one line each. A few architectures that together contain all
    options are compiled, to find operators that Vela leaves to the CPU.
    """
    skeleton = _open(space, width)
    height, columns = (side + -side % MULTIPLE for side in (height, columns))
    networks = Networks(skeleton, height, columns)
    record = _describe(networks)
    if compiled:
        record["on_cpu"] = _find_cpu_operators(networks, board)
    if as_json:
        print_json({"space": space, **record})
        return
    console = open_console()
    genes = networks.space.genes
    click.echo(f"{space}: {format_count(len(genes), 'gene')}, {format_count(record['architectures'], 'architecture')}")
    if genes:
        print_table(_render_genes(networks.space), console)
    print_table(_render_extremes(record, f"c = {width}, {height}x{columns} pixels"), console)
    for line in _describe_cpu_operators(record.get("on_cpu"), board):
        click.echo(line)


@command.command()
@click.argument("space", metavar="FILE|NAME")
@_width
def show(space: str, width: int) -> None:
    """Draw the network of a space, from the images down to the flow."""
    for line in draw_network(_open(space, width)):
        click.echo(line)


def _open(space: str, width: int) -> Skeleton:
    """Return the network of a space; list everything that is wrong with its file."""
    _, problems = inspect_space(space)
    if len(problems) > 1:
        for problem in problems:
            click.echo(problem)
        raise InputError(f"space {space}: has {format_count(len(problems), 'problem')}, which are listed above")
    stages = read_space(space).lay_out()
    try:
        return Skeleton(width, stages)
    except ValueError as error:
        raise InputError(f"--width: {error}") from None


def _describe(networks: Networks) -> Dict[str, Any]:
    """Return the size of a space, and the figures of its lightest and heaviest network."""
    skeleton, space = networks.skeleton, networks.space
    extremes = {"lightest": [0] * len(space.genes), "heaviest": [count - 1 for count in space.counts]}
    return {
        "genes": {gene.name: list(gene.options) for gene in space.genes},
        "architectures": space.size,
        "supernet_parameters": _count_parameters(skeleton, None),
        **{
            name: {
                "architecture": space.format(architecture),
                "parameters": _count_parameters(skeleton, architecture),
                "macs": skeleton.macs(architecture, *networks.size),
                "receptive_field_px": measure_receptive_field(skeleton, architecture),
            }
            for name, architecture in extremes.items()
        },
    }


def _count_parameters(skeleton: Skeleton, architecture: Optional[Sequence[int]]) -> int:
    return int(sum(np.prod(shape) for shape in skeleton.parameters(architecture).values()))


def _find_cpu_operators(networks: Networks, board: Path) -> List[str]:
    """Return the operators that Vela leaves to the CPU, by stage and kind, in architectures that contain all options.

    Raises:
        InputError: Vela is missing, or an architecture cannot be compiled.
    """
    from edgeflownas.config import HardwareConfig
    from edgeflownas.hardware.compiler import Compiler
    from edgeflownas.hardware.layers import part_of

    compiler = Compiler.from_config(HardwareConfig(board=str(board), table=""))
    covering = cover_options(networks.space)
    found: Dict[str, None] = {}
    with progress(f"compiling for {compiler.board.settings.name}", len(covering)) as bar:
        for architecture in covering:
            for layer in compiler.inspect(networks, architecture).layers:
                if layer.target == "CPU":
                    found[f"{part_of(layer)}: {layer.operator}"] = None
            bar.advance(networks.space.format(architecture))
    return list(found)


def cover_options(space: Space) -> List[Architecture]:
    """Return a few architectures that together contain all options of all genes."""
    most = max(space.counts, default=1)
    return [tuple(min(number, count - 1) for count in space.counts) for number in range(most)]


def _describe_cpu_operators(found: Optional[Sequence[str]], board: Path) -> List[str]:
    if found is None:
        return []
    if not found:
        return [f"{board.stem}: the NPU runs all operators"]
    return [f"{board.stem}: the CPU runs {operator}, which slows the network down" for operator in found]


def _render_genes(space: Space) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("gene", "place", "options, from 0"):
        table.add_column(heading)
    for gene in space.genes:
        table.add_row(gene.name, gene.place, " | ".join(gene.options))
    return table


def _render_extremes(record: Dict[str, Any], title: str) -> Table:
    lightest, heaviest = record["lightest"], record["heaviest"]
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("")
    for name, of in (("lightest", lightest), ("heaviest", heaviest)):
        table.add_column(f"{name}\n{of['architecture']}", justify="right")
    table.add_column("supernet", justify="right")
    parameters = [f"{of['parameters']:,}" for of in (lightest, heaviest)]
    table.add_row("parameters", *parameters, f"{record['supernet_parameters']:,}")
    table.add_row("million MACs", *(f"{of['macs'] / 1e6:.1f}" for of in (lightest, heaviest)), "")
    table.add_row("receptive field, px", *(str(of["receptive_field_px"]) for of in (lightest, heaviest)), "")
    return table


def draw_network(skeleton: Skeleton) -> List[str]:
    """Return the stages as lines of text; the coarser the scale, the further to the right."""
    rows: List[Tuple[str, str, str]] = [("images", "6 channels", "1/1")]
    for stage in skeleton.stages:
        scale, depth = skeleton.scale(stage), "  " * (skeleton.scale(stage).bit_length() - 1)
        text = f"{skeleton.channels(stage)} channels, {_describe_stage(stage)}"
        rows.append((f"{depth}{'-> ' if stage.is_flow else ''}{stage.name}", text, f"1/{scale}"))
    longest = max(len(name) for name, _, _ in rows)
    return [f"{scale:<5} {name:<{longest}}  {text}" for name, text, scale in rows]


def _describe_stage(stage: Stage) -> str:
    kind, labels = stage.options[0][0].kind.replace("_", " "), " | ".join(stage.labels)
    return labels if kind in labels else f"{kind} {labels}"
