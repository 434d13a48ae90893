"""``train``: strictly fair training of the supernet, in one stage or in the stages of the strategy ``staged``."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import click

from edgeflownas.config import Config, validate
from edgeflownas.progress import phase
from search.api.training import check_supernet, train
from search.commands.options import PathOption, gpu_option, run_options
from search.run import Run


@click.command()
@click.option("--num-epochs", type=click.IntRange(min=1), help="Override train.epochs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Override train.batch_size, in pairs.")
@click.option("--lr", type=float, help="Override train.learning_rate.")
@click.option(
    "--resume/--no-resume",
    default=None,
    help="Require training to be resumed, or to be started. Default: resume if possible.",
)
@click.option("--from-previous", is_flag=True, help="Replace damaged checkpoints with the previous ones.")
@click.option("--init-from", type=PathOption(), help="File with the initial weights (.h5).")
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, and time and memory measured on three steps; train nothing."
)
@gpu_option
@run_options
def command(
    run: Run,
    resume: Optional[bool],
    from_previous: bool,
    init_from: Optional[Path],
    dry_run: bool,
    **overrides: Any,
) -> None:
    """Train the supernet of a run with strict fairness, or resume training."""
    run = _override(run, overrides)
    if dry_run:
        check_supernet(run)
        with phase("loading TensorFlow"):
            from search.commands.dry_run import show_supernet_training

        show_supernet_training(run, run.load_weights(init_from) if init_from else None)
        return
    train(run, resume, from_previous, init_from)


def _override(run: Run, overrides: Dict[str, Any]) -> Run:
    keys = {"num_epochs": "epochs", "batch_size": "batch_size", "lr": "learning_rate", "devices": "devices"}
    changes = {keys[name]: value for name, value in overrides.items() if value is not None}
    if not changes:
        return run
    content = run.config.model_dump()
    content["train"].update(changes)
    options = [word for key in changes for word in ("--set", f"train.{key}={json.dumps(changes[key])}")]
    return Run(validate(content, Config, "command line"), run.folder, options=[*run.options, *options])
