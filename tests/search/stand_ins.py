"""Stand-ins without any computation for a search space, a cost table and an evaluator, with a configuration."""

import contextlib
import itertools
import time
import zlib
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import Config, EvolutionConfig, load
from edgeflownas.network.space import Architecture, Gene, Space
from search.nsga2.evolution import Evolution, Generation
from search.nsga2.scoring import Score
from search.run import Run
from search.storage.identity import Identity
from search.workers.evaluator import Opened

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
_SEARCH = Path(__file__).parent / "search.yaml"


def space_of(counts: Sequence[int], backbone: int, outputs: Optional[Sequence[int]] = None) -> Space:
    """Return a space with these numbers of options; outputs None: all genes after the backbone are flow outputs."""
    genes = (Gene(f"G{i}", "", tuple(str(option) for option in range(count))) for i, count in enumerate(counts))
    return Space(tuple(genes), backbone, tuple(range(backbone, len(counts)) if outputs is None else outputs))


SMALL = space_of((3, 2, 5, 2), backbone=2)  # 60 architectures, 6 backbones
MEDIUM = space_of((3, 3, 2, 4, 3, 3), backbone=3, outputs=(3, 5))  # 648 architectures, 18 backbones, 54 trunks


class Cost(NamedTuple):
    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    source: str = "predicted"


def noise(architecture: Architecture) -> float:
    """Return a reproducible pseudo-random number in [0, 1)."""
    return zlib.crc32(bytes(architecture)) / 2**32


def epe_of(architecture: Architecture) -> float:
    """Return an EPE that tends to be lower for heavier architectures."""
    return 6.0 - sum(option * (1 + i % 3) * 0.1 for i, option in enumerate(architecture)) + noise(architecture)


class Table:
    """Cost table in which heavier architectures are slower and need more SRAM."""

    def __init__(self, sram_cap_kib: Optional[float] = None, wrong: Optional[Dict[Architecture, Cost]] = None) -> None:
        self.sram_cap_kib = sram_cap_kib
        self._wrong = wrong or {}

    def cost(self, architecture: Architecture) -> Cost:
        if architecture in self._wrong:
            return self._wrong[architecture]
        ms = 100.0 + sum(option * (7 + 3 * i) for i, option in enumerate(architecture))
        return Cost(1000 / ms, ms, 500.0 + 10 * sum(architecture), 400.0 * ms)


class Oracle:
    """Evaluator that scores with a function, backbone by backbone, and records the scored architectures."""

    def __init__(
        self, space: Space, epe: Callable[[Architecture], float] = epe_of, seconds: float = 0.0, backwards: bool = False
    ) -> None:
        self._space, self.epe, self._seconds, self._backwards = space, epe, seconds, backwards
        self.requested: List[Architecture] = []  # recorded by ``step``
        self.scored: List[Architecture] = []

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        ordered = sorted(set(architectures), reverse=self._backwards)
        for _, backbone in itertools.groupby(ordered, lambda architecture: architecture[: self._space.backbone]):
            time.sleep(self._seconds)
            part = [(architecture, self.epe(architecture)) for architecture in backbone]
            self.scored += [architecture for architecture, _ in part]
            yield part


def step(evolution: Evolution, oracle: Oracle) -> Tuple[List[Architecture], Generation]:
    """Run one generation; return the requested architectures and the generation."""
    requested = evolution.ask()
    oracle.requested += requested
    scores = [score for part in oracle.score(evolution.expand_outputs(requested)) for score in part]
    return requested, evolution.tell(requested, scores)


def open_oracle(run: Run, weights: Any) -> ContextManager[Opened]:
    """Replace ``open_evaluator``."""
    return contextlib.nullcontext(Opened(Oracle(run.space), 8.0))


def evolution_config(**changes: Any) -> EvolutionConfig:
    values: Dict[str, Any] = {
        "population": 8,
        "generations": 30,
        "patience": 0,
        "complete_outputs": False,
        "reference_point": {"epe": 8.0, "fps": 0.0, "latency_ms": 300.0, "sram_kib": 900.0, "npu_cycles": 2e5},
    }
    return EvolutionConfig(**{**values, **changes})


def config(*overrides: str) -> Config:
    return load(_SEARCH, overrides)


def identity(space: Space, *overrides: str) -> Identity:
    return Identity(config(*overrides), space, "skeleton", "supernet", "table")


def brute_force_front(points: np.ndarray) -> List[int]:
    """Return the indices of the Pareto front by its definition; lower is better."""
    return [
        i
        for i, point in enumerate(points)
        if not any((other <= point).all() and (other < point).any() for other in points)
    ]
