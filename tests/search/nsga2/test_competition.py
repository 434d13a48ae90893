from typing import Any, List, Optional, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflownas.config import Bound
from search.nsga2.archive import Archive
from search.nsga2.competition import Competition
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives
from tests.search.stand_ins import MEDIUM, Cost, brute_force_front

REFERENCE: Any = {"epe": 6.0, "latency_ms": 6.0, "sram_kib": 6.0, "npu_cycles": 6.0}
Row = Tuple[float, float, float, float]  # EPE, NaN: failed, and costs; a small number of values makes many ties
rows_strategy = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0, 7.0, float("nan")]), *[st.integers(1, 5).map(float)] * 3),
    max_size=40,
)


def append_rows(archive: Archive, rows: List[Row]) -> None:
    generation = int(archive.column("generation").max(initial=-1)) + 1
    architectures = MEDIUM.architectures_at(np.arange(len(archive), len(archive) + len(rows)))
    costs = [Cost(1.0, latency, sram, cycles) for _, latency, sram, cycles in rows]
    archive.append([(architecture, row[0]) for architecture, row in zip(architectures, rows)], costs, generation, set())


@pytest.mark.parametrize("names", [["epe"], ["epe", "latency_ms"], ["epe", "npu_cycles", "latency_ms"]])
@settings(deadline=None, max_examples=60)
@given(rows=rows_strategy, cap=st.sampled_from([None, 3.0]), parts=st.lists(st.integers(0, 40), max_size=5))
def test_incremental_front_equals_the_front_of_all_rows(
    names: List[Any], rows: List[Row], cap: Optional[float], parts: List[int]
) -> None:
    archive, objectives = Archive(MEDIUM), Objectives(names, REFERENCE)
    limit = Feasibility({} if cap is None else {"sram_kib": Bound(max=cap)})
    competition = Competition(archive, objectives, limit)
    bounds = [0, *sorted(min(part, len(rows)) for part in parts), len(rows)]
    volumes = []
    for start, end in zip(bounds, bounds[1:]):
        volumes.append(competition.hypervolume())
        append_rows(archive, rows[start:end])
        competing = [i for i, row in enumerate(rows[:end]) if row[0] == row[0] and (cap is None or row[2] <= cap)]
        points = objectives.points(archive, np.array(competing, int))
        front = competition.front()
        assert sorted(front) == [competing[i] for i in brute_force_front(points)]
        assert objectives.points(archive, front).tolist() == sorted(objectives.points(archive, front).tolist())
        assert competition.hypervolume() == objectives.hypervolume(points)
        assert competition.best_epe() == min([rows[i][0] for i in competing], default=np.inf)
    generation = archive.column("generation").max(initial=0)
    before = archive.column("generation") < generation
    assert (
        competition.hypervolume_before(generation)
        == Competition(
            Archive.restore(MEDIUM, {name: archive.column(name)[before] for name in archive._columns}),
            objectives,
            limit,
        ).hypervolume()
    )


def test_reset_discards_results_of_changed_costs() -> None:
    archive, objectives = Archive(MEDIUM), Objectives(["epe", "latency_ms"], REFERENCE)
    competition = Competition(archive, objectives, Feasibility())
    append_rows(archive, [(1.0, 1.0, 1.0, 1.0), (2.0, 2.0, 1.0, 1.0)])
    competition.record_hypervolume(1, 1)
    assert competition.front().tolist() == [0] and competition.hypervolume() == 25
    archive.replace_costs(np.array([0]), [Cost(1.0, 5.0, 1.0, 1.0)])
    competition.reset()
    assert competition.front().tolist() == [0, 1] and competition.hypervolume() == 5 + 16 - 4
    assert competition.hypervolume_before(1) == 17
