import csv
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest

from edgeflownas import checkpoint
from edgeflownas.config import HardwareConfig
from edgeflownas.errors import InputError
from edgeflownas.files import write_json
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Cost
from search.queue.claim import claimed
from search.queue.collect import Survivor, agreement, collect, final_table, write_final_front
from search.queue.queue import Queue
from tests.search.queue.small import SCORES, small_queue

ANY = Survivor("000000000", 1.0, 1.0, 5.0, 10.0, 100.0, 100.0, 1e6, "predicted", "best.h5")


class Stand:
    """A compiler with its answers, and what it was asked."""

    def __init__(self, fails: str = "") -> None:
        self.vela = self
        self.version = "5.2.0"
        self.fails = fails
        self.asked: List[Any] = []

    def cost(self, skeleton: Any, architecture: Any, height: int, width: int, trained: Any) -> Cost:
        self.asked.append((architecture, height, width, trained))
        if "".join(map(str, architecture)) == self.fails:
            raise InputError("vela: it is too large")
        return Cost(33.0, 30.3, 77.0, 123.0, "compiled")


def no_vela() -> Compiler:
    return Compiler.of(HardwareConfig.model_validate({"table": "", "vela": "no-such-vela"}))


def finish(queue: Queue, index: int, epe: float) -> None:
    """Leaves what a task leaves that is done."""
    task = queue.task(index)
    tensors = {"E0/bn/gamma": np.ones(2), "E0/bn/mean": np.zeros(2), "E0/bn/variance": np.ones(2)}
    checkpoint.save(task.paths.best, tensors, {})
    result: Dict[str, Any] = {
        "architecture": task.config.architecture,
        "epe": epe,
        "zero_flow_epe": 5.0,
        "epoch": 1,
        "epochs": 2,
        "wall_s": 1.0,
        "weights_sha256": checkpoint.digest(tensors),
    }
    write_json(task.paths.result, result)
    with claimed(task) as claim:
        claim.change(state="done", best_epe=epe)


def ranked(*pairs: Any) -> List[Survivor]:
    return [replace(ANY, supernet_epe=float(before), epe=float(after)) for before, after in pairs]


def tau(*pairs: Any) -> Tuple[float, int]:
    found = agreement(ranked(*pairs))
    return round(found.tau or 0.0, 12), found.n


def test_tau_is_that_of_a_case_worked_out_by_hand() -> None:
    # Of the 10 pairs of five, those that the retraining orders the other way round: (1, 2) and (4, 5), so (8 - 2) / 10.
    assert tau((1, 2), (2, 1), (3, 3), (4, 5), (5, 4)) == (0.6, 5)
    assert tau((1, 3), (2, 2), (3, 1)) == (-1.0, 3)
    # tau-b: one pair is tied before, so (5 - 0) / sqrt(5 * 6)
    assert tau((1, 1), (1, 2), (3, 3), (4, 4)) == (round(5 / 30**0.5, 12), 4)


@pytest.mark.parametrize("pairs", [[], [(1, 2)], [(1, 1), (1, 2), (1, 3)]])
def test_tau_that_is_not_defined_is_none(pairs: List[Any]) -> None:
    assert agreement(ranked(*pairs)) == (None, len(pairs))


def test_unfinished_tasks_are_told_and_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queue = small_queue(tmp_path)
    with pytest.raises(InputError, match="3 queued"):
        collect(queue, no_vela())
    finish(queue, 1, 0.5)
    found = collect(queue, no_vela())
    assert [each.architecture for each in found.survivors] == ["111000000"] and found.missing == 2
    said = capfd.readouterr().err
    assert "not all tasks are done: 2 queued, 1 done" in said
    assert "no-such-vela" in said and "stay as they were predicted" in said
    assert found.survivors[0].fps == SCORES["111000000"][1] and found.survivors[0].cost_source == "predicted"


def test_front_is_that_of_the_retrained_by_compiled_figures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queue = small_queue(tmp_path)
    for index, epe in enumerate([2.0, 2.5, 1.5]):
        finish(queue, index, epe)
    compiler: Any = Stand(fails="000000000")
    found = collect(queue, compiler)
    assert [each.architecture for each in found.survivors] == ["000000000", "222222222", "111000000"]
    assert [each.cost_source for each in found.survivors] == ["predicted", "compiled", "compiled"]
    assert [each.fps for each in found.survivors] == [90.0, 33.0, 33.0]
    assert found.front == found.survivors[:1], "best EPE and most FPS"
    assert "000000000: its hardware figures stay as they were predicted: vela: it is too" in capfd.readouterr().err
    architecture, height, width, trained = compiler.asked[0]
    assert (height, width) == (32, 32) and trained.images.shape == (4, 32, 32, 6)
    assert list(trained.statistics) == ["E0/bn"] and "E0/bn/gamma" in trained.weights
    assert "1 of 3" in str(final_table(found).title)


def test_table_has_every_retrained_architecture_and_every_digit(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    for index, epe in enumerate([1.0, 2.0, 1 / 3]):
        finish(queue, index, epe)
    found = collect(queue, no_vela())
    write_final_front(tmp_path / "final_front.csv", found)
    with (tmp_path / "final_front.csv").open() as file:
        records = list(csv.DictReader(file))
    assert [record["architecture"] for record in records] == ["000000000", "222222222", "111000000"]
    assert [record["on_front"] for record in records] == ["1", "0", "0"]
    assert float(records[0]["epe"]) == 1 / 3 and float(records[0]["supernet_epe"]) == SCORES["000000000"][0]


def test_result_of_other_weights_is_refused(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    finish(queue, 0, 1.0)
    checkpoint.save(queue.task(0).paths.best, {"E0/bn/gamma": np.zeros(2)}, {})
    with pytest.raises(InputError, match="result.json: is not of"):
        collect(queue, no_vela())
