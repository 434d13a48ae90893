"""Training of the supernet of a run, in one stage or in the stages of the strategy ``staged``."""

from pathlib import Path
from typing import Dict, Optional

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.progress import phase, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import report_restored
from edgeflownas.storage.lock import Lock, locked
from search.api.runs import AnyPath
from search.run import Run
from search.strategies import staged


def train(
    run: Run,
    resume: Optional[bool] = None,
    from_previous: bool = False,
    init_from: Optional[AnyPath] = None,
) -> Path:
    """Train the supernet of a run, or resume its training.

    Args:
        run: Run whose supernet is trained.
        resume: Whether training must be resumed (True) or started (False); if None, it is resumed if possible.
        from_previous: Whether to replace damaged checkpoints with the previous ones.
        init_from: File with initial weights; if None, training starts from random weights.

    Returns:
        Path of the best weights.

    Raises:
        InputError: The configuration, the data or a checkpoint cannot be used.
        Interrupted: A signal was received. The training can be resumed.
    """
    check_supernet(run)
    with locked(run.supernet_folder / "train.lock", f"training in {run.supernet_folder}") as lock:
        if from_previous:
            folders = staged.stage_folders(run.supernet_folder)
            weights_files = [folder / name for folder in folders for name in ("last.h5", "best.h5")]
            report_restored(*checkpoint.use_previous(*weights_files))
        weights = None
        if init_from is not None:
            weights = run.load_weights(Path(init_from))
            say(f"initial weights: {run.origin(Path(init_from), weights)}")
        if run.config.supernet is not None:
            say(
                f"supernet: {run.config.supernet} of the configuration is not used here; from now on this run uses the "
                f"weights that it trains"
            )
        if run.config.strategy == "staged":
            _check_resume(run.supernet_folder, resume, any(run.supernet_folder.glob("**/last.h5")))
            run.write_config()
            staged.train(run, weights, lock)
        else:
            _train(run, resume, weights, lock)
        _say_done(run)
    return run.supernet_folder / "best.h5"


def check_supernet(run: Run) -> None:
    """Raise InputError if the strategy of a run has no supernet."""
    if run.config.strategy == "independent":
        raise InputError("strategy: independent has no supernet; `evolve` trains its sample")


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

        identity = run.training_identity()
        if weights is not None:
            identity["first weights"] = checkpoint.digest(weights)
        training = prepare_supernet_training(run.config, run.supernet_folder, identity, weights)
        _check_resume(run.supernet_folder, resume, (run.supernet_folder / "last.h5").exists())
        resumed = training.resume()
    run.write_config()
    say(f"{'resuming' if resumed else 'starting'} training in {run.supernet_folder}")
    training.run(lock.beat)


def _say_done(run: Run) -> None:
    path = run.supernet_folder / "best.h5"
    tensors, state = checkpoint.load(path)
    origin = run.origin(path, tensors)
    say(f"training finished: best EPE {state['epe']:.3f} px in epoch {state['epoch']}; weights: {origin}")
