"""Works a queue off on this machine, task by task, each in a process of its own."""

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
from search.queue.status import Row, read_row, read_rows
from search.queue.task import Task
from search.queue.watch import show_tasks

_LOOK = 0.5  # seconds between looks at process and tasks


def run(queue: Queue, beat: Callable[[], None] = lambda: None) -> List[Row]:
    """Works on all tasks until none is left to do.

    Tasks that other processes work on are left to them.

    Args:
        queue: to work off.
        beat: is called at every look at a task under way, and when it has ended.

    Returns:
        The tasks as they then are.

    Raises:
        Interrupted: a signal came; the task under way has saved everything.
    """
    with stop_flag() as stop, show_tasks(lambda: read_rows(queue)) as show:

        def look() -> None:
            show()
            beat()

        while True:
            listed = read_rows(queue)
            waiting = [each.index for each in listed if each.to_do]
            if not waiting:
                _clear(queue, listed)
                return read_rows(queue)
            for index in waiting:
                if read_row(queue, index).to_do:
                    _work(queue.task(index), stop, look)
                stop.raise_if_set()


def _clear(queue: Queue, listed: Sequence[Row]) -> None:
    """Removes the claims of processes that were killed when their task had ended."""
    for each in listed:
        with contextlib.suppress(InputError):
            task = queue.task(each.index)
            if task.paths.claim.exists():
                with hold_claim(task):
                    pass


def build_command(folder: Path, index: int) -> List[str]:
    """What a task's process is started with."""
    return [sys.executable, "-m", "search", "retrain", "--queue", str(folder), "--index", str(index)]


def _work(task: Task, stop: StopFlag, look: Callable[[], None]) -> None:
    """Runs a task's process until it ends; a signal is handed on, and what it then saves is waited for."""
    before = task.state()
    with task.paths.output.open("ab") as output:
        # In a session of its own, a Ctrl-C reaches it once, from here, and not from the terminal too.
        process = subprocess.Popen(
            build_command(task.queue.folder, task.index),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    told = False
    try:
        while process.poll() is None:
            if stop and not told:
                told = True
                say(f"task {task.index} saves and stops; once more Ctrl-C ends it without")
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
            look()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
    with contextlib.suppress(InputError), hold_claim(task, _death(process.returncode), None if told else before):
        pass  # a crash that the process could not write down itself is counted, unless another process has the task
    look()


def _death(code: int) -> str:
    """How a process has ended, by its exit code."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
