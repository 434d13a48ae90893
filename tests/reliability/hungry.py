"""An evaluator whose worker lacks memory."""

import resource
from typing import Iterator, List, Sequence

import numpy as np

from edgeflownas.network.space import Architecture
from edgeflownas.process_pool import ProcessPool
from search.nsga2.scoring import Score
from tests.search.stand_ins import epe_of


def score(architectures: Sequence[Architecture], room: int) -> List[Score]:
    """Score in a worker that needs 64 MiB and may use ``room`` bytes."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
    np.ones(1 << 23)
    return [(architecture, epe_of(architecture)) for architecture in architectures]


class Hungry:
    """Scores in another process, with limited memory."""

    def __init__(self, rooms: Iterator[int]) -> None:
        """Take the memory of each generation's worker, in bytes."""
        self._rooms = rooms

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """See ``search.nsga2.scoring.Evaluator``."""
        workers = ProcessPool(1)
        try:
            yield workers.submit(score, architectures, next(self._rooms)).result()
        finally:
            workers.shutdown()
