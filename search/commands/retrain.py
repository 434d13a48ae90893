"""``retrain``: one task of the queue, as ``queue run`` and the elements of an array job call it."""

import faulthandler
from pathlib import Path

import click

from edgeflownas.progress import say
from search.queue.queue import Queue
from search.queue.retrain import retrain

EXIT_CODES = {"done": 0, "failed": 1, "queued": 75, "preempted": 130}  # 75 is EX_TEMPFAIL: try again


@click.command()
@click.option(
    "--queue", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the queue, results/NAME/queue."
)
@click.option("--index", required=True, type=click.IntRange(min=0), help="Number of the task, from 0.")
@click.option("--dry-run", is_flag=True, help="Only show what would be trained, and measure three steps of each stage.")
def command(folder: Path, index: int, dry_run: bool) -> int:
    """Retrains one task of the queue, or goes on with it.

    Exit codes: 0 done; 1 failed for good; 75 crashed, to be tried again; 130 stopped by a signal, to be continued;
    2 not begun, because another process works on it or the queue is damaged.
    """
    faulthandler.enable(2)
    task = Queue(folder).task(index)
    if dry_run:
        from search.dry_run import show_retraining

        show_retraining(task.config, task.first_weights())
        return 0
    word = retrain(task)
    reason = task.state().reason
    say(f"task {index}: {word}" + (f": {reason}" if reason else ""))
    return EXIT_CODES[word]
