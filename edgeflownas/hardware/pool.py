"""Compiles side by side, in processes of their own: TensorFlow can convert one network at a time in each."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from types import TracebackType
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Type

from edgeflownas.hardware.compiler import CacheEntry, Compiler, inspect_for_boards
from edgeflownas.hardware.networks import Networks
from edgeflownas.network.space import Architecture
from edgeflownas.signals import stop_flag

Entries = List[CacheEntry]  # of one architecture, one per compiler
Done = Callable[[Architecture], None]

_LOOK_FOR_SIGNALS = 0.5  # seconds

# Of a compiling process: what it compiles for, and what.
_work: Tuple[Sequence[Compiler], Networks]


class Pool:
    """Processes that compile the networks of a space for one or several boards; a context manager.

    They are started when something has to be compiled that is not in the cache, and end with the block.
    """

    def __init__(self, compilers: Sequence[Compiler], networks: Networks, jobs: int) -> None:
        """Prepares to compile.

        Args:
            compilers: one per board.
            networks: to compile.
            jobs: compiles side by side.
        """
        self.networks = networks
        self._compilers = compilers
        self._jobs = jobs
        self._processes: Optional[ProcessPoolExecutor] = None

    def __enter__(self) -> "Pool":
        """Begins; nothing is started yet."""
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Ends the processes, when they have finished what they are at."""
        if self._processes is not None:
            self._processes.shutdown()

    def compile(self, architectures: Sequence[Architecture], done: Done) -> Dict[Architecture, Entries]:
        """Compiles what is not known yet.

        Args:
            architectures: to compile.
            done: is told about each that is.

        Returns:
            Of each architecture its figures and operators, for each board.

        Raises:
            InputError: there is no Vela, or an architecture cannot be compiled.
            Interrupted: a signal came; what has been compiled is in the cache.
        """
        found: Dict[Architecture, Entries] = {}
        missing = []
        for architecture in architectures:
            known = [compiler.find_cached(self.networks, architecture) for compiler in self._compilers]
            entries = [entry for entry in known if entry is not None]
            if len(entries) == len(known):
                found[architecture] = entries
                done(architecture)
            else:
                missing.append(architecture)
        if missing:
            found.update(self._compile(missing, done))
        return {architecture: found[architecture] for architecture in architectures}

    def _compile(self, architectures: Sequence[Architecture], done: Done) -> Dict[Architecture, Entries]:
        found = {}
        pool = self._started()
        with stop_flag() as stop:
            pending = {pool.submit(_inspect, architecture): architecture for architecture in architectures}
            try:
                while pending:
                    ready, _ = concurrent.futures.wait(
                        pending, _LOOK_FOR_SIGNALS, concurrent.futures.FIRST_COMPLETED
                    )
                    stop.raise_if_set()
                    for future in ready:
                        architecture = pending.pop(future)
                        found[architecture] = _result(future)
                        done(architecture)
            finally:
                for future in pending:
                    future.cancel()
        return found

    def _started(self) -> ProcessPoolExecutor:
        if self._processes is None:
            arguments = (os.getpid(), self._compilers, self.networks)
            context = multiprocessing.get_context("spawn")
            self._processes = ProcessPoolExecutor(self._jobs, context, _begin, arguments)
        return self._processes


def _begin(parent: int, compilers: Sequence[Compiler], networks: Networks) -> None:
    """Readies a compiling process.

    Ctrl-C reaches all processes of a terminal: the first one decides, and what is being compiled is finished. Where
    the first one is killed, the others end as well.
    """
    global _work  # noqa: PLW0603 (a process has one work, which is too large to be sent with every architecture)
    _work = compilers, networks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _inspect(architecture: Architecture) -> Entries:
    return inspect_for_boards(*_work, architecture)


def _result(future: "concurrent.futures.Future[Entries]") -> Entries:
    try:
        return future.result()
    except BrokenProcessPool:
        raise OSError(
            "a compiling process was killed, perhaps for want of memory; try again with fewer side by side"
        ) from None
