"""An evaluator that has workers score: processes of this machine, or a cluster."""

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

_LOOK = 0.5  # seconds between looks for signals
_AHEAD = 2  # pieces of work handed out per worker, so that none waits for the next


class WorkerGroup(NamedTuple):
    """Workers.

    Attributes:
        executor: hands work to them; begins it anew with another one if one dies.
        size: tells how many there are.
        killed: is raised where that was no use.
    """

    executor: concurrent.futures.Executor
    size: Callable[[], int]
    killed: Type[BaseException]


class SharedEvaluator:
    """Scores architectures with workers. The scores do not depend on how many there are."""

    def __init__(self, crew: WorkerGroup, setup: worker.Setup, space: Space) -> None:
        """Prepares to score.

        Args:
            crew: the workers.
            setup: all that scores depend on.
            space: of the architectures.
        """
        self._crew = crew
        self._setup = setup.model_dump_json()
        self._space = space
        self._first: Optional[worker.Answer] = None

    def zero_flow_epe(self) -> float:
        """EPE of predicting no motion, pixels; known when the first worker is ready.

        Raises:
            InputError: a worker is of another version, has another supernet or cannot read the data.
            Interrupted: a signal came.
        """
        none: List[Architecture] = []
        return next(self._answers([none] * max(1, self._crew.size()))).zero_flow_epe

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Scores architectures, backbone by backbone, in the order in which workers are done with them.

        Raises:
            InputError: a worker is of another version, has another supernet or other images.
            OSError: the workers are lost.
            Interrupted: a signal came.
        """
        work = split_work(self._space, architectures, max(1, self._crew.size()))
        for answer in self._answers(work):
            yield from answer.groups

    def _answers(self, work: Sequence[List[Architecture]]) -> Iterator[worker.Answer]:
        waiting = collections.deque(work)
        running: Set[concurrent.futures.Future[worker.Answer]] = set()
        lonely = False
        try:
            while waiting or running:
                count = self._crew.size()
                if lonely != (not count):
                    lonely = not count
                    say("there are no workers; waiting for one" if lonely else "a worker has come")
                while waiting and len(running) < _AHEAD * max(1, count):
                    arguments = (worker.CODE, self._setup, waiting.popleft())
                    running.add(self._crew.executor.submit(worker.answer, *arguments))
                with stop_flag() as stop:
                    done, running = concurrent.futures.wait(
                        running, _LOOK, concurrent.futures.FIRST_COMPLETED
                    )
                for future in done:
                    yield self._checked(self._result(future))
                if waiting or running:
                    stop.raise_if_set()
        finally:
            for future in running:
                future.cancel()

    def _result(self, future: "concurrent.futures.Future[worker.Answer]") -> worker.Answer:
        try:
            return future.result()
        except self._crew.killed:
            raise OSError(
                "the same backbones have killed every worker that scored them, perhaps for want of memory; try again "
                "with fewer workers on a machine"
            ) from None
        except concurrent.futures.CancelledError:
            raise OSError("the workers are lost: their scheduler has ended; start it, and run the same again") from None
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"a worker cannot load this version ({error}); install the same one there, and start it again"
            ) from None

    def _checked(self, answer: worker.Answer) -> worker.Answer:
        """Holds an answer to what the first one was based on."""
        if self._first is None:
            self._first = answer
        if answer.basis != self._first.basis:
            raise InputError(
                f"worker {answer.worker} scores with {answer.basis}, but worker {self._first.worker} with "
                f"{self._first.basis}; let all have the same"
            )
        return answer


def split_work(space: Space, architectures: Sequence[Architecture], workers: int) -> List[List[Architecture]]:
    """Parts what is to be scored into pieces of work.

    A piece is what is wanted of a subtree: of the backbones that have all genes but the last in common. To compute
    what comes before it anew costs 3 % of a whole space. The last subtrees are parted into backbones, so that whoever
    is done early finds something to do.
    """
    wanted = sorted(set(architectures))
    subtrees = _grouped(wanted, max(space.backbone - 1, 0))
    fine = [_grouped(subtree, space.backbone) for subtree in subtrees[-workers:]]
    return subtrees[:-workers] + list(itertools.chain.from_iterable(fine))


def _grouped(architectures: Sequence[Architecture], genes: int) -> List[List[Architecture]]:
    """Parts sorted architectures by their first genes."""
    return [list(group) for _, group in itertools.groupby(architectures, lambda each: each[:genes])]
