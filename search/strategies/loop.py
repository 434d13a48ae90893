"""The main loop: ask, score, tell, save; until the search is over or a signal comes."""

import contextlib
import time
from typing import Callable, Iterator, List, NamedTuple

from edgeflownas.signals import stop_flag
from edgeflownas.storage.lock import Lock
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import CompileProgress, Evaluator, Score, score_all
from search.storage.search_file import SearchFile


class Status(NamedTuple):
    """Where a search is.

    Attributes:
        generation: that is being scored, or, when all of it is, that was.
        done: architectures of this generation that are scored.
        total: architectures of this generation.
        duplicates: children so far that were drawn again, as they were scored already.
        seconds_left: at most, at the rate so far.
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
    """Runs a search to its end, saving each generation.

    Args:
        evolution: of the archive in ``file``.
        evaluator: of architectures.
        file: to save in.
        lock: on the run.
        show: is told about every backbone and every generation.
        show_compiling: Called after each compiled architecture of a generation's front.

    Returns:
        Why the search is over.

    Raises:
        Interrupted: a signal came. The generation that was being scored leaves no trace.
        InputError: the lock is lost, or the file was damaged; nothing more is written.
    """

    def on_compiled(done: int, total: int) -> None:
        lock.beat()
        show_compiling(done, total)

    pace = _Pace(evolution)
    wall_s, start = file.wall_s, time.monotonic()
    with stop_flag() as stop, _saved(file, lock):
        while True:
            reason = evolution.stop_reason()
            if reason is not None:
                return reason
            requested = evolution.ask()
            wanted = evolution.expand_outputs(requested)
            number = evolution.number
            total = len(wanted)
            pace.begin(total)
            scores: List[Score] = []
            for part in score_all(evaluator, evolution.space, wanted):
                scores += part
                lock.beat()
                if len(scores) < total:
                    stop.raise_if_set()
                    left = pace.seconds_left(number, len(scores))
                    show(Status(number, len(scores), total, evolution.duplicates, left))
            generation = evolution.tell(requested, scores, on_compiled)
            lock.beat()
            file.append(generation, wall_s + time.monotonic() - start)
            show(Status(number, total, total, evolution.duplicates, pace.seconds_left(number, total)))
            stop.raise_if_set()


@contextlib.contextmanager
def _saved(file: SearchFile, lock: Lock) -> Iterator[None]:
    """Leaves nothing unsaved, however the block ends; but without the lock, another may write the file by now."""
    try:
        yield
    finally:
        lock.beat()
        file.save()


class _Pace:
    """How fast a search goes, and so how long it will at most."""

    def __init__(self, evolution: Evolution) -> None:
        self._start = time.monotonic()
        self._generations = evolution.config.generations
        self._first = evolution.number
        self._unscored = evolution.unscored
        self._begun = self._total = 0  # architectures of all generations so far, and of the present one

    def begin(self, total: int) -> None:
        """Begins a generation with so many architectures."""
        self._begun += total
        self._total = total

    def seconds_left(self, generation: int, done: int) -> float:
        """At most, when so many architectures of the present generation are scored."""
        scored_here = self._begun - self._total + done
        mean = self._begun / (generation - self._first + 1)
        planned = (self._generations - generation - 1) * mean + self._total - done
        left = max(min(planned, self._unscored - scored_here), 0)
        return left * (time.monotonic() - self._start) / scored_here
