"""The main loop: ask, score, tell and save, until the search ends or a signal is received."""

import contextlib
import time
from typing import Callable, Iterator, List, NamedTuple

from edgeflownas.signals import stop_flag
from edgeflownas.storage.lock import Lock
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import CompileProgress, Evaluator, Score, score_all
from search.storage.search_file import SearchFile


class Status(NamedTuple):
    """Progress of a search.

    Attributes:
        generation: Number of the generation that is being scored, or was just completed.
        done: Number of architectures of this generation that are scored.
        total: Number of architectures of this generation.
        duplicates: Number of children that were drawn again so far because they were already scored.
        seconds_left: Upper bound of the remaining time at the rate so far, in seconds.
    """

    generation: int
    done: int
    total: int
    duplicates: int
    seconds_left: float


def evolve(
    evolution: Evolution,
    evaluator: Evaluator,
    file: SearchFile,
    lock: Lock,
    show: Callable[[Status], None],
    show_compiling: CompileProgress = lambda done, total: None,
) -> str:
    """Run a search to its end and save every generation.

    Args:
        evolution: Evolution of the archive in ``file``.
        evaluator: Evaluator of the architectures.
        file: Checkpoint of the search.
        lock: Lock on the run.
        show: Callback that is called after every backbone and every generation.
        show_compiling: Callback that is called after each compiled architecture of a generation's front.

    Returns:
        The reason why the search ended.

    Raises:
        Interrupted: A signal was received. The generation that was being scored is discarded.
        InputError: The lock was lost, or the file was damaged; nothing more is written.
    """

    def on_compiled(done: int, total: int) -> None:
        lock.beat()
        show_compiling(done, total)

    pace = _Pace(evolution)
    wall_s, start = file.wall_s, time.monotonic()
    with stop_flag() as stop, _save_at_exit(file, lock):
        while True:
            reason = evolution.stop_reason()
            if reason is not None:
                return reason
            requested = evolution.ask()
            architectures = evolution.expand_outputs(requested)
            number = evolution.number
            total = len(architectures)
            pace.begin(total)
            scores: List[Score] = []
            for part in score_all(evaluator, evolution.space, architectures):
                scores += part
                lock.beat()
                if len(scores) < total:
                    stop.raise_if_set()
                    seconds_left = pace.seconds_left(number, len(scores))
                    show(Status(number, len(scores), total, evolution.duplicates, seconds_left))
            generation = evolution.tell(requested, scores, on_compiled)
            lock.beat()
            file.append(generation, wall_s + time.monotonic() - start)
            show(Status(number, total, total, evolution.duplicates, pace.seconds_left(number, total)))
            stop.raise_if_set()


@contextlib.contextmanager
def _save_at_exit(file: SearchFile, lock: Lock) -> Iterator[None]:
    """Save the file at the end of a block, even after an error, unless the lock was lost to another process."""
    try:
        yield
    finally:
        lock.beat()
        file.save()


class _Pace:
    """Rate of a search, and the upper bound of the remaining time that follows from it."""

    def __init__(self, evolution: Evolution) -> None:
        self._start = time.monotonic()
        self._generations = evolution.config.generations
        self._first = evolution.number
        self._unscored = evolution.unscored
        self._begun = self._total = 0  # architectures of all generations so far, and of the current one

    def begin(self, total: int) -> None:
        """Start a generation with the given number of architectures."""
        self._begun += total
        self._total = total

    def seconds_left(self, generation: int, done: int) -> float:
        """Return an upper bound on the remaining time, given the number of scored architectures of the generation."""
        scored = self._begun - self._total + done
        mean = self._begun / (generation - self._first + 1)
        planned = (self._generations - generation - 1) * mean + self._total - done
        remaining = max(min(planned, self._unscored - scored), 0)
        return remaining * (time.monotonic() - self._start) / scored
