"""``export``: the file of one architecture for the board, and the effect of quantisation on its EPE."""

from pathlib import Path
from typing import Any, Dict, Optional

import click

from edgeflownas.hardware.board import Board
from edgeflownas.progress import say
from edgeflownas.terminal import open_console
from search.api.exporting import export
from search.commands.options import (
    NamedFile,
    PathOption,
    check_output_folder,
    json_option,
    print_json,
    run_options,
    weights_option,
)
from search.run import Run
from search.weights import WeightsOrigin


@click.command()
@run_options
@click.argument("architecture", metavar="[ARCH]", required=False)
@weights_option
@click.option(
    "--task", type=click.IntRange(min=0), help="Task of the queue whose retrained architecture is exported, by number."
)
@click.option(
    "--board",
    type=NamedFile("configs/hardware", "board"),
    help="File of the board to compile for, or its name in configs/hardware/. Default: hardware.board.",
)
@click.option(
    "--int8-io/--float-io", default=None, help="Type of input and output. Default: as in the file of the board."
)
@click.option(
    "--pairs", default=64, show_default=True, type=click.IntRange(1), help="Number of validation pairs to score."
)
@click.option("--output", type=PathOption(), help="Folder to write the files to. Default: RUN/export.")
@click.option(
    "--bundle", type=PathOption(), help="New folder for the firmware, with the network, a C header and samples."
)
@json_option
def command(
    run: Run,
    architecture: Optional[str],
    weights: Optional[Path],
    task: Optional[int],
    board: Optional[Path],
    int8_io: Optional[bool],
    pairs: int,
    output: Optional[Path],
    bundle: Optional[Path],
    as_json: bool,
) -> None:
    """Quantise an architecture to int8 TFLite, and compile it with Vela.

    A retrained architecture uses the BN statistics stored with its weights. With the weights of a supernet, they are
    recomputed from training pairs. The input and the calibration pairs are those of the section deploy, as for queue
    collect. The quantised network is scored on validation pairs, and its EPE is shown next to
    that of the float32 network.
    """
    if (architecture is None) == (task is None) or (task is not None and weights is not None):
        raise click.UsageError("name an architecture, perhaps with --weights, or a task of the queue with --task")
    check_output_folder("--output", output)
    check_output_folder("--bundle", bundle)
    exported = export(run, architecture, weights, task, board, int8_io, pairs, output, bundle)
    if as_json:
        print_json(exported.record)
    else:
        _print(exported.record, exported.board)


def _print(result: Dict[str, Any], board: Board) -> None:
    """Print the result."""
    float_epe, int8_epe, zero = result["epe_float32"], result["epe_int8"], result["zero_flow_epe"]
    change = "" if not float_epe or int8_epe is None else f" ({100 * (int8_epe / float_epe - 1):+.2f} %)"
    height, width = result["size"]
    fits = board.misfit(result["sram_kib"]) or f"fits into the arena of {board.arena_kib:.1f} KiB"
    on_cpu = ", ".join(result["on_cpu"])
    lines = [
        f"{result['architecture']} at {height}x{width} pixels on {result['board']}: {result['fps']:.2f} FPS, "
        f"{result['latency_ms']:.3f} ms, SRAM peak {result['sram_kib']:.1f} KiB: {fits}",
        f"EPE {_format(float_epe)} in float32, {_format(int8_epe)} in int8{change}; zero flow {_format(zero)}",
        f"On the CPU, whose time FPS and ms do not include: {on_cpu}" if on_cpu else "All operators run on the NPU",
        f"Weights: {WeightsOrigin(result['weights'], result['weights_sha256'])}",
        result["settings"],
        *(f"{key}: {result[key]}" for key in ("network", "compiled", "record", "bundle") if key in result),
    ]
    console = open_console()
    for line in lines:
        say(line, console)


def _format(epe: Optional[float]) -> str:
    return "n/a" if epe is None else f"{epe:.4f} px"
