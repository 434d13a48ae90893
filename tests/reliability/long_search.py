"""Promise 8: growth of time per generation, memory and file size in a search with a million requests.

The space is larger than that of the network, which has 19,683 architectures; the evaluator is a function. Times are
processor times, as the machine may be busy.
"""

import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

from edgeflownas.config import EvolutionConfig
from edgeflownas.hardware.cost import CostTable
from edgeflownas.network.space import Architecture, Space
from edgeflownas.storage import files, sealed
from edgeflownas.storage.lock import locked
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.evolution import Evolution, Generation
from search.nsga2.scoring import Score
from search.storage.archive_group import read_archive
from search.storage.search_file import SearchFile
from search.strategies.loop import Status, evolve
from tests.edgeflownas.hardware.made_tables import draw_figures, make_table
from tests.search.stand_ins import epe_of, evolution_config, identity, space_of

POPULATION = 100
PARTS = 10  # of the search, with figures for each part
_TURNS = 40  # generations to measure at each compared place


class Function:
    """An evaluator without memory."""

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        yield [(architecture, epe_of(architecture)) for architecture in architectures]


def make_costs(space: Space) -> CostTable:
    """Return a cost table; the costs of a space that is too large to list must be sums."""
    return make_table(space.counts, draw_figures(space.counts, 1))


def measure_memory() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(folder: Path, requests: int, seed: int) -> List[Dict[str, Any]]:
    """Search, and measure the search.

    Args:
        folder: Folder for the files of the search.
        requests: Total number of requests.
        seed: Seed of the search.

    Returns:
        Figures of each part of the search, of three compared places, and of opening its file.
    """
    counts = (6,) * 8 if requests > 300_000 else (6,) * 6
    space, path = space_of(counts, backbone=4), folder / "search.h5"
    who = identity(space)
    file = SearchFile(path, who)
    file.zero_flow_epe = 8.0
    generations = requests // POPULATION
    config = evolution_config(population=POPULATION, generations=generations, complete_outputs=False, patience=5)
    config = config.model_copy(update={"patience": generations})  # checks for improvement, but never stops
    evolution = Evolution(space, config, make_costs(space), seed, file.archive)
    results: List[Dict[str, Any]] = []
    part, started, drawn = generations // PARTS, time.process_time(), 0

    def show(status: Status) -> None:
        nonlocal started, drawn
        done = status.generation + 1
        if status.done == status.total and done % part == 0:
            results.append(
                {
                    "requests": len(file.archive),
                    "generations": done,
                    "drawn_again_per_generation": round((evolution.duplicates - drawn) / part),
                    "ms_per_generation": round(1e3 * (time.process_time() - started) / part, 1),
                    "memory_mb": round(measure_memory() / 1e6),
                    "file_mb": round(path.stat().st_size / 1e6, 1),
                }
            )
            print(results[-1], flush=True)
            started, drawn = time.process_time(), evolution.duplicates

    with locked(folder / "search.lock", "the search") as lock:
        evolve(evolution, Function(), file, lock, show)
    assert len(file.archive) == generations * POPULATION
    begun = time.process_time()
    again = SearchFile(path, who)
    opening = time.process_time() - begun
    assert again.last is not None and again.last.number == generations - 1
    assert np.array_equal(again.archive.column("genes"), file.archive.column("genes"))
    size = path.stat().st_size
    results += measure_in_turns(space, config, path, [generations // 4 - 1, generations // 2 - 1, generations - 1])
    results.append(
        {
            "requests": len(file.archive),
            "file_mb": round(size / 1e6, 1),
            "bytes_per_request": round(size / len(file.archive)),
            "opens_in_s": round(opening, 2),
        }
    )
    files.previous(path).unlink()
    return results


def measure_in_turns(space: Space, config: EvolutionConfig, path: Path, places: Sequence[int]) -> List[Dict[str, Any]]:
    """Measure the time of a generation after some generations of a search, resumed after each in turns.

    Other work on the machine then affects all of them equally.
    """
    with sealed.read(path) as file:
        whole = read_archive(file["archive"], space)
        searches = [_restore(number, file, whole, config) for number in places]
    results = [
        {"archive": len(evolution.archive), "drawn_again": -evolution.duplicates, "seconds": 0.0}
        for evolution in searches
    ]
    for _ in range(_TURNS):
        for evolution, figures in zip(searches, results):
            started = time.process_time()
            asked = evolution.ask()
            evolution.tell(asked, [pair for part in Function().score(asked) for pair in part])
            figures["seconds"] += time.process_time() - started
    return [
        {
            "archive": figures["archive"],
            "drawn_again_per_generation": round((figures["drawn_again"] + evolution.duplicates) / _TURNS),
            "ms_per_generation": round(1e3 * figures["seconds"] / _TURNS, 1),
        }
        for evolution, figures in zip(searches, results)
    ]


def _restore(number: int, file: sealed.File, whole: Archive, config: EvolutionConfig) -> Evolution:
    """Restore a search as it was after a generation."""
    rows = whole.column("generation") <= number
    archive = Archive.restore(whole.space, {name: whole.column(name)[rows] for name in ("genes", *COLUMNS)})
    group = file[f"generations/{number:04d}"]
    state = {name: group.attrs[name] for name in Generation._fields if name in group.attrs}
    state["reference_point"] = json.loads(state["reference_point"])
    last = Generation(number=number, genes=group["genes"][()], objectives=group["objectives"][()], **state)
    return Evolution(whole.space, config, make_costs(whole.space), 1, archive, last)
