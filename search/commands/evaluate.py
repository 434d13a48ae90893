"""``evaluate``: the EPE of architectures on a data set, compared with the EPE of zero flow."""

import shlex
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.config import DataConfig
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.progress import phase, progress, say
from edgeflownas.storage.files import write_csv
from edgeflownas.terminal import open_console, print_table
from search.commands.options import data_options, json_option, print_json, run_options
from search.run import Run
from search.weights import WeightsOrigin

# Columns of the printed table, in order: key and heading.
_COLUMNS = (
    ("epe", "EPE px"),
    ("share_of_zero_flow", "of zero"),
    ("epe_per_image", "by image"),
    ("epe_s0_10", "s0-10"),
    ("epe_s10_40", "s10-40"),
    ("epe_s40", "s40+"),
    ("fl_all", "Fl %"),
)


class _Request(NamedTuple):
    """An architecture to score, and the file of its weights."""

    architecture: Architecture
    weights: Path


@click.command()
@click.argument("architectures", metavar="[ARCH]...", nargs=-1)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Weights of a supernet or of one retrained child. Default: the supernet of the run.",
)
@click.option(
    "--task", "tasks", multiple=True, type=click.IntRange(min=0), help="Score the retrained child of a queue's task."
)
@data_options
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Folder for the predicted flow (.flo, and colour images next to the ground truth) and the EPE of each pair.",
)
@json_option
@click.option("--dry-run", is_flag=True, help="Show the plan and time three pairs, but score nothing.")
@run_options
def command(
    run: Run,
    architectures: Tuple[str, ...],
    weights: Optional[Path],
    tasks: Tuple[int, ...],
    other_data: Optional[DataConfig],
    save: Optional[Path],
    as_json: bool,
    dry_run: bool,
) -> None:
    """Score architectures on the run's validation pairs, or on all full-size pairs of another data set.

    A retrained child is scored with the BN statistics stored with it. For a child of the supernet, they are
    recalibrated on the run's training pairs.
    """
    requests = _list_requests(run, architectures, weights, tasks, trained=not dry_run)
    if not requests:
        raise click.UsageError("name an architecture, or a task of the queue with --task")
    if dry_run:
        with phase("loading TensorFlow"):
            from search.commands.dry_run import show_evaluation

        show_evaluation(run, other_data, [request.architecture for request in requests], *_open_pairs(run, other_data))
        return
    result = _assess(run, requests, other_data, save)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _list_requests(
    run: Run, architectures: Sequence[str], weights: Optional[Path], tasks: Sequence[int], trained: bool
) -> List[_Request]:
    """Return the architectures to score; with ``trained``, check that their weights exist before any long work."""
    requests = [_Request(run.space.parse(text), weights or run.supernet_file) for text in architectures]
    if tasks:
        from search.queue.queue import Queue

        queue = Queue(run.queue_folder)
        for index in tasks:
            task = queue.task(index)
            if trained and not task.paths.best.exists():
                raise InputError(f"--task {index}: {task.paths.best} does not exist yet; `queue run` trains it")
            requests.append(_Request(run.space.parse(task.config.architecture), task.paths.best))
    for request in requests if trained else []:
        run.load_tensors(request.weights, request.architecture)
    return requests


def _open_pairs(run: Run, other_data: Optional[DataConfig]) -> Tuple[FlowDataset, Sequence[int]]:
    """Return the validation pairs and the indices of the pairs to score."""
    from edgeflownas.data.datasets import open_part

    dataset = open_part(other_data or run.config.data, "val")
    limit = run.config.evaluation.val_pairs if other_data is None else 0
    return dataset, dataset.select(limit or len(dataset))


def _assess(
    run: Run, requests: Sequence[_Request], other_data: Optional[DataConfig], save: Optional[Path]
) -> Dict[str, Any]:
    """Score all requests on the same pairs."""
    with phase("loading TensorFlow"):
        from edgeflownas.evaluation.assessment import assess
        from search.workers.predictors import calibration_images, open_predictor

    config = other_data or run.config.data
    calibration = calibration_images(run)
    dataset, indices = _open_pairs(run, other_data)
    rows: List[Dict[str, Any]] = []
    with progress("scoring", len(requests) * len(indices)) as bar:
        for request in requests:
            name = run.space.format(request.architecture)
            predicting = open_predictor(run, request.architecture, request.weights, calibration)
            folder = None if save is None else save / f"{name}_{len(rows)}"
            assessment = assess(
                predicting, dataset, indices, other_data is not None, run.config.threads, folder, bar.advance
            )
            predicting.close()
            figures = assessment.metrics.figures()
            epe, zero = figures.get("epe"), figures.pop("zero_flow_epe", None)
            if epe is None or not zero:
                raise InputError("data: no pair has known motion, so there is nothing to score; name other pairs")
            if folder is not None:
                lines = [
                    {"pair": index, "files": " ".join(map(shlex.quote, files)), "epe": epe}
                    for index, (files, epe) in enumerate(assessment.pairs)
                ]
                write_csv(folder / "pairs.csv", lines)
            origin = run.origin(request.weights, run.load_tensors(request.weights, request.architecture))
            row = {"architecture": name, **origin.record(), "share_of_zero_flow": epe / zero, **figures}
            macs = run.skeleton.macs(request.architecture, *run.config.data.padded_size)
            rows.append({**row, "macs": macs})
    pixels = assessment.metrics.pixels
    return {"data": config.kind, "pairs": len(indices), "pixels": pixels, "zero_flow_epe": zero, "architectures": rows}


def _print(result: Dict[str, Any]) -> None:
    """Print the figures as a table."""
    title = f"{result['data']}: {result['pairs']:,} pairs, {result['pixels']:,} pixels with known flow"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("architecture", no_wrap=True)
    rows = result["architectures"]
    columns = [(key, heading) for key, heading in _COLUMNS if any(row.get(key) is not None for row in rows)]
    for _, heading in [*columns, ("macs", "MMAC")]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        figures = ["" if row[key] is None else f"{row[key]:.3f}" for key, _ in columns]
        table.add_row(row["architecture"], *figures, f"{row['macs'] / 1e6:.1f}")
    zero = f"{result['zero_flow_epe']:.3f}"
    table.add_row("zero flow", *(zero if key == "epe" else "" for key, _ in columns), "0")
    console = open_console()
    print_table(table, console)
    for origin in dict.fromkeys(WeightsOrigin(row["weights"], row["weights_sha256"]) for row in rows):
        say(f"Weights: {origin}.", console)
