"""Searches of small spaces request the same architectures as when they were recorded, in the same order."""

import hashlib
import math
from typing import Any, Dict, List, NamedTuple

import pytest

from edgeflownas.network.space import Architecture, Space
from search.nsga2.evolution import Evolution
from tests.search.stand_ins import MEDIUM, SMALL, Oracle, Table, evolution_config, noise, space_of, step

NINE = space_of((3,) * 9, backbone=4, outputs=(5, 7, 8))  # like the space that ships


def learnable(architecture: Architecture) -> float:
    """Return an EPE that the screening can learn; some architectures fail."""
    if noise(architecture[::-1]) < 0.02:
        return math.nan
    return (
        6.0 - sum(0.1 * ((option * (i + 2)) % 3) for i, option in enumerate(architecture)) + 0.05 * noise(architecture)
    )


class Search(NamedTuple):
    """A search that was recorded."""

    space: Space
    generations: int
    changes: Dict[str, Any]
    board_kib: float = 9e9


SEARCHES = {
    "plain": Search(MEDIUM, 8, {}),
    "plain, until the space is exhausted": Search(SMALL, 999, {}),
    "plain, limited": Search(MEDIUM, 12, {"constraints": {"sram_kib": {"max": 560.0}, "fps": {"min": 5.0}}}),
    "plain, worst point": Search(NINE, 6, {"reference_point": None, "population": 52, "patience": 3}),
    "screened": Search(NINE, 6, {"complete_outputs": True, "population": 52}),
    "screened, until the space is exhausted": Search(MEDIUM, 999, {"complete_outputs": True}),
    "screened, worst point": Search(NINE, 6, {"complete_outputs": True, "population": 52, "reference_point": None}),
    "screened, limited": Search(
        NINE, 6, {"complete_outputs": True, "constraints": {"fps": {"min": 4.0, "max": 9.0}}, "reference_point": None}
    ),
    "screened, limited by the board": Search(
        NINE, 6, {"complete_outputs": True, "objectives": ["epe", "sram_kib", "fps"], "reference_point": None}, 570.0
    ),
    "screened, EPE only": Search(NINE, 5, {"complete_outputs": True, "objectives": ["epe"], "reference_point": None}),
}

# Recorded when the search kept arrays over the space.
EXPECTED = {
    "plain": "21e0da4f3eb44a421b1193728a63d3f782cb0f9ee4dc8e3fbf11b8c71f550b1a",
    "plain, until the space is exhausted": "76fd4b768a19ab4d9f41e8846108a49cf13ef0d7b5416c696318150c32a65ff3",
    "plain, limited": "bb0d06f4218d401c2327976d9a78020603b8b3f7553fdbac71a41e00f816bf18",
    "plain, worst point": "cabf5717f6021f958fd1d341746958c7217b293b7c4528cb140d994a09da299b",
    "screened": "fbd65b4d1a46cc70bf678578714d8a2d06e27b7f97318aebe2d288d0f3af2783",
    "screened, until the space is exhausted": "fb5f2437e12c4128c3f3d45ff7357b562b15d39ed29095f457f63fe6aec41878",
    "screened, worst point": "f223f9381a9eaee357c8162ad405f83c933ca42b563aa68771163ae408912dad",
    "screened, limited": "db6f61aea00f46f61f46fe51d1f5b80a6eec951b03244e210527fb7b16250e4e",
    "screened, limited by the board": "786e3a6cee428af02b06fdeef47299a0bbf783d5763a295de0272c96537bf93f",
    "screened, EPE only": "173e04cfdb04e8b7d5f730e68e82f3e81869a9220a2e81024101632d384a6aaf",
}


def start(search: Search) -> Evolution:
    return Evolution(search.space, evolution_config(**search.changes), Table(search.board_kib), seed=5)


def fingerprint(name: str) -> str:
    """Return a digest of all requests, populations and random states of a search."""
    search = SEARCHES[name]
    evolution, oracle = start(search), Oracle(search.space, learnable)
    lines: List[str] = []
    while evolution.stop_reason() is None and evolution.number < search.generations:
        requested, generation = step(evolution, oracle)
        population = [tuple(genes) for genes in generation.genes.tolist()]
        lines.append(
            f"{requested} {population} {generation.rng_state} {generation.evaluations} {generation.backbones} "
            f"{generation.duplicates} {generation.reference_point} {generation.hypervolume:.9g} {evolution.unscored}"
        )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", SEARCHES)
def test_search_is_the_recorded_one(name: str) -> None:
    assert fingerprint(name) == EXPECTED[name]
