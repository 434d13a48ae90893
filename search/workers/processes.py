"""Processes of this machine that compute, each replaced when it is killed."""

import concurrent.futures
import multiprocessing
import os
import queue
import signal
import threading
import warnings
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Callable, Optional, Sequence

from edgeflownas import progress
from edgeflownas.signals import SIGNALS

ATTEMPTS = 3  # at a piece of work whose process is killed


class Processes(concurrent.futures.Executor):
    """So many processes, started when there is work for them.

    A process that is killed costs what it was at, which another one begins anew, and nothing else: each is a pool of
    its own, as a pool that loses one process ends the others.
    """

    def __init__(self, count: int, devices: Sequence[int]) -> None:
        """Prepares to compute.

        Args:
            count: of processes.
            devices: GPUs that they share; none: each sees what this process does.
        """
        self._processes = [_Process(devices[i % len(devices)] if devices else None) for i in range(count)]
        self._idle: queue.Queue[_Process] = queue.Queue()
        for process in self._processes:
            self._idle.put(process)
        # The processes are children of these threads, and have their signals blocked: the first process decides.
        self._threads = concurrent.futures.ThreadPoolExecutor(count, initializer=_block_signals)

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> "concurrent.futures.Future[Any]":
        """Has a function computed.

        The future raises BrokenProcessPool if the function's process is killed again and again.
        """
        return self._threads.submit(self._run, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True) -> None:
        """Ends the processes at once, whatever they are at."""
        for process in self._processes:
            process.end()
        self._threads.shutdown(wait)
        for process in self._processes:
            process.clear_away()

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        process = self._idle.get()
        try:
            return process.run(function, *args, **kwargs)
        finally:
            self._idle.put(process)


class _Process:
    """One process, or the one that takes its place."""

    def __init__(self, device: Optional[int]) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._ended = False
        self._pool: Optional[ProcessPoolExecutor] = None
        self._lifeline: Optional[Connection] = None

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Computes, and tries again where the process is killed."""
        left = ATTEMPTS
        while True:
            try:
                return self._started().submit(function, *args, **kwargs).result()
            except BrokenProcessPool:
                self.clear_away()
                left -= 1
                if not left:
                    raise
                if not self._ended:
                    progress.say("a worker was killed; another begins anew what it was at")

    def end(self) -> None:
        """Ends the process at once."""
        with self._lock:
            self._ended = True
            if self._lifeline is not None:
                self._lifeline.close()

    def clear_away(self) -> None:
        """Forgets a process that has ended."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._ended:
                raise concurrent.futures.CancelledError
            if self._pool is None:
                theirs, self._lifeline = multiprocessing.Pipe(duplex=False)
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, _begin, (theirs, self._device))
            return self._pool


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _begin(lifeline: Connection, device: Optional[int]) -> None:
    """Readies a process, before anything imports TensorFlow."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(device)
    progress.console.quiet = True  # the first process has said it
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """Ends this process when the other end of the line is closed, or the process that holds it is gone."""
    lifeline.poll(None)
    os._exit(1)
