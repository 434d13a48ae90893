"""An evaluator whose worker has too little memory."""

import resource
from typing import Iterator, List, Sequence

import numpy as np

from edgeflownas.network.space import Architecture
from edgeflownas.process_pool import ProcessPool
from search.nsga2.scoring import Score
from tests.search.stand_ins import epe_of


def score(architectures: Sequence[Architecture], room: int) -> List[Score]:
    """What a worker does; it needs 64 MiB, and has so many bytes of room."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
    np.ones(1 << 23)
    return [(each, epe_of(each)) for each in architectures]


class Hungry:
    """Scores in another process."""

    def __init__(self, rooms: Iterator[int]) -> None:
        """Takes the bytes of room that each generation's worker has."""
        self._rooms = rooms

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """As ``search.nsga2.scoring.Evaluator``."""
        workers = ProcessPool(1)
        try:
            yield workers.submit(score, architectures, next(self._rooms)).result()
        finally:
            workers.shutdown()
