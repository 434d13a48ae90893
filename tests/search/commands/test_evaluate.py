"""``evaluate`` on a small run, called in this process."""

import csv
import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.recalibration import statistics_to_tensors
from edgeflownas.storage import checkpoint
from search.commands.evaluate import write_pairs
from tests.edgeflownas.data.test_layouts import configured
from tests.edgeflownas.data.written import flow, put_flo, put_image
from tests.search.commands.calls import LIGHT, NAMES, call, data_file, error, make_run, write_list_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


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
    assert [line.split()[0] for line in result.stdout.splitlines() if line[:1] == line[:1].strip()][1] == "architecture"
    folder = tmp_path / "out" / f"{LIGHT}_0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "00000_Dimetrodon_frame10.flo", "00000_Dimetrodon_frame10.png", "00001_Venus_frame10.flo",
        "00001_Venus_frame10.png", "pairs.csv",
    ]  # fmt: skip
    saved = cv2.readOpticalFlow(str(folder / "00001_Venus_frame10.flo"))
    truth = flow(1)
    valid = np.ones((40, 60), bool)
    valid[0, 0] = valid[1, 1] = False
    with (folder / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["saved"] for row in rows] == ["00000_Dimetrodon_frame10", "00001_Venus_frame10"]
    epe = float(rows[1]["epe"])
    assert epe == pytest.approx(np.linalg.norm(saved - truth, axis=-1)[valid].mean(), rel=1e-5)
    picture = cv2.imread(str(folder / "00001_Venus_frame10.png"))
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


def test_unusable_requests_and_data_are_refused(run, tmp_path):
    assert "name an architecture" in error(run, "evaluate")
    problem = error(run, "evaluate", "--task", "0")
    assert "best.h5 does not exist yet; `edgeflownas-search queue run --config " in problem
    assert "--root requires --data" in error(run, "evaluate", LIGHT, "--root", "x")
    path = data_file(tmp_path, "middlebury")
    assert "data.root: nowhere" in error(run, "evaluate", LIGHT, "--data", path, "--root", "nowhere")
    other = tmp_path / "other.h5"
    checkpoint.save(other, run.supernet_weights(), {"identity": {"network": "another"}})
    assert "belong to a different network" in error(run, "evaluate", LIGHT, "--weights", str(other))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "old.png").write_text("")
    for used in (tmp_path / "used", tmp_path / "used" / "old.png"):
        said = error(run, "evaluate", LIGHT, "--save", str(used))
        assert f"--save {used}: exists and is not an empty folder; name a new folder" in said


@pytest.mark.parametrize("key", ["calibration_pairs", "val_pairs"])
def test_too_few_pairs_are_refused_before_any_work(run, tmp_path, monkeypatch, key):
    monkeypatch.setattr("search.commands.evaluate._describe_pairs", None)  # reads all pairs
    monkeypatch.setattr("search.commands.dry_run.prepare_supernet_training", None)
    for words in (["evaluate", LIGHT], ["train", "--dry-run"]):
        said = error(run, *words, "--set", f"evaluation.{key}=99")
        assert f"evaluation.{key}: asks for 99" in said


def evaluate_saved(run, tmp_path, *words):
    """Return the record of an evaluation that is printed and saved, its output, and the rows of ``pairs.csv``."""
    folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    result = call(run, "evaluate", LIGHT, "--save", str(folder), "--json", *words)
    record = json.loads(result.stdout, parse_constant=pytest.fail)  # NaN and Infinity are not JSON
    assert json.loads((folder / "evaluation.json").read_text()) == record
    with (folder / f"{LIGHT}_0" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        return record, result, list(csv.DictReader(file))


def spoil_kitti(root, valid):
    for path in sorted(root.rglob("flow_occ/*.png"))[:valid]:
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert cv2.imwrite(str(path), pixels * 0)


def spoil_sintel(root, count):
    for path in sorted((root / "training" / "invalid").rglob("*.png"))[:count]:
        put_image(path, np.full((40, 60), 255, np.uint8))


def spoil_middlebury(value):
    def spoil(root, count):
        for path in sorted(root.rglob("*.flo"))[:count]:
            put_flo(path, np.full((40, 60, 2), value, np.float32))

    return spoil


UNLABELLED = {
    "unknown": ("middlebury", spoil_middlebury(1e10), 1, 2),
    "nan": ("middlebury", spoil_middlebury(np.nan), 1, 2),
    "masked": ("sintel", spoil_sintel, 2, 4),
    "kitti": ("kitti2015", spoil_kitti, 1, 4),
}


@pytest.mark.parametrize("case", sorted(UNLABELLED))
def test_pairs_without_known_flow_have_no_figures_and_the_others_have_theirs(run, tmp_path, case):
    kind, spoil, some, everything = UNLABELLED[case]
    path = data_file(tmp_path, kind, **({"passes": ["final"]} if kind == "sintel" else {}))
    spoil(tmp_path / kind, some)
    record, _, rows = evaluate_saved(run, tmp_path, "--data", path)
    figures = record["architectures"][0]
    assert (record["pairs"], record["labelled_pairs"]) == (everything, everything - some)
    assert [row["epe"] == "" for row in rows] == [True] * some + [False] * (everything - some)
    known = [float(row["epe"]) for row in rows[some:]]
    assert figures["epe_per_image"] == pytest.approx(np.mean(known)) and record["zero_flow_epe"] > 0

    spoil(tmp_path / kind, everything)
    record, _, rows = evaluate_saved(run, tmp_path, "--data", path)
    assert (record["labelled_pairs"], record["pixels"], record["zero_flow_epe"]) == (0, 0, None)
    row = record["architectures"][0]
    names = ("epe", "share_of_zero_flow", "epe_per_image", "fl_all", "epe_s0_10")
    assert [row[name] for name in names] == [None] * 5 and row["macs"] > 0
    assert [pair["epe"] for pair in rows] == [""] * everything
    printed = call(run, "evaluate", LIGHT, "--data", path).stdout
    assert "n/a" in printed and f"Pairs without known flow, which have no EPE: {everything}." in printed


def test_static_pairs_have_an_epe_but_no_share_of_that_of_zero_flow(run, tmp_path):
    path = data_file(tmp_path, "middlebury")
    spoil_middlebury(0.0)(tmp_path / "middlebury", 2)
    record, _, rows = evaluate_saved(run, tmp_path, "--data", path)
    row = record["architectures"][0]
    assert row["epe"] > 0 and row["share_of_zero_flow"] is None and record["zero_flow_epe"] == 0
    assert row["epe"] == pytest.approx(np.mean([float(pair["epe"]) for pair in rows]))
    assert "n/a" in call(run, "evaluate", LIGHT, "--data", path).stdout


@pytest.mark.parametrize("kind", ["middlebury", "kitti2015"])
def test_macs_are_those_of_the_images_whatever_the_size_of_the_run(run, tmp_path, kind):
    path = data_file(tmp_path, kind)
    sizes = {"middlebury": [(48, 64)] * 2, "kitti2015": [(48, 64), (48, 64), (48, 64), (48, 80)]}[kind]
    expected = np.mean([run.skeleton.macs((0,) * 9, *size) for size in sizes])
    for size in (32, 64):
        words = ["--set", f"data.height={size}", "--set", f"data.width={size}"]
        record = json.loads(call(run, "evaluate", LIGHT, "--data", path, "--json", *words).stdout)
        assert record["architectures"][0]["macs"] == pytest.approx(expected, rel=1e-12)
    assert sum(record["sizes"].values()) == len(sizes) and "40x60" in record["sizes"]
    shown = call(run, "evaluate", LIGHT, "--data", path, "--dry-run").stdout
    first = run.skeleton.macs((0,) * 9, *sizes[0]) / 1e6
    assert f"a path takes {first:,.1f} million MACs on a pair of 48x64 pixels" in shown
    assert ("images differ in size; MACs are those of the first pair, which has 40x60 pixels" in shown) == (
        kind == "kitti2015"
    )
    own = json.loads(call(run, "evaluate", LIGHT, "--json").stdout)
    assert own["architectures"][0]["macs"] == run.skeleton.macs((0,) * 9, 32, 32) and own["sizes"] == {"32x32": 2}


def test_result_says_what_was_scored_and_what_was_left_out_and_strict_refuses_omissions(run, tmp_path):
    path = data_file(tmp_path, "sintel", exclude=str(tmp_path / "bad.txt"), passes=["clean"])
    (tmp_path / "bad.txt").write_text("training/clean/bamboo_2/frame_0001.png\nnothing.png\n")
    words = ["evaluate", LIGHT, "--data", path, "--json"]
    root = tmp_path / "sintel" / "training"
    assert "--strict: excluded pairs: 1; entries of the list of bad files that name no file: nothing.png" in error(
        run, *words, "--strict"
    )
    (root / "clean" / "alley_1" / "frame_0003.png").unlink()
    put_flo(root / "flow" / "mine" / "frame_0001.flo", flow(1))
    result = call(run, *words)
    record = json.loads(result.stdout)
    assert record["left_out"] == {
        "incomplete_pairs": 1,
        "missing_files": ["training/clean/alley_1/frame_0003.png"],
        "excluded_pairs": 1,
        "unmatched_exclusions": ["nothing.png"],
        "ignored": ["training/flow/mine"],
    }
    said = " ".join(result.stderr.split())
    assert "names are not of the official sintel (1): training/flow/mine" in said
    assert record["data_set"]["root"] == str(tmp_path / "sintel") and record["fingerprint"]["pairs"] == 2
    assert record["architectures"][0]["weights_sha256"] == checkpoint.digest(run.supernet_weights())
    said = error(run, *words, "--strict")
    assert "pairs with missing files: 1 (training/clean/alley_1/frame_0003.png)" in said and "official layout: " in said

    before = record["fingerprint"]
    put_flo(root / "flow" / "alley_1" / "frame_0001.flo", flow(7))
    assert json.loads(call(run, *words).stdout)["fingerprint"] != before
    whole = data_file(tmp_path / "whole", "kitti2012")
    record = json.loads(call(run, "evaluate", LIGHT, "--data", whole, "--json", "--strict").stdout)
    assert not any(record["left_out"].values()) and record["available_pairs"] == 4
    own = json.loads(call(run, "evaluate", LIGHT, "--json", "--strict").stdout)
    assert own["left_out"] is None and own["data_set"] == run.config.data.model_dump()


def test_names_of_any_bytes_are_scored_saved_and_quoted(run, tmp_path):
    path = write_list_of(tmp_path, NAMES)
    record, _, rows = evaluate_saved(run, tmp_path, "--data", path)
    shown = [f"scene/{name}".replace("\udce9", r"\xe9") for name in NAMES]
    assert [shlex.split(row["files"])[0] for row in rows] == shown and record["labelled_pairs"] == len(NAMES)
    assert all("scene" in row["saved"] and row["epe"] for row in rows)
    folder = next(tmp_path.glob("out*")) / f"{LIGHT}_0"
    assert {path.stem for path in folder.glob("*.flo")} == {row["saved"] for row in rows}
    assert "caf" in call(run, "evaluate", LIGHT, "--data", path, "--dry-run").stdout


def test_names_with_line_breaks_are_quoted_in_the_table_of_pairs(tmp_path):
    names = ("a\nb.png", 'c",d.png', "e f.flo")
    write_pairs(tmp_path / "pairs.csv", ["00000_a"], [(names, None)])
    with (tmp_path / "pairs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(shlex.split(row["files"])) == names and row["epe"] == ""
