"""A claim on a task: the right to work on it, held by one process at a time, and the only way to change its state."""

import contextlib
import os
import socket
import threading
import time
from typing import Any, Callable, Iterator, Optional, Tuple

from edgeflownas.config import validate
from edgeflownas.errors import InputError
from edgeflownas.progress import Standing, say
from edgeflownas.storage import record
from edgeflownas.storage.lock import Lock, locked
from edgeflownas.storage.slurm import this_job
from search.queue.task import State, Task, make_printable

HEARTBEAT = 10.0  # seconds
SILENT_AFTER = 3 * HEARTBEAT  # seconds without one after which something is slow, or dead
STALE_AFTER = 120.0  # seconds without a heartbeat after which a process on another machine is dead

CANCELLED = "cancelled"

_REASON = 300  # characters


class Claim:
    """A task that this process works on.

    Attributes:
        state: of the task.
    """

    def __init__(self, task: Task, lock: Lock) -> None:
        self.state = task.state()
        self._task, self._lock = task, lock
        self._writing = threading.Lock()
        self._standing: Optional[Callable[[], Standing]] = None
        self._began: Tuple[float, int] = (0.0, 0)

    def change(self, **fields: Any) -> None:
        """Changes the state.

        Raises:
            InputError: the claim is lost, as this process was silent for too long; nothing is changed.
        """
        with self._writing:
            self._lock.beat()
            path = self._task.paths.state
            content = {**self.state.model_dump(), **fields, "changed": time.time()}
            self.state = validate(content, State, str(path))
            record.write(path, self.state.model_dump())

    def check(self) -> None:
        """Makes sure of the claim; to be called before every write in the task's folder.

        Raises:
            InputError: it is lost: another process may work on the task by now.
        """
        self._lock.beat()

    def begin(self) -> None:
        """Says that work begins, here and now."""
        job = this_job()
        self.change(
            state="running",
            attempts=self.state.attempts + 1,
            rate=None,
            host=socket.gethostname(),
            pid=os.getpid(),
            job=job and job.id,
            restarts=job.restarts if job else 0,
            reason=None,
            started=time.time(),
        )

    def crashed(self, reason: str) -> None:
        """Counts a crash: the task is queued again, or has failed."""
        crashes = self.state.crashes + 1
        word = "failed" if crashes >= self._task.config.attempts else "queued"
        self.change(state=word, crashes=crashes, reason=make_printable(reason)[:_REASON])

    def stopped(self, reason: str) -> None:
        """Says that work was stopped, with everything saved: to be continued, unless it was cancelled."""
        if self._task.cancelled:
            self.change(state="failed", reason=CANCELLED)
        else:
            self.change(state="preempted", reason=reason)

    def watch(self, standing: Callable[[], Standing]) -> None:
        """Tells the state from now on how far a training is."""
        self._began = time.monotonic(), standing().step
        self._standing = standing
        self.beat()

    def beat(self) -> None:
        """Shows that this process lives, and how far it is."""
        if self._standing is None:
            self.change()
            return
        standing = self._standing()
        since, first = self._began
        rate = (standing.step - first) / max(time.monotonic() - since, 1e-9)
        self.change(rate=rate or None, **standing._asdict())

    @contextlib.contextmanager
    def beating(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Keeps the heart beating while the block runs, however long one step takes.

        Args:
            cancel: is called, once, when the task is cancelled; by another thread.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(ended, cancel), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.beat()

    def _beat_until(self, ended: threading.Event, cancel: Callable[[], None]) -> None:
        told = False
        while not ended.wait(HEARTBEAT):
            if self._task.cancelled and not told:
                told = True
                cancel()
            try:
                self.beat()
            except OSError as error:
                say(f"no heartbeat: {error}")
            except InputError as error:
                say(f"ends at once, without saving: {error}")
                os._exit(1)  # another process works on the task by now: not one more file may be written here


@contextlib.contextmanager
def hold_claim(task: Task, death: str = "died without a word", before: Optional[State] = None) -> Iterator[Claim]:
    """Holds the claim on a task while the block runs.

    If the process that held it before has died, that is a crash; unless Slurm has ended its job, and started it again
    here: a lost node, or a preemption that left no time to save. If the task was cancelled, it has then failed.

    Args:
        task: to claim.
        death: how that one died.
        before: the state before that one was started; if nothing has changed since, it died before it held the claim,
            which is a crash, too.

    Raises:
        InputError: another living process holds it.
    """
    with locked(task.paths.claim, f"task {task.index}", STALE_AFTER) as lock:
        claim = Claim(task, lock)
        _settle(claim, task, death, before)
        with contextlib.suppress(FileNotFoundError):
            task.paths.killed.unlink()
        if task.cancelled and claim.state.state in ("queued", "preempted"):
            claim.stopped(CANCELLED)
        yield claim


def _settle(claim: Claim, task: Task, death: str, before: Optional[State]) -> None:
    """Writes down how the process that worked on a task before has ended, if it has not done so itself."""
    state, job, killed = claim.state, this_job(), task.paths.killed
    who = f"process {state.pid} on {state.host}"
    if state == before:
        claim.crashed(f"{death} before it began: {' '.join(task.log_tail(1))}")
    elif state.state != "running":
        return
    elif killed.exists():
        claim.crashed(f"{who}: killed, exit code {killed.read_text(errors='replace').strip()}")
    elif job is not None and job.id == state.job and job.restarts > state.restarts:
        claim.stopped(f"{who}: ended by Slurm")
    else:
        claim.crashed(f"{who}: {death}")
