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
from search.strategies.independent import INDEPENDENT, build_sample, choose_sample
from search.strategies.strategy import SearchContext
from tests.search.queue.small import finish, small_run
from tests.search.stand_ins import Cost


class Table:
    sram_cap_kib: Optional[float] = None

    def cost(self, architecture: Architecture) -> Cost:
        fps = 100.0 - sum(architecture)
        return Cost(fps, 1e3 / fps, 50.0, 1e6)


class File:
    """A stand-in for the checkpoint of a search."""

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


def make_context(run: Run) -> Any:
    config = EvolutionConfig(population=4, generations=1, reference_point={"epe": 10.0, "fps": 0.0})
    evolution = Evolution(run.space, config, Table(), 0)
    file: Any = File(evolution)
    lock: Any = Lock()
    return SearchContext(run, {}, evolution, file, lock)


def test_tasks_are_a_fair_sample_without_initial_weights_and_with_predicted_costs(run: Run) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    tasks = [queue.task(index).config for index in queue.indices]
    names = np.array([list(task.architecture) for task in tasks], int)
    assert all((np.bincount(column, minlength=3) == 2).all() for column in names.T)
    assert all(task.first_weights is None and task.found.epe is None for task in tasks)
    assert [task.found.fps for task in tasks] == [100.0 - row.sum() for row in names]
    assert queue.file.rule == "fair_sample" and not queue.paths.supernet.exists()
    assert [task.config for task in map(build_sample(run, INDEPENDENT.source(run, {})).task, range(6))] == tasks


def test_named_architectures_replace_the_sample(run: Run) -> None:
    named = run.config.independent.model_copy(update={"architectures": ["222222222", "000000000", "222222222"]})
    changed = Run(run.config.model_copy(update={"independent": named}), run.folder)
    assert choose_sample(changed) == ["222222222", "000000000"]


def test_size_that_cannot_be_fair_is_rejected(run: Run) -> None:
    odd = run.config.independent.model_copy(update={"size": 7})
    with pytest.raises(InputError, match="independent.size: 7 is not a multiple of 3"):
        choose_sample(Run(run.config.model_copy(update={"independent": odd}), run.folder))


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
    context = make_context(run)
    assert independent.run_strategy(context) == "all 6 architectures of the sample are trained"
    file: Any = context.file
    assert file.generations == [1, 2, 3, 4, 5, 6] and file.wall_s == 12.0 and file.zero_flow_epe == 9.0
    names = map(run.space.format, file.archive.architectures(range(6)))
    epes = dict(zip(names, file.archive.column("epe")))
    assert epes == {
        queue.task(index).config.architecture: 3.5 if index == 3 else 3.0 + index for index in queue.indices
    }


def test_tasks_submitted_to_slurm_are_only_read(run: Run, monkeypatch: Any) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    queue.paths.submissions.write_text(json.dumps({}))
    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("it trained here"))
    with pytest.raises(InputError, match="no child is trained yet"):
        independent.run_strategy(make_context(run))
    finish(queue, 2, 3.0)
    assert independent.run_strategy(make_context(run)).startswith("1 of 6 architectures are trained")


def test_result_of_a_different_architecture_is_rejected(run: Run, monkeypatch: Any) -> None:
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    finish(queue, 0, 3.0)
    finish(queue, 1, 3.0)
    first, second = (queue.task(index).paths.result for index in (0, 1))
    first.write_bytes(second.read_bytes())
    monkeypatch.setattr(runner, "run", lambda *_: None)
    with pytest.raises(InputError, match="restore the file"):
        independent.run_strategy(make_context(run))


def test_source_depends_on_the_recipe_but_not_on_the_number_of_attempts(run: Run) -> None:
    def source(**changes: Any) -> str:
        queue = run.config.queue.model_copy(update=changes)
        return INDEPENDENT.source(Run(run.config.model_copy(update={"queue": queue}), run.folder), {})

    longer = run.config.queue.train.model_copy(update={"epochs": 99})  # type: ignore[union-attr]
    assert source(train=longer) != source() == source(attempts=9)
