"""``evaluate``, ``data check`` and ``--dry-run`` on a small run, called in this process."""

import csv
import json
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
import yaml

from edgeflownas.config import Config, dump, validate
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.recalibration import statistics_to_tensors
from edgeflownas.storage import checkpoint
from search.cli import cli
from tests.edgeflownas.data.test_layouts import configured
from tests.edgeflownas.data.written import WRITERS, flow, put_flo
from tests.search.queue.small import CONTENT, small_queue, small_run
from tests.terminal import make_runner

LIGHT = "000000000"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    small_queue(folder)
    run = small_run(folder)
    (folder / "config.yaml").write_text(dump(run.config))
    return run


def call(run, *words):
    config = run.folder.parent / "config.yaml"
    arguments = [*words, "--config", str(config), "--run", str(run.folder)]
    runner = make_runner()
    return runner.invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def data_file(folder, kind, **changes):
    content = {**WRITERS[kind](folder / kind), **changes}
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump({"data": content}))
    return str(path)


def evaluator(run):
    data = EvaluationData(*open_datasets(run.config.data), run.config.evaluation, 1)
    return ChildEvaluator(run.skeleton, (0,) * 9, data, 1)


def test_epe_on_the_pairs_of_the_run_equals_that_of_the_search(run):
    result = json.loads(call(run, "evaluate", LIGHT, "222222222", "--json").stdout)
    weights = run.supernet_weights()
    first, second = result["architectures"]
    assert first["epe"] == pytest.approx(evaluator(run).score(weights), rel=1e-5)
    assert result["zero_flow_epe"] == pytest.approx(first["epe"] / first["share_of_zero_flow"])
    assert (result["pairs"], result["pixels"]) == (2, 2 * 32 * 32) and second["macs"] > first["macs"]


def test_images_of_other_sizes_are_padded_and_the_flow_is_cropped(run, tmp_path):
    path = data_file(tmp_path, "kitti2015")
    result = json.loads(call(run, "evaluate", LIGHT, "--data", path, "--json", "--save", str(tmp_path / "out")).stdout)
    weights = run.supernet_weights()
    own = evaluator(run)
    statistics = own.recalibrate(weights)
    metrics, epes = FlowMetrics(), []
    val = open_datasets(configured(yaml.safe_load(Path(path).read_text())["data"], val_every=2))[1]
    for index in range(len(val)):
        sample = val.full_sample(index)
        height, width = sample.valid.shape
        padded = np.pad(sample.images, ((0, 48 - height), (0, (-width) % 16), (0, 0)), mode="edge")
        large = EvaluationData(*open_datasets(run.config.data), run.config.evaluation, 1)
        large.calibration[0] = large.calibration[0]._replace(images=padded[None])
        predictor = ChildEvaluator(run.skeleton, (0,) * 9, large, 1)
        prediction = predictor.predict(weights, statistics, padded[None])[0, :height, :width, :2]
        epes.append(metrics.add(prediction, sample))
    with (tmp_path / "out" / f"{LIGHT}_0" / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(rows[2 * index]["epe"]) for index in range(len(val))] == pytest.approx(epes, rel=1e-4)
    row = result["architectures"][0]
    assert row["epe_per_image"] == pytest.approx(np.mean([float(pair["epe"]) for pair in rows]))
    assert result["pairs"] == 4 and 0 < row["fl_all"] <= 100


def test_save_writes_the_predicted_flow_and_images_next_to_the_truth(run, tmp_path):
    path = data_file(tmp_path, "middlebury")
    result = call(run, "evaluate", LIGHT, "--data", path, "--save", str(tmp_path / "out"))
    assert "middlebury: 2 pairs, 4,796 pixels with known flow" in result.stdout and "Fl %" in result.stdout
    folder = tmp_path / "out" / f"{LIGHT}_0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "00000_flow10.flo", "00000_flow10.png", "00001_flow10.flo", "00001_flow10.png", "pairs.csv",
    ]  # fmt: skip
    saved = cv2.readOpticalFlow(str(folder / "00001_flow10.flo"))
    truth = flow(1)
    valid = np.ones((40, 60), bool)
    valid[0, 0] = valid[1, 1] = False
    with (folder / "pairs.csv").open() as file:
        epe = float(list(csv.DictReader(file))[1]["epe"])
    assert epe == pytest.approx(np.linalg.norm(saved - truth, axis=-1)[valid].mean(), rel=1e-5)
    picture = cv2.imread(str(folder / "00001_flow10.png"))
    assert not picture[1, 61].any() and not picture[1, 181].any(), "unknown truth and its error are black"
    assert (picture[:40, 240:] == 255).all() and picture[40:].min() < 255, "the EPE and the legend are below"


def test_retrained_child_is_scored_with_its_own_statistics(run, tmp_path):
    weights = run.supernet_weights()
    own = {name: weights[name] for name in run.skeleton.parameters((0,) * 9)}
    statistics = {name: (mean + 0.1, var) for name, (mean, var) in evaluator(run).recalibrate(weights).items()}
    task = run.queue_folder / "tasks" / "002"
    state = {"identity": {"network": run.skeleton.digest()}}
    checkpoint.save(task / "best.h5", {**own, **statistics_to_tensors(statistics)}, state)
    path = data_file(tmp_path, "sintel")
    by_task = call(run, "evaluate", "--task", "2", "--data", path, "--json").stdout
    by_weights = call(run, "evaluate", LIGHT, "--weights", str(task / "best.h5"), "--data", path, "--json").stdout
    by_supernet = call(run, "evaluate", LIGHT, "--data", path, "--json").stdout
    scores = [json.loads(output)["architectures"][0]["epe"] for output in (by_task, by_weights, by_supernet)]
    assert scores[0] == scores[1] != pytest.approx(scores[2], rel=1e-4)
    row = json.loads(by_task)["architectures"][0]
    assert row["epe_visible"] > 0 and row["epe_occluded"] > 0


def error(run, *words):
    with pytest.raises(Exception) as raised:
        call(run, *words)
    return str(getattr(raised.value, "message", raised.value))


def test_unusable_subjects_and_data_are_refused(run, tmp_path):
    assert "name an architecture" in error(run, "evaluate")
    assert "best.h5 does not exist yet; `queue run` trains it" in error(run, "evaluate", "--task", "0")
    assert "--root requires --data" in error(run, "evaluate", LIGHT, "--root", "x")
    path = data_file(tmp_path, "middlebury")
    assert "data.root: nowhere" in error(run, "evaluate", LIGHT, "--data", path, "--root", "nowhere")
    other = tmp_path / "other.h5"
    checkpoint.save(other, run.supernet_weights(), {"identity": {"network": "another"}})
    assert "belong to a different network" in error(run, "evaluate", LIGHT, "--weights", str(other))
    for flo in (tmp_path / "middlebury").rglob("*.flo"):
        put_flo(flo, np.full((40, 60, 2), 1e10, np.float32))
    assert "no pair has known motion" in error(run, "evaluate", LIGHT, "--data", path)


def test_data_check_lists_bad_files_and_evaluation_excludes_them(run, tmp_path):
    path = data_file(tmp_path, "sintel", exclude=str(tmp_path / "bad.txt"))
    put_flo(tmp_path / "sintel" / "training" / "flow" / "alley_1" / "frame_0001.flo", np.full((40, 60, 2), np.nan))
    result = call(run, "data", "check", "--data", path)
    assert result.return_value == 1
    assert "bad files: 1, affected pairs: 2" in result.stdout and "frame_0001.flo" in result.stdout
    result = call(run, "evaluate", LIGHT, "--data", path, "--json")
    assert json.loads(result.stdout)["pairs"] == 6
    assert "excludes 2 of 8 val pairs" in " ".join(result.stderr.split())
    put_flo(tmp_path / "sintel" / "training" / "flow" / "alley_1" / "frame_0001.flo", flow(1))
    result = call(run, "data", "check", "--data", path, "--json")
    assert result.return_value == 0 and json.loads(result.stdout)[0]["bad"] == {}
    assert "no files to check" in error(run, "data", "check")


def test_data_check_reads_each_data_set_of_a_run_once(run, tmp_path):
    sets = {kind: WRITERS[kind](tmp_path / kind) for kind in ("flyingchairs2", "flyingthings3d")}
    stages = [
        {"epochs": 1, "data": {**sets["flyingchairs2"], "height": 32, "width": 48}},
        {"epochs": 1, "data": sets["flyingthings3d"]},
    ]
    content = {**CONTENT, "data": sets["flyingchairs2"], "queue": {"train": stages}}
    path = tmp_path / "config.yaml"
    path.write_text(dump(validate(content, Config, "test")))
    words = ["data", "check", "--json", "--config", str(path), "--run", str(tmp_path / "run")]
    result = make_runner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)
    assert [record["key"] for record in json.loads(result.stdout)] == ["data", "queue.train.1.data"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "bad_files_flyingchairs2.txt", "bad_files_flyingthings3d.txt",
    ]  # fmt: skip


def test_dry_run_shows_the_plan_and_writes_nothing(run):
    before = sorted(run.folder.rglob("*"))
    shown = call(run, "train", "--dry-run").stdout
    assert validate(yaml.safe_load(shown.split("\ntrain: 8 pairs")[0]), Config, "shown") == run.config
    assert "train: 8 pairs of procedural" in shown and "steps: 4 per epoch, 8 in 2 epochs" in shown
    assert "million MACs on a pair of 32x32" in shown and "GiB" in shown and "per epoch" in shown
    shown = call(run, "train", "--dry-run", "--set", "strategy=staged", "--set", "staged.epochs=[3,2,2]").stdout
    assert "stages: 3, 2, 2 epochs" in shown and "28 in 7 epochs; a cycle of 3 paths takes" in shown
    shown = call(run, "train", "--dry-run", "--set", "train.sampling=uniform").stdout
    assert "a cycle of 1 path takes" in shown
    shown = cli_retrain(run)
    assert "stage 1 of 1" in shown and "architecture: '000000000'" in shown and "a step takes" in shown
    shown = call(run, "evaluate", LIGHT, "--task", "2", "--dry-run").stdout
    assert shown.count("million MACs") == 2
    assert "val: 2 pairs of procedural" in shown and "s per pair" in shown and "for 2 pairs" in shown and "GiB" in shown
    assert sorted(run.folder.rglob("*")) == before


def test_dry_run_needs_no_trained_weights(tmp_path):
    content = yaml.safe_load(dump(validate(CONTENT, Config, "test")))
    tall = {**content["data"], "height": 48}
    content["queue"]["train"] = [{"epochs": 2}, {"epochs": 3, "batch_size": 4, "data": tall}]
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    options = ["--config", str(config), "--set", f"name={tmp_path.name}"]
    path = data_file(tmp_path, "sintel")
    shown = invoked("evaluate", LIGHT, "222222222", *options, "--data", path, "--dry-run").stdout
    assert "val: 8 pairs of sintel, the first is training/clean/alley_1/frame_0001.png" in shown
    assert shown.count("million MACs on a pair of 48x64 pixels") == 2, "of 40x60"
    options += ["--set", "queue.train.1.epochs=7"]
    shown = invoked("retrain", *options, "--architecture", "012012012", "--dry-run").stdout
    assert "architecture: '012012012'" in shown and "stage 2 of 2" in shown and "per epoch, 14 in 7 epochs" in shown
    assert "million MACs on a pair of 48x32 pixels" in shown
    assert not (Path("results") / tmp_path.name).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "x.yaml", "--architecture", LIGHT], "--config requires --architecture and --dry-run"),
        (["--config", "x.yaml", "--dry-run"], "--config requires --architecture and --dry-run"),
        (["--config", "x.yaml", "--architecture", LIGHT, "--dry-run", "--index", "0"], "name a task by --queue"),
        (["--queue", "x"], "name a task by --queue and --index"),
        (["--queue", "x", "--index", "0", "--set", "seed=2"], "name a task by --queue and --index"),
    ],
)
def test_retraining_is_named_by_task_or_by_architecture(words, message):
    with pytest.raises(click.UsageError, match=message):
        invoked("retrain", *words)


def invoked(*words):
    return make_runner().invoke(cli, list(words), catch_exceptions=False, standalone_mode=False)


def cli_retrain(run):
    return invoked("retrain", "--queue", str(run.queue_folder), "--index", "2", "--dry-run").stdout
