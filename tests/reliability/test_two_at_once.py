"""Promise 3: readers of a queue while its tasks run, and simultaneous starts of commands."""

import random
import time
from pathlib import Path
from typing import Any, Dict, Mapping, Set

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.lock import locked
from search.queue.claim import hold_claim
from search.queue.collect import collect
from search.queue.final_epe import FinalEpe
from search.queue.queue import Queue
from search.queue.retrain import Result
from search.queue.status import read_rows, to_records
from search.queue.task import Task
from tests.processes import ended, in_child
from tests.reliability.test_crash import run_part
from tests.search.commands.test_evolve import Command
from tests.search.queue.small import small_queue
from tests.search.queue.test_collect import FakeDeployment, no_vela

EPOCHS = 6


def work(queue: Queue, index: int) -> None:
    """Write the files of a training in their order, as often as possible."""
    task, rng = queue.task(index), random.Random(index)
    for epoch in range(EPOCHS):
        with hold_claim(task) as claim:
            claim.begin()
            tensors = {"E0/bn/gamma": np.full(5000, index + epoch, np.float32)}
            checkpoint.save(task.paths.last, tensors, {"epoch": epoch})
            checkpoint.save(task.paths.best, tensors, {"epoch": epoch})
            for step in range(10):
                claim.change(step=step, epoch=epoch)
                time.sleep(rng.uniform(0, 0.003))
            if epoch < EPOCHS - 1:
                claim.record_stop("to be continued")
                continue
            result = Result(
                architecture=task.config.architecture, epe=1.0 + index, zero_flow_epe=9.0, epoch=1, epochs=EPOCHS,
                wall_s=1.0, weights_sha256=checkpoint.digest(tensors),
            )  # fmt: skip
            record.write(task.paths.result, result.model_dump())
            claim.change(state="done", epoch=EPOCHS)


def score(task: Task, tensors: Mapping[str, np.ndarray]) -> Dict[str, FinalEpe]:
    return {"procedural": FinalEpe(data={}, epe=1.0, zero_flow_epe=5.0, pairs=2)}


def test_status_and_collect_see_complete_files_while_tasks_write(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=6)
    children = [in_child(lambda index=index: work(queue, index)) for index in queue.indices]  # type: ignore[misc]
    seen: Set[str] = set()
    epochs, collected, looks = [0] * 6, 0, 0
    while collected < 6:
        looks += 1
        listed = read_rows(queue)
        to_records(listed)
        seen.update(row.word for row in listed)
        assert [row.epoch >= before for row, before in zip(listed, epochs)] == [True] * 6
        epochs = [row.epoch for row in listed]
        try:
            result = collect(queue, no_vela(), score, FakeDeployment())
        except InputError as error:
            assert "nothing to collect yet" in str(error) and not collected
        else:
            assert len(result.survivors) >= max(collected, 1) and len(result.survivors) + result.missing == 6
            collected = len(result.survivors)
    assert [ended(child) for child in children] == [0] * 6
    assert seen <= {"queued", "running", "preempted", "done"} and {"running", "done"} <= seen and looks > 5


def test_second_evolve_or_enumerate_is_refused_with_the_name_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    command = Command(tmp_path, monkeypatch, capsys)
    for name, lock in (("evolve", "search.lock"), ("enumerate", "space.lock")):
        with locked(command.folder / lock, "it"):
            before = set(command.folder.rglob("*"))
            refused = command.run(name)
        assert refused.code == 2 and "in use by process" in refused.error and refused.error.count("\n") == 1
        assert set(command.folder.rglob("*")) == before - {command.folder / lock}


def test_second_process_at_a_task_or_search_is_refused(tmp_path: Path) -> None:
    for line in run_part(tmp_path, "twice", 0.05, ("evolve", "retrain", "train")):
        assert "twice 1, refused 1, equal 1" in line
