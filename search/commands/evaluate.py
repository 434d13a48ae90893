"""``evaluate``: the EPE of architectures on a data set, compared with the EPE of zero flow."""

import shlex
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.config import DataConfig
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.progress import phase, progress, say
from edgeflownas.storage.files import write_csv, write_json
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import (
    PathOption,
    check_output_folder,
    data_options,
    json_option,
    print_json,
    run_options,
    weights_option,
)
from search.request import Request, list_requests
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


@click.command()
@click.argument("architectures", metavar="[ARCH]...", nargs=-1)
@weights_option
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.IntRange(min=0),
    help="Task of the queue whose retrained architecture is scored, by number.",
)
@data_options
@click.option(
    "--save",
    type=PathOption(),
    help="New folder for the predicted flow (.flo, and colour images next to the ground truth), the EPE of each pair, "
    "and the result as JSON.",
)
@click.option(
    "--strict", is_flag=True, help="End with an error if files are missing, pairs are excluded or names are ignored."
)
@json_option
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, and time and memory measured on three pairs; score nothing."
)
@run_options
def command(
    run: Run,
    architectures: Tuple[str, ...],
    weights: Optional[Path],
    tasks: Tuple[int, ...],
    other_data: Optional[DataConfig],
    save: Optional[Path],
    strict: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Score architectures on the validation pairs of the run, or on a different data set (--data).

    Pairs of --data are scored at their full size. A retrained architecture uses the BN statistics stored with its
    weights. With the weights of a supernet, they are recomputed from training pairs of the run. Undefined figures,
    such as the EPE of pairs without known flow, are shown as n/a, or null with --json.
    """
    requests = list_requests(run, architectures, weights, tasks, trained=not dry_run)
    if not requests:
        raise click.UsageError("name an architecture, or a task of the queue with --task")
    if save is not None and save.exists() and not (save.is_dir() and not any(save.iterdir())):
        raise InputError(f"--save {save}: exists and is not an empty folder; name a new folder, or remove this one")
    check_output_folder("--save", save)
    config = other_data or run.config.data
    dataset, indices = _open_pairs(run, other_data, strict)
    if any(request.weights == run.supernet_file for request in requests):
        _check_recalibration(run)
    if dry_run:
        with phase("loading TensorFlow"):
            from search.commands.dry_run import show_evaluation

        show_evaluation(run, other_data, [request.architecture for request in requests], dataset, indices)
        return
    result = {"data": config.kind, "data_set": config.model_dump(), **_describe_pairs(run, dataset, indices)}
    result.update(_assess(run, requests, dataset, indices, other_data is not None, save))
    if save is not None:
        write_json(save / "evaluation.json", result)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _open_pairs(run: Run, other_data: Optional[DataConfig], strict: bool) -> Tuple[FlowDataset, Sequence[int]]:
    """Return the validation pairs and the indices of the pairs to score."""
    from edgeflownas.data.datasets import open_part
    from edgeflownas.data.pairs import PairDataset
    from edgeflownas.data.sizes import find_source

    dataset = open_part(other_data or run.config.data, "val")
    source = find_source(dataset)
    omissions = source.listing.describe_omissions() if isinstance(source, PairDataset) else []
    if strict and omissions:
        raise InputError(f"data: --strict: {'; '.join(omissions)}; complete the data set, or leave out --strict")
    limit = run.config.evaluation.val_pairs if other_data is None else 0
    return dataset, dataset.select(limit or len(dataset))


def _check_recalibration(run: Run) -> None:
    """Raise InputError if the run has fewer pairs than the recalibration of a supernet's architectures needs."""
    from edgeflownas.data.datasets import open_datasets
    from edgeflownas.data.enough import check_scoring_pairs

    check_scoring_pairs(*open_datasets(run.config.data, quiet=True), run.config.evaluation)


def _describe_pairs(run: Run, dataset: FlowDataset, indices: Sequence[int]) -> Dict[str, Any]:
    """Return which pairs are scored, and what is left out of the data set."""
    from edgeflownas.data.identity import identify_pairs
    from edgeflownas.data.pairs import PairDataset
    from edgeflownas.data.sizes import find_source

    numbers = {"pairs": len(indices), "available_pairs": len(dataset)}
    source = find_source(dataset)
    if not isinstance(source, PairDataset):
        return {**numbers, "fingerprint": None, "left_out": None}
    with phase("computing the fingerprint of the pairs"):
        fingerprint = identify_pairs(dataset, indices, True, run.config.threads)
    return {**numbers, "fingerprint": fingerprint, "left_out": source.listing.record_omissions()}


def _assess(
    run: Run,
    requests: Sequence[Request],
    dataset: FlowDataset,
    indices: Sequence[int],
    whole: bool,
    save: Optional[Path],
) -> Dict[str, Any]:
    """Score all requests on the same pairs."""
    with phase("loading TensorFlow"):
        from edgeflownas.evaluation.assessment import assess, name_predictions
        from search.workers.predictors import calibration_images, open_predictor

    calibration = calibration_images(run)
    names = name_predictions([dataset.files(index) for index in indices])
    rows: List[Dict[str, Any]] = []
    with progress("scoring", len(requests) * len(indices)) as bar:
        for request in requests:
            architecture, tensors = run.space.format(request.architecture), request.load_tensors(run)
            predicting = open_predictor(run, request.architecture, tensors, calibration)
            folder = None if save is None else save / f"{architecture}_{len(rows)}"
            assessment = assess(predicting, dataset, indices, whole, run.config.threads, folder, bar.advance)
            predicting.close()
            if folder is not None:
                write_pairs(folder / "pairs.csv", names, assessment.pairs)
            figures = assessment.metrics.figures()
            epe, zero = figures["epe"], figures.pop("zero_flow_epe")
            row = {
                "architecture": architecture,
                **run.origin(request.weights, tensors).record(),
                "task": request.task,
                "share_of_zero_flow": epe / zero if epe is not None and zero else None,
                **figures,
                "macs": _mean_macs(run.skeleton, request, assessment.sizes),
            }
            rows.append(row)
    return {
        "labelled_pairs": sum(epe is not None for _, epe in assessment.pairs),
        "pixels": assessment.metrics.pixels,
        "sizes": {f"{height}x{width}": count for (height, width), count in sorted(assessment.sizes.items())},
        "zero_flow_epe": zero,
        "architectures": rows,
    }


def write_pairs(path: Path, names: Sequence[str], pairs: Sequence[Tuple[Tuple[str, ...], Optional[float]]]) -> None:
    """Write the files and the EPE of each pair; the EPE is empty if no flow of the pair is known."""
    lines = [
        {"pair": place, "saved": name, "files": " ".join(map(shlex.quote, files)), "epe": epe}
        for place, (name, (files, epe)) in enumerate(zip(names, pairs))
    ]
    write_csv(path, lines)


def _mean_macs(skeleton: Skeleton, request: Request, sizes: Mapping[Tuple[int, int], int]) -> float:
    """Return the mean number of multiply-accumulates on the scored images, padded as the network needs it."""
    total = 0
    for (height, width), count in sizes.items():
        padded = height + -height % skeleton.multiple, width + -width % skeleton.multiple
        total += count * skeleton.macs(request.architecture, *padded)
    return total / sum(sizes.values())


def _print(result: Dict[str, Any]) -> None:
    """Print the figures as a table."""
    sizes = list(result["sizes"])
    size = f"of {sizes[0]}" if len(sizes) == 1 else f"of {format_count(len(sizes), 'size')}"
    pairs, pixels = format_count(result["pairs"], "pair"), format_count(result["pixels"], "pixel")
    title = f"{result['data']}: {pairs}, {pixels} with known flow"
    table = Table(title=f"{title}, images {size}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding, table.show_edge = True, False
    table.add_column("architecture", no_wrap=True)
    rows = result["architectures"]
    always = [key for key, _ in _COLUMNS[:2]]
    columns = [column for column in _COLUMNS if column[0] in always or any(row[column[0]] is not None for row in rows)]
    for _, heading in [*columns, ("macs", "MMAC")]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["architecture"], *(_format(row[key]) for key, _ in columns), f"{row['macs'] / 1e6:.1f}")
    zero = _format(result["zero_flow_epe"])
    table.add_row("zero flow", *(zero if key == "epe" else "" for key, _ in columns), "0")
    console = open_console()
    print_table(table, console)
    unlabelled = result["pairs"] - result["labelled_pairs"]
    if unlabelled:
        say(f"Pairs without known flow, which have no EPE: {unlabelled:,}.", console)
    for origin in dict.fromkeys(WeightsOrigin(row["weights"], row["weights_sha256"]) for row in rows):
        say(f"Weights: {origin}.", console)


def _format(figure: Optional[float]) -> str:
    return "n/a" if figure is None else f"{figure:.3f}"
