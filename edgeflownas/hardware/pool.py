"""Parallel compilation, in worker processes: TensorFlow converts one network at a time in each process."""

import concurrent.futures
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Type

from edgeflownas.hardware.cache import CacheEntry
from edgeflownas.hardware.compiler import Compiler, inspect_for_boards
from edgeflownas.hardware.networks import Networks
from edgeflownas.network.space import Architecture
from edgeflownas.process_pool import ProcessPool
from edgeflownas.progress import say_once
from edgeflownas.signals import stop_flag

Entries = List[CacheEntry]  # of one architecture, one per compiler
Done = Callable[[Architecture], None]

_SIGNAL_INTERVAL = 0.5  # seconds between checks for signals

# In a worker: the compilers and the networks. They are too large to be sent with every architecture.
_work: Tuple[Sequence[Compiler], Networks]


class Pool:
    """Worker processes that compile the networks of a space for one or several boards; a context manager.

    The workers start when an architecture that is not in the cache has to be compiled, and stop when the ``with`` block
    exits.
    """

    def __init__(self, compilers: Sequence[Compiler], networks: Networks, jobs: int) -> None:
        """Set up the pool; no process is started yet.

        Args:
            compilers: One compiler per board.
            networks: Networks to compile.
            jobs: Number of compiles that run in parallel.
        """
        self.networks = networks
        self._compilers = compilers
        self._jobs = jobs
        self._processes: Optional[ProcessPool] = None

    def __enter__(self) -> "Pool":
        """Return the pool."""
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """End the workers, which are idle, as ``compile`` waits until they have finished."""
        if self._processes is not None:
            self._processes.shutdown()

    def compile(self, architectures: Sequence[Architecture], done: Done) -> Dict[Architecture, Entries]:
        """Compile the architectures whose figures are not in the cache.

        Args:
            architectures: Architectures to compile.
            done: Function called with every architecture whose figures are known.

        Returns:
            Figures and operators per architecture, for each board.

        Raises:
            InputError: Vela is missing, or an architecture cannot be compiled.
            OSError: An architecture's worker was killed at every attempt.
            Interrupted: A signal was received; the figures compiled so far are in the cache.
        """
        entries: Dict[Architecture, Entries] = {}
        missing = []
        for architecture in architectures:
            cached = [compiler.find_cached(self.networks, architecture) for compiler in self._compilers]
            known = [entry for entry in cached if entry is not None]
            if len(known) == len(cached):
                entries[architecture] = known
                done(architecture)
            else:
                missing.append(architecture)
        if missing:
            entries.update(self._compile(missing, done))
        return {architecture: entries[architecture] for architecture in architectures}

    def _compile(self, architectures: Sequence[Architecture], done: Done) -> Dict[Architecture, Entries]:
        entries = {}
        if self._processes is None:
            work = (self._compilers, self.networks)
            self._processes = ProcessPool(self._jobs, initializer=_set_work, initargs=work)
        with stop_flag() as stop:
            pending = {self._processes.submit(_inspect, architecture): architecture for architecture in architectures}
            try:
                while pending:
                    ready, _ = concurrent.futures.wait(
                        pending, _SIGNAL_INTERVAL, concurrent.futures.FIRST_COMPLETED
                    )
                    stop.raise_if_set()
                    for future in ready:
                        architecture = pending.pop(future)
                        entries[architecture] = _get_result(future)
                        done(architecture)
            finally:  # compiles that have begun are finished, so that their figures are in the cache
                concurrent.futures.wait([future for future in pending if not future.cancel()])
        return entries


def _set_work(compilers: Sequence[Compiler], networks: Networks) -> None:
    global _work  # noqa: PLW0603 (a worker has one task)
    _work = compilers, networks


def _inspect(architecture: Architecture) -> Tuple[Entries, Optional[str]]:
    """Compile an architecture in a worker; also return a message if the cache cannot be written, otherwise None."""
    compilers, networks = _work
    entries = inspect_for_boards(compilers, networks, architecture)
    return entries, compilers[0].cache.problem


def _get_result(future: "concurrent.futures.Future[Tuple[Entries, Optional[str]]]") -> Entries:
    try:
        entries, problem = future.result()
        if problem is not None:
            say_once(problem)
        return entries
    except BrokenProcessPool:
        raise OSError(
            "a compiling process was killed, perhaps for lack of memory; try again with fewer jobs in parallel"
        ) from None
