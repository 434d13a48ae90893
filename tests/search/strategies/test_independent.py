import json
from pathlib import Path
from typing import Any, List, Optional

import numpy as np
import pytest

from edgeflownas.config import EvolutionConfig
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from search.nsga2.evolution import Evolution
from search.queue import runner
from search.queue.queue import Queue
from search.run import Run
from search.strategies import independent
from search.strategies.independent import INDEPENDENT, build_sample, sample
from search.strategies.strategy import SearchContext
from tests.search.queue.small import finish, small_run
from tests.search.stand_ins import Cost


class Table:
    sram_cap_kib: Optional[float] = None

    def cost(self, architecture: Architecture) -> Cost:
        fps = 100.0 - sum(architecture)
        return Cost(fps, 1e3 / fps, 50.0, 1e6)


class File:
    """What a search saves."""

    def __init__(self, evolution: Evolution) -> None:
        self.archive, self.wall_s, self.zero_flow_epe = evolution.archive, 0.0, float("nan")
        self.generations: List[int] = []

    def append(self, generation: Any, wall_s: float) -> None:
        self.wall_s = wall_s
        self.generations.append(len(self.archive))


class Lock:
    def beat(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path, monkeypatch: Any) -> Run:
    run = small_run(tmp_path, warm_start=True)
    changed = run.config.independent.model_copy(update={"size": 6})
    monkeypatch.setattr(Run, "cost_table", lambda self: (Table(), None))
    return Run(run.config.model_copy(update={"strategy": "independent", "independent": changed}), run.folder)


def setting(run: Run) -> Any:
    config = EvolutionConfig(population=4, generations=1, reference_point={"epe": 10.0, "fps": 0.0})
    evolution = Evolution(run.space, config, Table(), 0)
    file: Any = File(evolution)
    lock: Any = Lock()
    return SearchContext(run, {}, evolution, file, lock)


def test_tasks_are_a_fair_sample_from_scratch_with_predicted_costs(run: Run) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    tasks = [queue.task(index).config for index in queue.indices]
    names = np.array([list(task.architecture) for task in tasks], int)
    assert all((np.bincount(column, minlength=3) == 2).all() for column in names.T)
    assert all(task.first_weights is None and task.found.epe is None for task in tasks)
    assert [task.found.fps for task in tasks] == [100.0 - row.sum() for row in names]
    assert queue.file.rule == "fair_sample" and not queue.paths.supernet.exists()
    assert [task.config for task in map(build_sample(run, INDEPENDENT.source(run, {})).task, range(6))] == tasks


def test_named_architectures_take_the_place_of_the_sample(run: Run) -> None:
    named = run.config.independent.model_copy(update={"architectures": ["222222222", "000000000", "222222222"]})
    assert sample(Run(run.config.model_copy(update={"independent": named}), run.folder)) == ["222222222", "000000000"]


def test_a_size_that_cannot_be_fair_is_refused(run: Run) -> None:
    odd = run.config.independent.model_copy(update={"size": 7})
    with pytest.raises(InputError, match="independent.size: 7 is not a multiple of 3"):
        sample(Run(run.config.model_copy(update={"independent": odd}), run.folder))


def test_table_grows_as_tasks_finish(run: Run, monkeypatch: Any) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    finish(queue, 3, 3.5)

    def work(queue: Queue, beat: Any) -> None:
        for index in (0, 1, 2, 4, 5):
            beat()
            finish(queue, index, 3.0 + index)
            beat()
            beat()

    monkeypatch.setattr(runner, "run", work)
    context = setting(run)
    assert independent.run_strategy(context) == "all 6 architectures of the sample are trained"
    file: Any = context.file
    assert file.generations == [1, 2, 3, 4, 5, 6] and file.wall_s == 12.0 and file.zero_flow_epe == 9.0
    names = map(run.space.format, file.archive.architectures(range(6)))
    epes = dict(zip(names, file.archive.column("epe")))
    assert epes == {
        queue.task(index).config.architecture: 3.5 if index == 3 else 3.0 + index for index in queue.indices
    }


def test_what_slurm_has_is_only_read(run: Run, monkeypatch: Any) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    queue.paths.submissions.write_text(json.dumps({}))
    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("it trained here"))
    with pytest.raises(InputError, match="no child is trained yet"):
        independent.run_strategy(setting(run))
    finish(queue, 2, 3.0)
    assert independent.run_strategy(setting(run)).startswith("1 of 6 architectures are trained")


def test_a_result_of_another_architecture_is_refused(run: Run, monkeypatch: Any) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    finish(queue, 0, 3.0)
    finish(queue, 1, 3.0)
    first, second = (queue.task(index).paths.result for index in (0, 1))
    first.write_bytes(second.read_bytes())
    monkeypatch.setattr(runner, "run", lambda *_: None)
    with pytest.raises(InputError, match="restore it"):
        independent.run_strategy(setting(run))


def test_another_recipe_is_another_source_and_another_number_of_attempts_is_not(run: Run) -> None:
    def source(**changes: Any) -> str:
        queue = run.config.queue.model_copy(update=changes)
        return INDEPENDENT.source(Run(run.config.model_copy(update={"queue": queue}), run.folder), {})

    longer = run.config.queue.train.model_copy(update={"epochs": 99})  # type: ignore[union-attr]
    assert source(train=longer) != source() == source(attempts=9)
