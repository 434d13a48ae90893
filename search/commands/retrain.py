"""``retrain``: one task of the queue, as ``queue run`` and the elements of an array job call it."""

import contextlib
import faulthandler
import os
from pathlib import Path
from typing import Iterator, List, Optional

import click
from rich.console import Console

from edgeflownas.progress import console, phase, say
from search.options import gpu_option
from search.queue.queue import Queue
from search.queue.retrain import retrain
from search.queue.status import row
from search.queue.watch import shown

EXIT_CODES = {"done": 0, "failed": 1, "queued": 75, "preempted": 130}  # 75 is EX_TEMPFAIL: try again


@click.command()
@click.option(
    "--queue", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the queue, results/NAME/queue."
)
@click.option("--id", "identity", help="The queue's, by queue.yaml; another one there since is refused.")
@click.option("--index", required=True, type=click.IntRange(min=0), help="Number of the task, from 0.")
@click.option("--dry-run", is_flag=True, help="Only show what would be trained, and measure three steps of each stage.")
@gpu_option
def command(folder: Path, identity: Optional[str], index: int, dry_run: bool, devices: Optional[List[int]]) -> int:
    """Retrains one task of the queue, or goes on with it.

    Exit codes: 0 done; 1 failed for good; 75 crashed, to be tried again; 130 stopped by a signal, to be continued;
    2 not begun, because another process works on it, the queue is another or damaged, or a GPU is not there.
    """
    faulthandler.enable(2)
    queue = Queue(folder)
    if identity is not None:
        queue.check(identity)
    task = queue.task(index)
    if devices is not None:
        from edgeflownas.devices import chosen_devices

        chosen_devices(devices)  # tells of one that is not there before the task has begun
        task.config = task.config.on(devices)
    if dry_run:
        with phase("loading TensorFlow"):
            from search.dry_run import show_retraining

        show_retraining(task.config, task.first_weights())
        return 0
    with _watched(queue, index):
        word = retrain(task)
    reason = task.state().reason
    say(f"task {index}: {word}" + (f": {reason}" if reason else ""))
    return EXIT_CODES[word]


@contextlib.contextmanager
def _watched(queue: Queue, index: int) -> Iterator[None]:
    """Shows how far a task is on a terminal, past its output, which goes to its log."""
    if not console.is_terminal:
        yield
        return
    with os.fdopen(os.dup(2), "w") as terminal, shown(lambda: [row(queue, index)], Console(file=terminal)):
        yield
