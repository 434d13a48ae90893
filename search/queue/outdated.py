"""What has changed since a queue was built: a search that was extended may have dominated queued architectures."""

from pathlib import Path
from typing import AbstractSet, List, Optional, Sequence, Set

from edgeflownas.hardware.board import Board
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from edgeflownas.storage import sealed
from search.nsga2.competition import Competition
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives
from search.queue.queue import Queue
from search.queue.selection import RULES
from search.run import Run
from search.storage.archive_group import read_archive


def read_search_front(run: Run) -> Optional[Set[Architecture]]:
    """Return the current front of a run's search; None if there is no search or if it is damaged (then reported)."""
    if not run.search_file.exists():
        return None
    try:
        with sealed.read(run.search_file) as file:
            archive = read_archive(sealed.member(file, "archive"), run.space)
    except (sealed.DamagedError, *sealed.MALFORMED) as error:
        say(f"{run.search_file}: cannot be compared with the queue: {' '.join(str(error).split())}")
        return None
    config, board = run.config.evolution, Board.load(Path(run.config.hardware.board))
    feasibility = Feasibility.of(config, board.arena_kib)
    front = Competition(archive, Objectives(config.objectives, config.reference_point), feasibility).front()
    return set(archive.architectures(front))


def list_dominated(queue: Queue, space: Space, front: AbstractSet[Architecture]) -> List[str]:
    """Return the architectures of a queue that were selected from the front of a search and are no longer on it.

    Args:
        queue: Queue; if its architectures were not selected from a front, the result is empty.
        space: Space of its architectures.
        front: Current front of the search.
    """
    if queue.file.rule not in (*RULES, "fps_targets"):
        return []
    names = [queue.task(index).config.architecture for index in queue.indices]
    return [name for name in names if space.parse(name) not in front]


def describe_dominated(queue: Queue, names: Sequence[str]) -> str:
    """Return a clause about the architectures of a queue that have been dominated since."""
    return (
        f"the search has since dominated {len(names)} of the queue's {len(queue.indices)} architectures "
        f"({', '.join(names)})"
    )
