"""Works on one task: what ``retrain`` does, on a laptop or as an element of an array job."""

import contextlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Iterator

from pydantic import Field

from edgeflownas.config import Section, validate
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.signals import Interrupted, StopFlag, stop_flag
from edgeflownas.storage import checkpoint, record
from search.queue.claim import Claim, hold_claim
from search.queue.task import Task, Word


class Result(Section):
    """The content of ``result.json``."""

    architecture: str
    epe: float = Field(ge=0, allow_inf_nan=False, description="of the best epoch, pixels")
    zero_flow_epe: float = Field(ge=0, allow_inf_nan=False, description="of predicting no motion, pixels")
    epoch: int = Field(ge=1, description="the best one")
    epochs: int = Field(ge=1, description="that were trained")
    wall_s: float = Field(ge=0, allow_inf_nan=False, description="of training and scoring, over all attempts")
    weights_sha256: str = Field(description="of best.h5's tensors")


def load_result(task: Task) -> Result:
    """What a task that is done has left.

    Raises:
        InputError: it is missing, damaged, or of another architecture.
    """
    path = task.paths.result
    result: Result = validate(record.read(path, "put that in its place"), Result, str(path))
    if result.architecture != task.config.architecture:
        raise InputError(f"{path}: is of {result.architecture}, not of {task.config.architecture}; restore it")
    return result


def retrain(task: Task) -> Word:
    """Begins a task or goes on with it, and leaves it in the state that it returns.

    ``done``; ``preempted`` by a signal, everything saved; ``queued`` again after a crash; or ``failed``, too often
    crashed or cancelled. A task that is done or has failed already is left as it is.

    Raises:
        InputError: another process works on it.
    """
    with stop_flag() as stop, hold_claim(task) as claim:
        if claim.state.state not in ("failed", "done"):
            say(f"task {task.index}: architecture {task.config.architecture}; it prints to {task.paths.output}")
            with _output_to(task.paths.output):
                _attempt(task, claim, stop)
        return claim.state.state


def _attempt(task: Task, claim: Claim, stop: StopFlag) -> None:
    claim.begin()
    state = claim.state
    say(f"--- attempt {state.attempts}: process {state.pid} on {state.host}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}")
    try:
        with claim.beating(lambda: stop.note(signal.SIGTERM, None)):
            result = _trained(task, claim, stop)
            record.write(task.paths.result, result.model_dump())
    except (Interrupted, KeyboardInterrupt) as stopped:
        claim.stopped(str(stopped) or "stopped by SIGINT")
    except Exception as error:  # whatever it is, the state has to tell it
        traceback.print_exc()
        claim.crashed(f"{type(error).__name__}: {error}")
    else:
        claim.change(state="done")


def _trained(task: Task, claim: Claim, stop: StopFlag) -> Result:
    """Trains to the end."""
    from edgeflownas.training.stages import prepare_retraining

    weights = task.load_first_weights()
    stop.raise_if_set()
    training = prepare_retraining(task.config, task.paths.folder, weights)
    resumed = training.resume()
    say(f"architecture {task.config.architecture}: {'continues' if resumed else 'begins'}")
    claim.watch(training.standing)
    stop.raise_if_set()
    last = training.run(claim.check)
    weights, best = checkpoint.load(task.paths.best)
    return Result(
        architecture=task.config.architecture,
        epe=best["epe"],
        zero_flow_epe=last["epe"] / last["share"],
        epoch=best["epoch"],
        epochs=int(last["epoch"]),
        wall_s=last["wall_s"],
        weights_sha256=checkpoint.digest(weights),
    )


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Sends all that this process and its libraries print to the end of a file while the block runs."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    with path.open("a", buffering=1, encoding="utf-8", errors="replace") as file:
        for number, _ in kept:
            os.dup2(file.fileno(), number)
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
