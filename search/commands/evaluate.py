"""``evaluate``: the EPE of architectures on the validation set, beside that of zero flow."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from edgeflownas import checkpoint
from edgeflownas.errors import InputError
from edgeflownas.progress import progress, say
from edgeflownas.space import Architecture
from search.options import run_options
from search.run import SCORING_THREADS, Run


@click.command()
@click.argument("architectures", metavar="ARCH...", nargs=-1, required=True)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Weights to use, of a supernet or of one retrained child. Default: the supernet of the run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@run_options
def command(run: Run, architectures: Tuple[str, ...], weights: Optional[Path], as_json: bool) -> None:
    """Scores architectures with recalibrated BN on the validation set, beside the EPE of zero flow."""
    wanted = [run.space.parse(text) for text in architectures]
    path = weights or run.supernet_file
    tensors, _ = checkpoint.load(path)
    for architecture in wanted:
        wrong = run.skeleton.misfit(tensors, architecture)
        if wrong is not None:
            raise InputError(
                f"weights {path}: {wrong} is missing or of another shape for architecture "
                f"{run.space.format(architecture)}; name weights of this network with --weights"
            )
    say("reading images")
    scores, zero = _scores(run, wanted, tensors)
    height, width = run.config.data.padded_size
    rows: List[Dict[str, Any]] = [
        {
            "architecture": run.space.format(architecture),
            "epe": scores[architecture],
            "share_of_zero_flow": scores[architecture] / zero,
            "macs": run.skeleton.macs(architecture, height, width),
        }
        for architecture in wanted
    ]
    if as_json:
        click.echo(json.dumps({"zero_flow_epe": zero, "architectures": rows}, indent=2, allow_nan=False))
        return
    table = Table("architecture", "EPE, px", "of zero flow", "MMAC")
    for row in rows:
        figures = (f"{row['epe']:.4f}", f"{row['share_of_zero_flow']:.3f}", f"{row['macs'] / 1e6:.1f}")
        table.add_row(str(row["architecture"]), *figures)
    table.add_row("zero flow", f"{zero:.4f}", "1", "0")
    Console(highlight=False).print(table)


def _scores(
    run: Run, wanted: Sequence[Architecture], tensors: Mapping[str, np.ndarray]
) -> Tuple[Dict[Architecture, float], float]:
    """EPE of each architecture, and of zero flow."""
    from edgeflownas.data.datasets import open_datasets
    from edgeflownas.evaluation import ChildEvaluator, EvaluationData

    train, val = open_datasets(run.config.data)
    data = EvaluationData(train, val, run.config.evaluation, run.config.threads)
    scores = {}
    with progress("scoring", len(wanted)) as bar:
        for architecture in wanted:
            scores[architecture] = ChildEvaluator(run.skeleton, architecture, data, SCORING_THREADS).score(tensors)
            if not np.isfinite(scores[architecture]):
                raise FloatingPointError(f"the EPE of {run.space.format(architecture)} is not finite")
            bar.advance(run.space.format(architecture))
    return scores, data.zero_flow_epe()
