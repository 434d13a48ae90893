"""``train``: strict-fairness training of the supernet."""

from pathlib import Path
from typing import Any, Dict, Optional

import click

from edgeflownas import checkpoint
from edgeflownas.config import Config
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from search.options import run_options
from search.run import Run


@click.command(help="Train a supernet with strict fairness.")
@click.option("--num-epochs", type=click.IntRange(min=1), help="Overrides train.epochs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Overrides train.batch_size, pairs.")
@click.option("--lr", type=float, help="Overrides train.learning_rate.")
@click.option("--resume/--no-resume", default=None, help="Continue, or begin, only; default: whichever is possible.")
@click.option("--init-from", type=click.Path(path_type=Path), help="Weights to begin with, an .h5 file.")
@click.option("--gpu-device", type=click.IntRange(min=-1), help="GPU to use; -1: none. Default: what TensorFlow finds.")
@run_options
def command(
    run: Run,
    resume: Optional[bool],
    init_from: Optional[Path],
    gpu_device: Optional[int],
    **overrides: Any,
) -> None:
    """Trains, or continues, the supernet of a run."""
    if gpu_device is not None:
        _use_gpu(gpu_device)
    from supernet.training import supernet_training  # TensorFlow looks for GPUs when it is imported

    run = _overridden(run, overrides)
    weights = run.fitting_weights(init_from) if init_from else None
    training = supernet_training(run.config, run.supernet_folder, run.training_identity(), weights)
    resumed = resume is not False and training.resume()
    if resume and not resumed:
        raise InputError(f"--resume: {run.supernet_folder} holds no training to continue; leave --resume away")
    if not resumed and (run.supernet_folder / "last.h5").exists():
        raise InputError(f"--no-resume: {run.supernet_folder} holds a training; move it away or name another --run")
    run.write_config()
    say(f"{'continues' if resumed else 'begins'} in {run.supernet_folder}")
    training.run()
    _, state = checkpoint.load(run.supernet_folder / "best.h5")
    say(f"done: best EPE {state['epe']:.3f} px in epoch {state['epoch']}, in {run.supernet_folder / 'best.h5'}")


def _use_gpu(device: int) -> None:
    import os

    os.environ["CUDA_VISIBLE_DEVICES"] = str(device)


def _overridden(run: Run, overrides: Dict[str, Any]) -> Run:
    names = {"num_epochs": "epochs", "batch_size": "batch_size", "lr": "learning_rate"}
    changes = {names[name]: value for name, value in overrides.items() if value is not None}
    if not changes:
        return run
    content = run.config.model_dump()
    content["train"].update(changes)
    from edgeflownas.config import validate

    return Run(validate(content, Config, "command line"), run.folder)
