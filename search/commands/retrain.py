"""``retrain``: one task of the queue; called by ``queue run`` and by the elements of an array job."""

import contextlib
import faulthandler
import os
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, TypeVar

import click
import numpy as np
from rich.console import Console

from edgeflownas.config import ChildConfig
from edgeflownas.progress import console, phase, say
from search.commands.options import PathOption, complete_errors, gpu_option, set_option
from search.hints import folder_options
from search.queue.queue import Queue
from search.queue.retrain import load_result, retrain
from search.queue.status import read_row
from search.queue.watch import show_tasks
from search.run import Run
from search.weights import WeightsOrigin

Child = TypeVar("Child", bound=ChildConfig)

EXIT_CODES = {"done": 0, "failed": 1, "queued": 75, "preempted": 130}  # 75 is EX_TEMPFAIL: to be tried again


@click.command()
@click.option("--queue", "folder", type=PathOption(), help="Folder of the queue, such as results/NAME/queue.")
@click.option("--id", "identity", help="Identity that the queue must have; it is recorded in queue.yaml.")
@click.option("--index", type=click.IntRange(min=0), help="Number of the task, from 0.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the plan, and time and memory measured on three steps per stage; train nothing.",
)
@click.option("--config", type=PathOption(), help="Configuration of a run, instead of --queue; requires --dry-run.")
@click.option("--architecture", metavar="ARCH", help="Architecture whose plan is shown; requires --config.")
@set_option
@gpu_option
def command(
    folder: Optional[Path],
    identity: Optional[str],
    index: Optional[int],
    dry_run: bool,
    config: Optional[Path],
    architecture: Optional[str],
    overrides: Tuple[str, ...],
    devices: Optional[List[int]],
) -> int:
    """Retrain the architecture of one task of the queue, or resume it.

    With --config, --architecture and --dry-run, show the plan for an architecture without a queue.

    Exit codes: 0 done; 1 failed, will not be tried again; 2 not started (a different process is working on the task,
    the queue is damaged or was rebuilt, or a GPU is missing); 75 crashed, can be tried again; 130 stopped by a signal,
    can be resumed.
    """
    faulthandler.enable(2)
    if config is not None:
        if architecture is None or not dry_run or folder is not None or index is not None:
            raise click.UsageError("--config requires --architecture and --dry-run; name a task by --queue and --index")
        run = Run.open(config, None, overrides)
        warm = run.config.queue.warm_start and run.supernet_file.exists()
        with complete_errors(run.options):
            say(f"initial weights: {run.networks_origin() if warm else 'random'}")
            _show_plan(run.retraining(architecture), run.supernet_weights() if warm else None, devices)
        return 0
    if folder is None or index is None or architecture is not None or overrides:
        raise click.UsageError("name a task by --queue and --index; without a queue, use --config and --dry-run")
    with complete_errors(folder_options(folder.parent)):
        return _retrain(folder, identity, index, dry_run, devices)


def _retrain(folder: Path, identity: Optional[str], index: int, dry_run: bool, devices: Optional[List[int]]) -> int:
    """Retrain a task of a queue, or show the plan, and return the exit code."""
    queue = Queue(folder)
    if identity is not None:
        queue.check(identity)
    task = queue.task(index)
    if dry_run:
        say(f"initial weights: {task.first_weights or 'random'}")
        _show_plan(task.config, task.load_first_weights(), devices)
        return 0
    task.config = _with_devices(task.config, devices)
    with _show_progress(queue, index):
        state = retrain(task)
    reason = task.state().reason
    result = ""
    if state == "done" and task.paths.result.exists():
        result = f"; weights: {WeightsOrigin(str(task.paths.best), load_result(task).weights_sha256)}"
    say(f"task {index}: {state}" + (f": {reason}" if reason else "") + result)
    return EXIT_CODES[state]


def _show_plan(config: ChildConfig, weights: Optional[Dict[str, np.ndarray]], devices: Optional[List[int]]) -> None:
    config = _with_devices(config, devices)
    with phase("loading TensorFlow"):
        from search.commands.dry_run import show_retraining

    show_retraining(config, weights)


def _with_devices(config: Child, devices: Optional[List[int]]) -> Child:
    """Return the training on the GPUs of the command line; refuse a missing GPU before the training starts."""
    if devices is None:
        return config
    from edgeflownas.tf_runtime.devices import select_devices

    select_devices(devices)
    return config.with_devices(devices)


@contextlib.contextmanager
def _show_progress(queue: Queue, index: int) -> Iterator[None]:
    """Show the progress of a task on the terminal; its output goes to its log."""
    if not console.is_interactive:
        yield
        return
    copy = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors)
    with copy as terminal, show_tasks(lambda: [read_row(queue, index)], Console(file=terminal)):
        yield
