"""``train``: strictly fair training of the supernet, in one stage or in the stages of the strategy ``staged``."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import click
import numpy as np

from edgeflownas.config import Config, validate
from edgeflownas.errors import InputError
from edgeflownas.progress import phase, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.lock import Lock, locked
from search.commands.options import PathOption, gpu_option, report_restored, run_options
from search.run import Run
from search.strategies import staged


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
    if run.config.strategy == "independent":
        raise InputError("strategy: independent has no supernet; `evolve` trains its sample")
    if dry_run:
        with phase("loading TensorFlow"):
            from search.commands.dry_run import show_supernet_training

        show_supernet_training(run, run.load_weights(init_from) if init_from else None)
        return
    with locked(run.supernet_folder / "train.lock", f"training in {run.supernet_folder}") as lock:
        if from_previous:
            folders = staged.stage_folders(run.supernet_folder)
            weights_files = [folder / name for folder in folders for name in ("last.h5", "best.h5")]
            report_restored(*checkpoint.use_previous(*weights_files))
        weights = run.load_weights(init_from) if init_from else None
        if init_from and weights:
            say(f"initial weights: {run.origin(init_from, weights)}")
        if run.config.supernet is not None:
            say(
                f"supernet: {run.config.supernet} of the configuration is not used here; from now on this run uses the "
                f"weights that it trains"
            )
        if run.config.strategy == "staged":
            _check_resume(run.supernet_folder, resume, any(run.supernet_folder.glob("**/last.h5")))
            run.write_config()
            staged.train(run, weights, lock)
            _say_done(run)
        else:
            _train(run, resume, weights, lock)


def _check_resume(folder: Path, resume: Optional[bool], exists: bool) -> None:
    """Check that --resume or --no-resume agrees with whether the folder holds a training run."""
    if resume and not exists:
        raise InputError(f"--resume: {folder} holds no training to resume; `train` starts one")
    if resume is False and exists:
        raise InputError(
            f"--no-resume: {folder} already holds a training run, which `train` resumes; to start a new one, move "
            f"it away or choose another --run"
        )


def _train(run: Run, resume: Optional[bool], weights: Optional[Dict[str, np.ndarray]], lock: Lock) -> None:
    with phase("reading images and building the supernet"):
        from supernet.training import prepare_supernet_training

        training = prepare_supernet_training(run.config, run.supernet_folder, run.training_identity(), weights)
        _check_resume(run.supernet_folder, resume, (run.supernet_folder / "last.h5").exists())
        resumed = training.resume()
    run.write_config()
    say(f"{'resuming' if resumed else 'starting'} training in {run.supernet_folder}")
    training.run(lock.beat)
    _say_done(run)


def _say_done(run: Run) -> None:
    path = run.supernet_folder / "best.h5"
    tensors, state = checkpoint.load(path)
    origin = run.origin(path, tensors)
    say(f"training finished: best EPE {state['epe']:.3f} px in epoch {state['epoch']}; weights: {origin}")


def _override(run: Run, overrides: Dict[str, Any]) -> Run:
    keys = {"num_epochs": "epochs", "batch_size": "batch_size", "lr": "learning_rate", "devices": "devices"}
    changes = {keys[name]: value for name, value in overrides.items() if value is not None}
    if not changes:
        return run
    content = run.config.model_dump()
    content["train"].update(changes)
    options = [word for key in changes for word in ("--set", f"train.{key}={json.dumps(changes[key])}")]
    return Run(validate(content, Config, "command line"), run.folder, options=[*run.options, *options])
