"""Pool of worker processes on this machine; a worker that is killed is replaced, and its work is repeated."""

import concurrent.futures
import multiprocessing
import multiprocessing.util
import os
import queue
import signal
import sys
import threading
import warnings
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from edgeflownas import progress
from edgeflownas.signals import SIGNALS

# Option of Python that leaves the working folder out of the module search path. -P exists since 3.11; -I also ignores
# environment variables, most of which only affect the module search path, which workers receive from their parent.
_ISOLATED = "-P" if sys.version_info >= (3, 11) else "-I"

ATTEMPTS = 3  # number of times that a call is tried if its worker is killed


class ProcessPool(concurrent.futures.Executor):
    """Executor with a fixed number of worker processes, started when there is work for them.

    If a worker is killed, only the call that it was executing is repeated, by a new worker. Python's own pool ends all
    its workers if one is killed, so each worker here is a pool of one process. Workers ignore the signals that
    interrupt a command, and end with the process that started them, even if that is killed.
    """

    def __init__(
        self,
        count: int,
        devices: Sequence[int] = (),
        initializer: Optional[Callable[..., None]] = None,
        initargs: Sequence[Any] = (),
    ) -> None:
        """Set up the pool; no process is started yet.

        Args:
            count: Number of workers.
            devices: Numbers of the GPUs that the workers share. If empty, workers see the same GPUs as this process.
            initializer: Function that every worker calls first.
            initargs: Arguments of the initializer.
        """
        begin = (initializer, initargs)
        self._workers = [_Worker(devices[i % len(devices)] if devices else None, *begin) for i in range(count)]
        self._idle: queue.Queue[_Worker] = queue.Queue()
        for worker in self._workers:
            self._idle.put(worker)
        # Workers are started by these threads and inherit their blocked signals: only the parent handles signals.
        self._threads = concurrent.futures.ThreadPoolExecutor(count, initializer=_block_signals)

    def submit(  # type: ignore[override]  # Python 3.7 has no positional-only parameters
        self, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> "concurrent.futures.Future[Any]":
        """Schedule a call in a worker.

        The future raises BrokenProcessPool if the call's worker is killed at each of the ``ATTEMPTS``.
        """
        return self._threads.submit(self._run, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
        """End the workers at once, without waiting for the calls that they are executing."""
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(wait)
        for worker in self._workers:
            worker.discard_process()

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        worker = self._idle.get()
        try:
            return worker.run(function, *args, **kwargs)
        finally:
            self._idle.put(worker)


class _Worker:
    """One worker: its current process, or none before the first call and after the process was killed."""

    def __init__(
        self, device: Optional[int], initializer: Optional[Callable[..., None]], initargs: Sequence[Any]
    ) -> None:
        self._begin = device, initializer, initargs
        self._lock = threading.Lock()
        self._ended = False
        self._pool: Optional[ProcessPoolExecutor] = None
        self._lifeline: Optional[Connection] = None

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Execute a call in the process, and repeat it in a new process if that is killed."""
        left = ATTEMPTS
        while True:
            try:
                return self._start().submit(function, *args, **kwargs).result()
            except BrokenProcessPool:
                self.discard_process()
                left -= 1
                if not left:
                    raise
                if not self._ended:
                    progress.say("a worker was killed; a new one repeats its work")

    def end(self) -> None:
        """End the process at once; no other is started."""
        with self._lock:
            self._ended = True
            if self._lifeline is not None:
                self._lifeline.close()

    def discard_process(self) -> None:
        """Release the resources of a process that has ended."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._ended:
                raise concurrent.futures.CancelledError
            if self._pool is None:
                isolate_workers()
                child_end, self._lifeline = multiprocessing.Pipe(duplex=False)
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, _begin, (child_end, *self._begin))
                _block_signals()  # Python unblocks them when it starts its resource tracker for the first pool
            return self._pool


def isolate_workers() -> None:
    """Prevent processes that multiprocessing starts from now on from importing modules in the working folder.

    It starts them with ``python -c``, which searches the working folder first, even for ``random``.
    """
    util: Any = multiprocessing.util
    options = util._args_from_interpreter_flags()
    if _ISOLATED not in options:
        util._args_from_interpreter_flags = lambda: [*options, _ISOLATED]
    project = str(Path(__file__).resolve().parents[1])  # with -I, an installation in the user's home is not found
    if project not in sys.path:
        sys.path.append(project)


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _begin(
    lifeline: Connection, device: Optional[int], initializer: Optional[Callable[..., None]], initargs: Sequence[Any]
) -> None:
    """Set up a worker process, before anything imports TensorFlow."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(device)
    progress.console.quiet = True  # the parent process prints the messages
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent(lifeline: Connection) -> None:
    """End this process when the parent closes its end of the pipe, or has ended."""
    lifeline.poll(None)
    os._exit(1)
