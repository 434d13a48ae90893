"""``predict``: the flow of the user's own frames, as files and pictures."""

import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.data.frames import open_frames
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.api.predicting import RECORD, FlowNetwork, open_exported_network, open_network, predict_frames
from search.commands.options import (
    PathOption,
    check_output_folder,
    json_option,
    optional_run_options,
    print_json,
    weights_option,
)
from search.run import Run
from search.weights import WeightsOrigin

_SHOWN = 10  # pairs in the printed table


class FrameSize(click.ParamType):
    """A parameter that is a height and a width in pixels, such as 64x96."""

    name = "HxW"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Tuple[int, int]:
        """Return height and width."""
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", str(value))
        if match is None:
            self.fail(f"{value!r} is not a height and a width in pixels, such as 64x96", param, ctx)
        return int(match.group(1)), int(match.group(2))


@click.command()
@click.argument("words", metavar="[ARCH | NETWORK.tflite] FRAMES...", nargs=-1)
@weights_option
@click.option(
    "--task", type=click.IntRange(min=0), help="Task of the queue whose retrained architecture predicts, by number."
)
@click.option(
    "--size",
    type=FrameSize(),
    metavar="HxW",
    help="Height and width to which frames are resized for the network, such as 64x96. Default: those of the frames, "
    "or of the input of an exported network.",
)
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    help="Motion that is drawn fully saturated, in pixels. Default: the largest motion of all pairs.",
)
@click.option("--arrows", is_flag=True, help="Draw the flow as arrows on the frames.")
@click.option(
    "--animation",
    type=click.Choice(["mp4", "gif", "none"]),
    default="mp4",
    show_default=True,
    help="Format of the animation of two pairs or more.",
)
@click.option("--output", type=PathOption(), default=Path("flow"), show_default=True, help="Folder for all files.")
@json_option
@optional_run_options
def command(
    run: Optional[Run],
    words: Sequence[str],
    weights: Optional[Path],
    task: Optional[int],
    size: Optional[Tuple[int, int]],
    scale: Optional[float],
    arrows: bool,
    animation: str,
    output: Path,
    as_json: bool,
) -> None:
    """Predict the flow of your own frames; ground truth is not needed.

    FRAMES are two images or more in the order of time, a folder of images, or a video. They may have any size. Flow is
    written as .flo and as KITTI's PNG, in pixels of the frames, and drawn beside the frames in Middlebury's colours.

    An exported NETWORK.tflite needs no --config. The file before Vela is used. With the weights of a supernet, the BN
    statistics are recomputed from training pairs of the run.
    """
    if animation == "none":
        animation = ""
    paths = [Path(word).expanduser() for word in words]
    is_exported = bool(paths) and paths[0].suffix == ".tflite"
    frames = paths[task is None or is_exported :]
    if not frames:
        raise click.UsageError("name an architecture, --task or a .tflite file, and then the frames")
    _check_output(output)
    open_frames(frames)  # reports missing files before any long work
    if is_exported:
        if run is not None or weights is not None or task is not None:
            raise click.UsageError("an exported network is complete; leave out --config, --weights and --task")
        network = open_exported_network(paths[0])
    else:
        network = _open_network(run, words[0] if task is None else None, weights, task)
    result = predict_frames(network, frames, output, size, scale, arrows, animation or None)
    if run is not None:
        result["board"] = _describe_board(run, result["architecture"])
    if as_json:
        print_json(result)
    else:
        _print(result)


def _open_network(
    run: Optional[Run], architecture: Optional[str], weights: Optional[Path], task: Optional[int]
) -> FlowNetwork:
    """Return the network of an architecture or of a task of a run."""
    if run is None:
        raise click.UsageError("an architecture or a task needs --config; only an exported .tflite file does not")
    if task is not None and weights is not None:
        raise click.UsageError("a task has its own weights; leave out --weights or --task")
    return open_network(run, architecture, weights, task)


def _check_output(folder: Path) -> None:
    """Check before any work that the folder can be written to and contains nothing but earlier predictions.

    Raises:
        InputError: It contains other files, which a prediction could replace.
    """
    check_output_folder("--output", folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).exists():
        raise InputError(f"--output {folder}: contains files that are not a prediction; name another folder")


def _describe_board(run: Run, architecture: str) -> Optional[Dict[str, Any]]:
    """Return speed and image size of an architecture on the board of a run; None if it has no cost table."""
    try:
        table, board = run.cost_table()
    except InputError:
        return None
    cost = table.cost(run.space.parse(architecture))
    return {"name": board.settings.name, "fps": cost.fps, "size": list(run.config.data.padded_size)}


def _print(result: Dict[str, Any]) -> None:
    """Print the motion of the pairs, and how it was predicted."""
    console = open_console()
    pairs: List[Dict[str, Any]] = result["pairs"]
    table = Table(title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    for heading, justify in (("pair", "left"), ("largest px", "right"), ("mean px", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for pair in pairs[:_SHOWN]:
        table.add_row(pair["name"], f"{pair['longest']:.2f}", f"{pair['mean']:.2f}")
    print_table(table, console)
    if len(pairs) > _SHOWN:
        say(f"... and {format_count(len(pairs) - _SHOWN, 'pair')} more, all in {RECORD}", console)
    (height, width), (rows, columns) = result["frame_size"], result["network_size"]
    resized = "" if (height, width) == (rows, columns) else f", resized to {rows}x{columns} for the network"
    name = result["architecture"] or Path(result["weights"]).name
    threads = format_count(result["threads"], "thread")
    lines = [
        f"Frames of {height}x{width} pixels{resized}. {name} in {result['arithmetic']} takes {1e3 / result['fps']:.1f} "
        f"ms per pair on this computer's CPU with {threads}: {result['fps']:.1f} FPS."
    ]
    if result.get("board") is not None:
        board = result["board"]
        lines.append(f"{board['name']}: {board['fps']:.1f} FPS at {board['size'][0]}x{board['size'][1]}, predicted.")
    lines += [
        f"BN statistics: {result['statistics']}.",
        f"Weights: {WeightsOrigin(result['weights'], result['weights_sha256'])}.",
        f"Flow and pictures: {result['folder']}" + (f", {result['animation']}." if result["animation"] else "."),
    ]
    for line in lines:
        say(line, console)
