"""Execution of the tasks of a queue on this machine, one after another, in separate processes."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, List, Sequence

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.signals import StopFlag, stop_flag
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from search.queue.script import PROGRAM
from search.queue.status import Row, read_row, read_rows
from search.queue.task import Task
from search.queue.watch import show_tasks

_POLL = 0.5  # seconds between checks of the process and the tasks


def run(queue: Queue, beat: Callable[[], None] = lambda: None) -> List[Row]:
    """Run all waiting tasks of a queue until none is left.

    Tasks that other processes are running are left to them.

    Args:
        queue: Queue to run.
        beat: Function called regularly while a task runs, and after it has ended.

    Returns:
        The tasks after the run.

    Raises:
        Interrupted: A signal was received; the running task has saved everything.
    """
    with stop_flag() as stop, show_tasks(lambda: read_rows(queue)) as show:

        def refresh() -> None:
            show()
            beat()

        while True:
            rows = read_rows(queue)
            waiting = [row.index for row in rows if row.to_do]
            if not waiting:
                _remove_stale_claims(queue, rows)
                return read_rows(queue)
            for index in waiting:
                if read_row(queue, index).to_do:
                    _run_task(queue.task(index), stop, refresh)
                stop.raise_if_set()


def _remove_stale_claims(queue: Queue, rows: Sequence[Row]) -> None:
    """Remove the claims of processes that were killed after their task had ended."""
    for row in rows:
        with contextlib.suppress(InputError):
            task = queue.task(row.index)
            if task.paths.claim.exists():
                with hold_claim(task):
                    pass


def build_command(folder: Path, index: int) -> List[str]:
    """Return the command that runs a task."""
    return [sys.executable, str(PROGRAM), "retrain", "--queue", str(folder), "--index", str(index)]


def _run_task(task: Task, stop: StopFlag, refresh: Callable[[], None]) -> None:
    """Run a task's process until it ends; on a signal, pass the signal on and wait until the task has saved."""
    before = task.state()
    with task.paths.output.open("ab") as output:
        # In a session of its own, the process receives a Ctrl-C once, from here, and not from the terminal as well.
        process = subprocess.Popen(
            build_command(task.queue.folder, task.index),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    notified = False
    try:
        while process.poll() is None:
            if stop and not notified:
                notified = True
                say(f"stopping task {task.index} after it has saved; press Ctrl-C again to quit without saving")
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
            refresh()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
    death = _describe_exit(process.returncode)
    # Claiming the task counts a crash that the process could not record itself, unless another process has the task.
    with contextlib.suppress(InputError), hold_claim(task, death, None if notified else before):
        pass
    refresh()


def _describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
