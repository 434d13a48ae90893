"""``retrain``: one task of the queue, as ``queue run`` and the elements of an array job call it."""

import contextlib
import faulthandler
import os
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, TypeVar

import click
import numpy as np
from rich.console import Console

from edgeflownas.config import ChildConfig
from edgeflownas.progress import console, phase, say
from search.commands.options import gpu_option, set_option
from search.queue.queue import Queue
from search.queue.retrain import retrain
from search.queue.status import row
from search.queue.watch import shown
from search.run import Run

Child = TypeVar("Child", bound=ChildConfig)

EXIT_CODES = {"done": 0, "failed": 1, "queued": 75, "preempted": 130}  # 75 is EX_TEMPFAIL: try again


@click.command()
@click.option("--queue", "folder", type=click.Path(path_type=Path), help="Folder of the queue, results/NAME/queue.")
@click.option("--id", "identity", help="The queue's, by queue.yaml; another one there since is refused.")
@click.option("--index", type=click.IntRange(min=0), help="Number of the task, from 0.")
@click.option("--dry-run", is_flag=True, help="Only show what would be trained, and measure three steps of each stage.")
@click.option("--config", type=click.Path(path_type=Path), help="Of a run without a queue, to look at with --dry-run.")
@click.option("--architecture", metavar="ARCH", help="With --config: the one to show.")
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
    """Retrains one task of the queue, or goes on with it. With --config and --dry-run: shows how it would be.

    Exit codes: 0 done; 1 failed for good; 75 crashed, to be tried again; 130 stopped by a signal, to be continued;
    2 not begun, because another process works on it, the queue is another or damaged, or a GPU is not there.
    """
    faulthandler.enable(2)
    if config is not None:
        if architecture is None or not dry_run or folder is not None or index is not None:
            raise click.UsageError("--config: goes with --architecture and --dry-run; a task has --queue and --index")
        run = Run.open(config, None, overrides)
        warm = run.config.queue.warm_start and run.supernet_file.exists()
        _show(run.retraining(architecture), run.supernet_weights() if warm else None, devices)
        return 0
    if folder is None or index is None or architecture is not None or overrides:
        raise click.UsageError("a task is named by --queue and --index; before there is a queue, see --config")
    queue = Queue(folder)
    if identity is not None:
        queue.check(identity)
    task = queue.task(index)
    if dry_run:
        _show(task.config, task.first_weights(), devices)
        return 0
    task.config = _on(task.config, devices)
    with _watched(queue, index):
        word = retrain(task)
    reason = task.state().reason
    say(f"task {index}: {word}" + (f": {reason}" if reason else ""))
    return EXIT_CODES[word]


def _show(config: ChildConfig, weights: Optional[Dict[str, np.ndarray]], devices: Optional[List[int]]) -> None:
    config = _on(config, devices)
    with phase("loading TensorFlow"):
        from search.commands.dry_run import show_retraining

    show_retraining(config, weights)


def _on(config: Child, devices: Optional[List[int]]) -> Child:
    """The training on the GPUs that the command line names; tells of one that is not there before it has begun."""
    if devices is None:
        return config
    from edgeflownas.tf_runtime.devices import chosen_devices

    chosen_devices(devices)
    return config.on(devices)


@contextlib.contextmanager
def _watched(queue: Queue, index: int) -> Iterator[None]:
    """Shows how far a task is on a terminal, past its output, which goes to its log."""
    if not console.is_terminal:
        yield
        return
    with os.fdopen(os.dup(2), "w") as terminal, shown(lambda: [row(queue, index)], Console(file=terminal)):
        yield
