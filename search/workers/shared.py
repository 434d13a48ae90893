"""Evaluator that distributes architectures to workers: processes on this machine, or a cluster."""

import collections
import concurrent.futures
import itertools
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Set, Type

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from edgeflownas.signals import stop_flag
from search.nsga2.scoring import Score
from search.workers import worker

_SIGNAL_INTERVAL = 0.5  # seconds between checks for signals
_AHEAD = 2  # pieces of work submitted per worker, so that no worker waits for the next one


class WorkerGroup(NamedTuple):
    """Workers that score together.

    Attributes:
        executor: Executor that gives them work, and repeats the work of a worker that is killed.
        size: Function that returns the current number of workers.
        killed: Exception that is raised if a worker was killed at every attempt of a piece of work.
    """

    executor: concurrent.futures.Executor
    size: Callable[[], int]
    killed: Type[BaseException]


class SharedEvaluator:
    """Evaluator that scores with workers. Scores do not depend on the number of workers."""

    def __init__(self, workers: WorkerGroup, setup: worker.Setup, space: Space) -> None:
        """Set up the evaluator.

        Args:
            workers: Workers that score.
            setup: Everything that affects the scores.
            space: Search space of the architectures.
        """
        self._workers = workers
        self._setup = setup.model_dump_json()
        self._space = space
        self._first: Optional[worker.Answer] = None

    def zero_flow_epe(self) -> float:
        """Return the EPE of predicting no motion, in pixels, as soon as the first worker is ready.

        Raises:
            InputError: A worker has a different version or supernet, or cannot read the data.
            Interrupted: A signal was received.
        """
        none: List[Architecture] = []
        return next(self._answers([none] * max(1, self._workers.size()))).zero_flow_epe

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Score architectures, backbone by backbone, in the order in which workers finish them.

        Raises:
            InputError: A worker has a different version, supernet or set of images.
            OSError: The workers are lost.
            Interrupted: A signal was received.
        """
        work = split_work(self._space, architectures, max(1, self._workers.size()))
        for answer in self._answers(work):
            yield from answer.groups

    def _answers(self, work: Sequence[List[Architecture]]) -> Iterator[worker.Answer]:
        waiting = collections.deque(work)
        running: Set[concurrent.futures.Future[worker.Answer]] = set()
        alone = False
        try:
            while waiting or running:
                count = self._workers.size()
                if alone != (not count):
                    alone = not count
                    say("there are no workers; waiting for one" if alone else "a worker has connected")
                while waiting and len(running) < _AHEAD * max(1, count):
                    arguments = (worker.CODE, self._setup, waiting.popleft())
                    running.add(self._workers.executor.submit(worker.answer, *arguments))
                with stop_flag() as stop:
                    done, running = concurrent.futures.wait(
                        running, _SIGNAL_INTERVAL, concurrent.futures.FIRST_COMPLETED
                    )
                for future in done:
                    yield self._check(self._get_result(future))
                if waiting or running:
                    stop.raise_if_set()
        finally:
            for future in running:
                future.cancel()

    def _get_result(self, future: "concurrent.futures.Future[worker.Answer]") -> worker.Answer:
        try:
            return future.result()
        except self._workers.killed:
            raise OSError(
                "every worker that scored the same backbones was killed, perhaps for lack of memory; try again with "
                "fewer workers per machine"
            ) from None
        except concurrent.futures.CancelledError:
            raise OSError(
                "the workers are lost: their scheduler has ended; start it, and run the same command again"
            ) from None
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"a worker cannot load this version ({error}); install the same version there, and restart the worker"
            ) from None

    def _check(self, answer: worker.Answer) -> worker.Answer:
        """Return an answer, or raise InputError if its basis differs from that of the first answer."""
        if self._first is None:
            self._first = answer
        if answer.basis != self._first.basis:
            raise InputError(
                f"worker {answer.worker} scores with {answer.basis}, but worker {self._first.worker} with "
                f"{self._first.basis}; give all workers the same"
            )
        return answer


def split_work(space: Space, architectures: Sequence[Architecture], workers: int) -> List[List[Architecture]]:
    """Divide architectures into pieces of work.

    A piece contains the architectures of a subtree: those whose backbones share all genes but the last. Every piece
    recomputes the activations before its subtree, which costs 3 % of the time for a whole space. The last subtrees are
    divided into single backbones, so that workers that finish early find more work.

    Args:
        space: Search space of the architectures.
        architectures: Architectures to score; duplicates are scored once.
        workers: Number of workers.

    Returns:
        Pieces of work, sorted.
    """
    requested = sorted(set(architectures))
    subtrees = _group(requested, max(space.backbone - 1, 0))
    fine = [_group(subtree, space.backbone) for subtree in subtrees[-workers:]]
    return subtrees[:-workers] + list(itertools.chain.from_iterable(fine))


def _group(architectures: Sequence[Architecture], genes: int) -> List[List[Architecture]]:
    """Group sorted architectures by their first genes."""
    return [list(group) for _, group in itertools.groupby(architectures, lambda architecture: architecture[:genes])]
