"""Promise 6: an impossible figure is reported, its architecture is not requested again, and no result contains it."""

import math
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.storage.lock import locked
from search.nsga2.archive import LARGEST_EPE
from search.nsga2.evolution import Evolution, Generation
from search.nsga2.operators import select
from search.nsga2.scoring import EvaluatorError
from search.storage.search_file import SearchFile
from search.strategies.loop import evolve
from tests.search.stand_ins import SMALL, Cost, Oracle, Table, epe_of, evolution_config, identity

IMPOSSIBLE = (math.nan, math.inf, -math.inf, -1.0, -1e-300, 1e300, 2 * LARGEST_EPE)
GOOD = Cost(10.0, 100.0, 500.0, 4e4, "compiled")


def search_all(evolution: Evolution, oracle: Any) -> List[Generation]:
    generations = []
    while evolution.stop_reason() is None:
        requested = evolution.ask()
        generations.append(evolution.tell(requested, [pair for part in oracle.score(requested) for pair in part]))
    return generations


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    wrong=st.dictionaries(st.sampled_from(list(SMALL.all())), st.sampled_from(IMPOSSIBLE), max_size=40),
    seed=st.integers(0, 9),
)
def test_impossible_epe_does_not_affect_other_architectures(wrong: Dict[Architecture, float], seed: int) -> None:
    """Search the whole space: front and hypervolume equal those of a space without the failed architectures."""
    oracle = Oracle(SMALL, lambda architecture: wrong.get(architecture, epe_of(architecture)))
    evolution = Evolution(SMALL, evolution_config(complete_outputs=False), Table(), seed)
    generations = search_all(evolution, oracle)
    assert len(set(oracle.scored)) == len(oracle.scored) == SMALL.size, "an architecture was requested again"
    assert evolution.archive.failed == len(wrong)
    clean = Evolution(SMALL, evolution_config(complete_outputs=False), Table(), seed)
    clean.tell([], [(item, epe_of(item)) for item in SMALL.all() if item not in wrong])
    assert evolution.hypervolume() == clean.hypervolume()
    front = set(evolution.archive.architectures(evolution.front()))
    assert front == set(clean.archive.architectures(clean.front())) and not front & set(wrong)
    for generation in generations:
        assert np.isfinite(generation.objectives).all() and math.isfinite(generation.hypervolume)
        assert not {tuple(genes) for genes in generation.genes.tolist()} & set(wrong)
    individuals = select(evolution._make_individuals(evolution._population), 8)
    assert not any(math.isnan(individual.fitness.crowding_dist) for individual in individuals)


@pytest.mark.parametrize("figure", ["fps", "latency_ms", "sram_kib", "npu_cycles"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0])
def test_impossible_cost_in_the_table_is_reported_before_the_search(figure: str, value: float) -> None:
    bad = (0, 1, 2, 0)
    table = Table(wrong={bad: GOOD._replace(source="predicted", **{figure: value})})
    with pytest.raises(InputError, match=f"architecture 0120: .*{figure} is {value}"):
        Evolution(SMALL, evolution_config(), table, 1)


def test_negative_prediction_is_reported_before_the_search() -> None:
    class Negative(Table):
        def cost(self, architecture: Architecture) -> Cost:
            if architecture == (0, 1, 2, 0):
                raise ValueError("cycles: should be greater than 0")
            return super().cost(architecture)

    with pytest.raises(InputError, match="architecture 0120: .*cycles: should be greater than 0"):
        Evolution(SMALL, evolution_config(), Negative(), 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_architecture_fails_if_the_compiler_reports_an_impossible_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    """The checkpoint remains readable."""
    bad = min(SMALL.all(), key=epe_of)

    def compiled(architectures: Sequence[Architecture], on_compiled: Any) -> List[Cost]:
        costs = [Table().cost(item)._replace(source="compiled") for item in architectures]
        return [cost._replace(npu_cycles=value) if item == bad else cost for item, cost in zip(architectures, costs)]

    path, who = tmp_path / "search.h5", identity(SMALL)
    for _ in range(2):
        file = SearchFile(path, who)
        file.zero_flow_epe = 7.0
        settings = evolution_config(complete_outputs=False)
        evolution = Evolution(SMALL, settings, Table(), 1, file.archive, file.last, compiled)
        with locked(tmp_path / "lock", "it") as lock:
            evolve(evolution, Oracle(SMALL), file, lock, lambda status: None)
    message = f"architecture {SMALL.format(bad)} has failed: its compiled figures are invalid: npu_cycles is {value}"
    assert message in capsys.readouterr().err
    again = SearchFile(path, who)
    assert again.archive.failed == 1 and len(again.archive) == SMALL.size
    assert bad not in again.archive.architectures(evolution.front())


def test_faulty_evaluator_is_reported_and_earlier_generations_are_kept(tmp_path: Path) -> None:
    class Faulty(Oracle):
        def score(self, architectures: Sequence[Architecture]) -> Iterator[Any]:
            for part in super().score(architectures):
                yield part if len(self.scored) < 20 else [*part, part[0]]

    file = SearchFile(tmp_path / "search.h5", identity(SMALL))
    file.zero_flow_epe = 7.0
    evolution = Evolution(SMALL, evolution_config(complete_outputs=False), Table(), 1, file.archive)
    refused = pytest.raises(EvaluatorError, match=r"returned architecture \d{4} twice")
    with locked(tmp_path / "lock", "it") as lock, refused:
        evolve(evolution, Faulty(SMALL), file, lock, lambda status: None)
    last = SearchFile(tmp_path / "search.h5", identity(SMALL)).last
    assert last is not None and last.number == 1
