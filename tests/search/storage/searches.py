"""Searches with stand-ins that write a checkpoint, and the content of checkpoints."""

from pathlib import Path
from typing import Any, Dict, Optional

import h5py

from edgeflownas.storage.lock import locked
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import Evaluator
from search.storage.identity import Identity
from search.storage.search_file import SearchFile
from search.strategies.loop import evolve
from tests.search.stand_ins import MEDIUM, Oracle, Table, evolution_config, identity

IDENTITY = identity(MEDIUM)


def search(
    path: Path,
    generations: int,
    who: Identity = IDENTITY,
    seed: int = 1,
    complete: bool = True,
    evaluator: Optional[Evaluator] = None,
) -> SearchFile:
    """Search up to a number of generations, and resume if there is a checkpoint."""
    file = SearchFile(path, who)
    file.zero_flow_epe = 7.5
    settings = evolution_config(generations=generations, complete_outputs=complete, population=4)
    evolution = Evolution(who.space, settings, Table(), seed, file.archive, file.last)
    with locked(path.parent / "search.lock", "the search") as lock:
        evolve(evolution, evaluator or Oracle(who.space), file, lock, lambda status: None)
    return file


def open_search(path: Path) -> SearchFile:
    return SearchFile(path, IDENTITY)


def content(path: Path) -> Dict[str, Any]:
    """Return the content of a search file except its durations."""
    result: Dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            result[name] = (item.dtype, item.shape, item[()].tobytes())
        result.update({f"{name}@{key}": value for key, value in item.attrs.items() if key != "wall_s"})

    with h5py.File(str(path), "r") as file:
        file.visititems(collect)
        result.update(dict(file.attrs))
    return result
