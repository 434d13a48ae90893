import csv
import io
import shutil
from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np
import pytest
import yaml
from rich.console import Console

from edgeflownas.config import HardwareConfig
from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.networks import Networks, TrainedNetwork
from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint, record
from search.queue.collect import Collection, Survivor, collect
from search.queue.deployment import DeployedEpe, LayerLoss, Trial
from search.queue.final_epe import FinalEpe, score_final_epes
from search.queue.final_front import (
    describe_losses,
    find_figure,
    render_epe_table,
    render_final_table,
    write_final_front,
)
from search.queue.published import EDGEFLOWNET
from search.queue.queue import Queue
from search.queue.retrain import load_result, retrain
from search.queue.task import Task
from search.ranking.steps import measure_steps
from tests.edgeflownas.data.written import WRITERS, flow, put_flo
from tests.search.queue import small
from tests.search.queue.small import SCORES, deployed, small_queue


def fake_final_epes(task: Task, tensors: Mapping[str, np.ndarray]) -> Dict[str, FinalEpe]:
    """Return final EPEs without running a network."""
    return {"procedural": FinalEpe(data={}, epe=1.0 + task.index, zero_flow_epe=5.0, pairs=2)}


class FakeDeployment:
    """An input of the board with fixed EPEs: those of the training, changed by factors in float32 and in int8."""

    padded_size = (32, 32)

    def __init__(self, *factors: float) -> None:
        self.factors = factors

    def score(self, task: Task, tensors: Mapping[str, np.ndarray]) -> DeployedEpe:
        epe = load_result(task).epe
        return deployed(epe, epe * (self.factors[task.index] if self.factors else 1.0))

    def networks(self, name: str, tensors: Mapping[str, np.ndarray]) -> Networks:
        return Networks(default_skeleton(2), *self.padded_size, TrainedNetwork(tensors, {}, np.zeros(1)))


class FakeCompiler:
    """A compiler with fixed answers, which records the requests."""

    def __init__(self, fails: str = "") -> None:
        self.vela = self
        self.version = "5.2.0"
        self.fails = fails
        self.requests: List[Any] = []

    def cost(self, networks: Any, architecture: Any) -> Cost:
        self.requests.append((architecture, *networks.size, networks.trained))
        if "".join(map(str, architecture)) == self.fails:
            raise InputError("vela: it is too large")
        return Cost(33.0, 30.3, 77.0, 123.0, "compiled")


def no_vela() -> Compiler:
    return Compiler.from_config(HardwareConfig.model_validate({"table": "", "vela": "no-such-vela"}))


def finish(queue: Queue, index: int, epe: float) -> None:
    """Write the files that the training of a task would leave, including weights."""
    tensors = {"E0/bn/gamma": np.ones(2), "E0/bn/mean": np.zeros(2), "E0/bn/variance": np.ones(2)}
    checkpoint.save(queue.task(index).paths.best, tensors, {})
    small.finish(queue, index, epe, checkpoint.digest(tensors))


def test_unfinished_tasks_are_reported_and_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queue = small_queue(tmp_path)
    with pytest.raises(InputError, match="3 queued"):
        collect(queue, no_vela(), fake_final_epes, FakeDeployment())
    finish(queue, 1, 0.5)
    collection = collect(queue, no_vela(), fake_final_epes, FakeDeployment())
    assert [survivor.architecture for survivor in collection.survivors] == ["111000000"] and collection.missing == 2
    said = capfd.readouterr().err
    assert "not all tasks are done: 2 queued, 1 done" in said
    assert "no-such-vela" in said and "keeping the hardware figures of the search" in said
    assert collection.survivors[0].fps == SCORES["111000000"][1] and collection.survivors[0].cost_source == "predicted"


def test_front_uses_retrained_epe_and_compiled_cost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queue = small_queue(tmp_path)
    for index, epe in enumerate([2.0, 2.5, 1.5]):
        finish(queue, index, epe)
    compiler: Any = FakeCompiler(fails="000000000")
    collection = collect(queue, compiler, fake_final_epes, FakeDeployment())
    assert [survivor.architecture for survivor in collection.survivors] == ["000000000", "222222222", "111000000"]
    assert [survivor.cost_source for survivor in collection.survivors] == ["predicted", "compiled", "compiled"]
    assert [survivor.fps for survivor in collection.survivors] == [90.0, 33.0, 33.0]
    assert collection.front == collection.survivors[:1], "best EPE and most FPS"
    assert "000000000: keeping the hardware figures of the search: vela: it is too" in capfd.readouterr().err
    architecture, height, width, trained = compiler.requests[0]
    assert (height, width) == (32, 32) and "E0/bn/gamma" in trained.weights
    assert "1 of 3" in str(render_final_table(collection).title)


def test_front_goes_by_the_epe_in_int8(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    for index, epe in enumerate([2.0, 2.5, 1.5]):  # 222222222, 111000000, 000000000
        finish(queue, index, epe)
    compiler: Any = FakeCompiler()
    collection = collect(queue, compiler, fake_final_epes, FakeDeployment(1.5, 1.01, 2.0))
    assert [survivor.int8_epe for survivor in collection.survivors] == pytest.approx([2.525, 3.0, 3.0])
    assert [survivor.architecture for survivor in collection.front] == ["111000000"], "all have the same FPS"
    steps = measure_steps(lambda name: [find_figure(survivor, name) for survivor in collection.survivors])
    taus = {(step.before, step.after): step.agreement.tau for step in steps}
    assert taus["epe", "deploy_epe"] == 1.0 and taus["deploy_epe", "int8_epe"] == pytest.approx(-0.8165, abs=1e-3)
    assert taus["search_fps", "fps"] is None, "all have the same FPS"


def test_cost_of_another_input_is_a_prediction(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    finish(queue, 0, 2.0)
    content = yaml.safe_load(queue.task(0).paths.task.read_text())
    content["found"]["source"] = "compiled"
    queue.task(0).paths.task.write_text(yaml.safe_dump(content))
    deployment = FakeDeployment()
    queue, sources = Queue(queue.paths.folder), []
    for size in ((32, 32), (64, 64)):
        deployment.padded_size = size
        sources.append(collect(queue, no_vela(), fake_final_epes, deployment).survivors[0].cost_source)
    assert sources == ["compiled", "predicted"]


def test_large_loss_by_quantisation_is_described_with_its_layers_and_what_helps() -> None:
    layers = [LayerLoss(layer="E0", error=0.02, increase=0.02), LayerLoss(layer="EB0", error=0.2, increase=0.18)]
    trials = [Trial(calibration_pairs=64, trim=0, int8_epe=1.1), Trial(calibration_pairs=16, trim=0.25, int8_epe=1.06)]
    loss = deployed(1.0, 1.2, layers=layers, trials=trials)
    survivors = [make_survivor(deployed(1.0, 1.04)), make_survivor(loss)]
    (sentence,) = describe_losses(Collection(survivors, survivors, 0, (32, 32)))
    assert "loses 20.0% by quantisation" in sentence and "grows most in EB0 (by 18.0%, to 20.0%) and E0" in sentence
    assert sentence.endswith("With deploy.calibration_pairs=16 deploy.trim=0.25, it has 1.0600 px.")
    worse = loss.model_copy(update={"trials": [trials[0].model_copy(update={"int8_epe": 1.3})]})
    survivors = [make_survivor(worse)]
    assert "None of the other ranges" in describe_losses(Collection(survivors, survivors, 0, (32, 32)))[0]


def make_survivor(figures: DeployedEpe) -> Survivor:
    return Survivor(
        "021122100", 11.874, figures, 12.1719, 14.7371, {}, 1061.45, 0.94, 1690.2, 1e6, "predicted", 1000.0,
        "best.h5", "0" * 64,
    )  # fmt: skip


def test_table_fits_80_columns() -> None:
    survivor = make_survivor(deployed(11.9, 12.2))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render_final_table(Collection([survivor], [survivor], 0, (32, 48)), EDGEFLOWNET))
    text = console.export_text()
    assert "…" not in text and "SRAM KiB" in text and "front" in text


def test_csv_file_has_every_retrained_architecture_with_all_digits(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    for index, epe in enumerate([1.0, 2.0, 1 / 3]):
        finish(queue, index, epe)
    collection = collect(queue, no_vela(), fake_final_epes, FakeDeployment())
    write_final_front(tmp_path / "final_front.csv", collection, {"vela": "5.2.0", "board": "a board"})
    with (tmp_path / "final_front.csv").open() as file:
        records = list(csv.DictReader(file))
    assert [record["architecture"] for record in records] == ["000000000", "222222222", "111000000"]
    assert [record["on_front"] for record in records] == ["1", "0", "0"]
    assert {(record["vela"], record["board"]) for record in records} == {("5.2.0", "a board")}
    assert float(records[0]["epe"]) == 1 / 3 and float(records[0]["supernet_epe"]) == SCORES["000000000"][0]
    assert [record["int8_epe"] for record in records] == [record["epe"] for record in records]
    assert records[0]["deploy_size"] == "32x32"
    assert [float(record["final_epe procedural"]) for record in records] == [3.0, 1.0, 2.0]
    assert [column.header for column in render_epe_table(collection).columns] == ["architecture", "procedural, 2 pairs"]


def test_result_that_does_not_belong_to_the_weights_is_refused(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    finish(queue, 0, 1.0)
    checkpoint.save(queue.task(0).paths.best, {"E0/bn/gamma": np.zeros(2)}, {})
    with pytest.raises(InputError, match="result.json: does not belong to"):
        collect(queue, no_vela(), fake_final_epes, FakeDeployment())


def test_published_figures_are_comparable_only_for_their_board_and_size(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    finish(queue, 0, 1.0)
    collection = collect(queue, no_vela(), fake_final_epes, FakeDeployment())
    board, size = "Grove Vision AI V2", (176, 224)
    assert EDGEFLOWNET.is_comparable(board, size)
    assert not EDGEFLOWNET.is_comparable(board, collection.size)
    assert not EDGEFLOWNET.is_comparable("Ethos-U65-256", size)
    sentence = "EdgeFlowNet, as published: 1694 KiB of SRAM and 5.32 FPS on the Grove Vision AI V2 at 172x224"
    assert EDGEFLOWNET.describe(board, size) == f"{sentence}, the board and size of this front."
    assert EDGEFLOWNET.describe(board, collection.size).startswith(f"{sentence}. This front is for")
    assert "32x32: the two cannot be compared" in EDGEFLOWNET.describe(board, collection.size)
    assert [len(render_final_table(collection, published).rows) for published in (None, EDGEFLOWNET)] == [1, 2]


def test_final_epe_is_scored_once_per_data_set(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where the scenes fill the image, the final EPE equals the EPE seen in training."""
    task = small_queue(tmp_path).task(2)
    assert retrain(task) == "done"
    tensors, best = checkpoint.load(task.paths.best)
    epes = score_final_epes(task, tensors)
    assert list(epes) == ["procedural"] and epes["procedural"].pairs == 2
    assert epes["procedural"].epe == pytest.approx(best["epe"], rel=1e-5)
    written = task.paths.final.stat().st_mtime_ns
    assert score_final_epes(task, tensors) == epes and task.paths.final.stat().st_mtime_ns == written
    other = {**tensors, "E0/bn/mean": tensors["E0/bn/mean"] + 1}
    assert score_final_epes(task, other)["procedural"].epe != epes["procedural"].epe, "it uses the stored statistics"
    task.paths.final.write_text("{")
    assert score_final_epes(task, tensors) == epes


def test_missing_data_set_is_reported_and_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    task = small_queue(tmp_path).task(2)
    content = yaml.safe_load(task.paths.task.read_text())
    here = content["data"]
    missing = {"kind": "flyingchairs2", "train_dir": "/nowhere", "val_dir": "/nowhere", "height": 32, "width": 32}
    recipe = content["train"]
    content["train"] = [{**recipe, "data": missing}, {**recipe, "data": {**here, "seed": 9}}, recipe]
    task.paths.task.write_text(yaml.safe_dump(content))
    weights = task.load_first_weights() or {}
    statistics = {}
    for name in [name[: -len("/gamma")] for name in weights if name.endswith("/gamma")]:
        size = weights[f"{name}/gamma"].shape
        statistics.update({f"{name}/mean": np.zeros(size, "f4"), f"{name}/variance": np.ones(size, "f4")})
    epes = score_final_epes(Task(task.queue, 2), {**weights, **statistics})
    assert list(epes) == ["procedural", "procedural 2"] and epes["procedural"].data["seed"] == here["seed"]
    assert "no final EPE on flyingchairs2: " in capfd.readouterr().err


def record_pairs(task: Task, contents: str) -> None:
    """Let the result of a task record the pairs that it was trained on."""
    pairs = {"validation": {"pairs": 8, "names": "a", "contents": contents}}
    record.write(task.paths.result, {**record.read(task.paths.result), "pairs": pairs})


def test_tasks_that_were_trained_on_different_pairs_are_refused(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    for index in range(3):
        finish(queue, index, 1.0 + index)
    collect(queue, no_vela(), fake_final_epes, FakeDeployment())
    record_pairs(queue.task(1), "b")
    record_pairs(queue.task(2), "b")
    collect(queue, no_vela(), fake_final_epes, FakeDeployment())  # task 0 is of an earlier version
    record_pairs(queue.task(0), "c")
    with pytest.raises(InputError, match=r"1/result\.json: is of other pairs than .*0/result\.json.*contents of files"):
        collect(queue, no_vela(), fake_final_epes, FakeDeployment())


def test_final_epe_is_scored_again_if_its_pairs_have_changed(tmp_path: Path) -> None:
    content = WRITERS["list"](tmp_path / "data")
    task = small_queue(tmp_path).task(2)
    written = yaml.safe_load(task.paths.task.read_text())
    task.paths.task.write_text(yaml.safe_dump({**written, "data": {**content, "height": 16, "width": 16}}))
    task = Task(task.queue, 2)
    statistics = {}
    weights = task.load_first_weights() or {}
    for name in [name[: -len("/gamma")] for name in weights if name.endswith("/gamma")]:
        size = weights[f"{name}/gamma"].shape
        statistics.update({f"{name}/mean": np.zeros(size, "f4"), f"{name}/variance": np.ones(size, "f4")})
    tensors = {**weights, **statistics}
    before = score_final_epes(task, tensors)["list"]
    assert score_final_epes(task, tensors)["list"] == before
    put_flo(tmp_path / "data" / "a.flo", flow(77))
    now = score_final_epes(task, tensors)["list"]
    assert now.epe != before.epe and now.pairs == before.pairs
    shutil.rmtree(str(tmp_path / "data"))
    assert score_final_epes(task, tensors)["list"] == now
