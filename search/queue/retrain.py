"""Execution of one task, on any machine or as an element of an array job."""

import contextlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Dict, Iterator

from pydantic import Field

from edgeflownas.config import Section, validate
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.signals import Interrupted, StopFlag, stop_flag
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.pairs import Identities
from search.queue.claim import Claim, hold_claim
from search.queue.queue import Queue
from search.queue.same_pairs import check_same_pairs
from search.queue.task import StateName, Task


class Result(Section):
    """Content of ``result.json``."""

    architecture: str
    epe: float = Field(ge=0, allow_inf_nan=False, description="EPE of the best epoch, pixels")
    zero_flow_epe: float = Field(ge=0, allow_inf_nan=False, description="EPE of zero flow, pixels")
    epoch: int = Field(ge=1, description="best epoch")
    epochs: int = Field(ge=1, description="number of epochs trained")
    wall_s: float = Field(ge=0, allow_inf_nan=False, description="seconds of training and scoring, over all attempts")
    weights_sha256: str = Field(description="digest of the tensors in best.h5")
    pairs: Identities = Field({}, description="fingerprints of the pairs that were read; empty for drawn scenes")


def load_result(task: Task) -> Result:
    """Return the result of a finished task.

    Raises:
        InputError: The result is missing, damaged, or belongs to another architecture.
    """
    path = task.paths.result
    result: Result = validate(record.read(path, "replace it by the previous file"), Result, str(path))
    if result.architecture != task.config.architecture:
        raise InputError(
            f"{path}: belongs to {result.architecture}, not to {task.config.architecture}; restore the file"
        )
    return result


def retrain(task: Task) -> StateName:
    """Start or resume a task, and return the state in which it ends.

    The state is ``done``; ``preempted`` if a signal stopped it, with everything saved; ``queued`` again after a crash;
    or ``failed`` if it has crashed too often or was cancelled. A task that is already done or failed is left as it is.

    Raises:
        InputError: Another process is running the task.
    """
    with stop_flag() as stop, hold_claim(task) as claim:
        if claim.state.state not in ("failed", "done"):
            say(f"task {task.index}: architecture {task.config.architecture}; output goes to {task.paths.output}")
            with _redirect_output(task.paths.output):
                _attempt(task, claim, stop)
        return claim.state.state


def _attempt(task: Task, claim: Claim, stop: StopFlag) -> None:
    claim.begin()
    state = claim.state
    say(f"--- attempt {state.attempts}: process {state.pid} on {state.host}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}")
    try:
        with claim.keep_beating(lambda: stop.note(signal.SIGTERM, None)):
            result = _train(task, claim, stop)
            record.write(task.paths.result, result.model_dump())
    except (Interrupted, KeyboardInterrupt) as stopped:
        claim.record_stop(str(stopped) or "stopped by SIGINT")
    except Exception as error:  # the state must record errors of any kind
        traceback.print_exc()
        claim.record_crash(f"{type(error).__name__}: {error}")
    else:
        claim.change(state="done")


def _train(task: Task, claim: Claim, stop: StopFlag) -> Result:
    """Train to the end, resuming from the last checkpoint if there is one."""
    from edgeflownas.training.stages import prepare_retraining

    weights = task.load_first_weights()
    stop.raise_if_set()
    training = prepare_retraining(task.config, task.paths.folder, weights)
    pairs = training.pairs
    check_same_pairs({**_read_pairs_of_others(task), task.paths.result: pairs})
    resumed = training.resume()
    start = f"initial weights: {task.first_weights or 'random'}"
    say(f"architecture {task.config.architecture}: {'resuming' if resumed else 'starting'}; {start}")
    claim.track(training.standing)
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
        pairs=pairs,
    )


def _read_pairs_of_others(task: Task) -> Dict[Path, Identities]:
    """Return the fingerprints of the pairs of the queue's finished tasks, by the path of the result."""
    pairs = {}
    queue = Queue(task.queue.folder)
    for index in queue.indices:
        with contextlib.suppress(InputError):  # it is not finished, or damaged, which `queue status` reports
            other = queue.task(index)
            pairs[other.paths.result] = load_result(other).pairs
    return pairs


@contextlib.contextmanager
def _redirect_output(path: Path) -> Iterator[None]:
    """Append the output of this process and its libraries to a file while the block runs."""
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
