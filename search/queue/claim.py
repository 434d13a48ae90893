"""A claim on a task: the right to run the task and to change its state, held by one process at a time."""

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

HEARTBEAT = 10.0  # seconds between heartbeats
SILENT_AFTER = 3 * HEARTBEAT  # seconds without a heartbeat after which a process is slow or dead
STALE_AFTER = 120.0  # seconds without a heartbeat after which a process on another machine is considered dead

CANCELLED = "cancelled"

_REASON = 300  # maximum length of a reason, in characters


class Claim:
    """The claim that this process holds on a task.

    Attributes:
        state: State of the task.
    """

    def __init__(self, task: Task, lock: Lock) -> None:
        self.state = task.state()
        self._task, self._lock = task, lock
        self._writing = threading.Lock()
        self._standing: Optional[Callable[[], Standing]] = None
        self._tracked_since: Tuple[float, int] = (0.0, 0)

    def change(self, **fields: Any) -> None:
        """Change the state.

        Raises:
            InputError: The claim is lost because this process went too long without a heartbeat; nothing is changed.
        """
        with self._writing:
            self._lock.beat()
            path = self._task.paths.state
            content = {**self.state.model_dump(), **fields, "changed": time.time()}
            self.state = validate(content, State, str(path))
            record.write(path, self.state.model_dump())

    def check(self) -> None:
        """Check that the claim is still held; must be called before every write in the task's folder.

        Raises:
            InputError: The claim is lost; another process may already be running the task.
        """
        self._lock.beat()

    def begin(self) -> None:
        """Record the start of an attempt by this process."""
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

    def record_crash(self, reason: str) -> None:
        """Count a crash, and queue the task again or mark it as failed."""
        crashes = self.state.crashes + 1
        state = "failed" if crashes >= self._task.config.attempts else "queued"
        self.change(state=state, crashes=crashes, reason=make_printable(reason)[:_REASON])

    def record_stop(self, reason: str) -> None:
        """Record that the task was stopped with everything saved, to be resumed unless it was cancelled."""
        if self._task.cancelled:
            self.change(state="failed", reason=CANCELLED)
        else:
            self.change(state="preempted", reason=reason)

    def track(self, standing: Callable[[], Standing]) -> None:
        """Record the training progress in the state with every heartbeat."""
        self._tracked_since = time.monotonic(), standing().step
        self._standing = standing
        self.beat()

    def beat(self) -> None:
        """Write a heartbeat and the progress."""
        if self._standing is None:
            self.change()
            return
        standing = self._standing()
        since, first = self._tracked_since
        rate = (standing.step - first) / max(time.monotonic() - since, 1e-9)
        self.change(rate=rate or None, **standing._asdict())

    @contextlib.contextmanager
    def keep_beating(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Write heartbeats while the block runs, however long one step takes.

        Args:
            cancel: Function called once, by another thread, when the task is cancelled.
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
        notified = False
        while not ended.wait(HEARTBEAT):
            if self._task.cancelled and not notified:
                notified = True
                cancel()
            try:
                self.beat()
            except OSError as error:
                say(f"no heartbeat: {error}")
            except InputError as error:
                say(f"quitting without saving: {error}")
                os._exit(1)  # another process runs the task by now: nothing more may be written here


@contextlib.contextmanager
def hold_claim(task: Task, death: str = "died unexpectedly", before: Optional[State] = None) -> Iterator[Claim]:
    """Hold the claim on a task while the block runs.

    If the previous holder has died, that counts as a crash, unless Slurm has ended its job and restarted it here, as
    after the loss of a node or a preemption that left no time to save. A cancelled task that waits becomes failed.

    Args:
        task: Task to claim.
        death: How the previous holder died, for the recorded reason.
        before: State before the previous process was started. If nothing has changed since then, that process died
            before it held the claim, which counts as a crash, too.

    Raises:
        InputError: Another live process holds the claim.
    """
    with locked(task.paths.claim, f"task {task.index}", STALE_AFTER) as lock:
        claim = Claim(task, lock)
        _record_death(claim, task, death, before)
        with contextlib.suppress(FileNotFoundError):
            task.paths.killed.unlink()
        if task.cancelled and claim.state.state in ("queued", "preempted"):
            claim.record_stop(CANCELLED)
        yield claim


def _record_death(claim: Claim, task: Task, death: str, before: Optional[State]) -> None:
    """Record how the previous process of a task ended, if it has not done so itself."""
    state, job, killed = claim.state, this_job(), task.paths.killed
    process = f"process {state.pid} on {state.host}"
    if state == before:
        claim.record_crash(f"{death} before the task began: {' '.join(task.log_tail(1))}")
    elif state.state != "running":
        return
    elif killed.exists():
        claim.record_crash(f"{process}: killed, exit code {killed.read_text(errors='replace').strip()}")
    elif job is not None and job.id == state.job and job.restarts > state.restarts:
        claim.record_stop(f"{process}: ended by Slurm")
    else:
        claim.record_crash(f"{process}: {death}")
