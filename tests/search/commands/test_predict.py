"""``predict`` as a user calls it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeflownas.data.formats import read_flow, read_image, write_image
from edgeflownas.evaluation.prediction import FlowPredictor
from edgeflownas.evaluation.recalibration import statistics_to_tensors
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint
from search.run import Run
from search.workers.predictors import calibration_images, open_predictor
from tests.search.commands.calls import parse_record, run_program
from tests.search.commands.tasks import make_task
from tests.search.stand_ins import CONFIG
from tests.small import weights_for

TINY = CONFIG.with_name("tiny.yaml")
ARCHITECTURE = "102010201"
HEIGHT, WIDTH = 40, 70


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "supernet.h5"
    checkpoint.save(path, weights_for(default_skeleton(4)), {})
    return path


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for name in ("a", "b", "c"):
        write_image(folder / f"{name}.png", rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8))
    return folder


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    monkeypatch.chdir(CONFIG.parents[1])

    def run(*words: object, output: str = "flow") -> Any:
        return run_program(monkeypatch, capsys, "predict", *words, "--output", tmp_path / output)

    return run


def load_images(frames: Path, first: str, second: str) -> np.ndarray:
    return np.concatenate([read_image(frames / f"{name}.png") for name in (first, second)], axis=-1)


def test_flow_of_a_supernets_architecture_is_that_of_its_predictor(
    call: Any, weights: Path, frames: Path, tmp_path: Path
) -> None:
    words = (ARCHITECTURE, frames / "a.png", frames / "b.png", "--config", TINY, "--weights", weights)
    record = parse_record(call(*words, "--json"))
    run = Run.open(TINY)
    architecture = run.space.parse(ARCHITECTURE)
    predictor = open_predictor(run, architecture, run.load_tensors(weights), calibration_images(run))
    flow, valid = read_flow(tmp_path / "flow/a.flo")
    np.testing.assert_array_equal(flow, predictor.flow(load_images(frames, "a", "b")))
    kitti, _ = read_flow(tmp_path / "flow/a_kitti.png")
    np.testing.assert_allclose(kitti, flow, atol=1 / 128)
    assert valid.all() and record["frame_size"] == record["network_size"] == [HEIGHT, WIDTH]
    assert record["statistics"] == "recomputed from 32 training pairs of the run"
    assert record["pairs"][0]["longest"] == pytest.approx(np.linalg.norm(flow, axis=-1).max())
    assert record["animation"] is None and record["board"]["size"] == [32, 48] and record["fps"] > 0
    names = sorted(path.name for path in (tmp_path / "flow").iterdir())
    assert names == ["a.flo", "a_flow.png", "a_kitti.png", "prediction.json"]
    text = call(*words)[1]
    assert "BN statistics: recomputed from 32 training pairs of the run" in text and " FPS" in text
    assert f"Weights: {weights} (sha256 {record['weights_sha256']:.12})" in text


def test_statistics_stored_with_the_weights_are_used(call: Any, frames: Path, tmp_path: Path) -> None:
    skeleton = default_skeleton(4)
    tensors, architecture = weights_for(skeleton), Run.open(TINY).space.parse(ARCHITECTURE)
    rng = np.random.default_rng(1)
    statistics = {
        name[: -len("/gamma")]: (rng.normal(size=value.shape).astype(np.float32), np.ones(value.shape, np.float32))
        for name, value in tensors.items()
        if name.endswith("/gamma")
    }
    path = tmp_path / "child.h5"
    checkpoint.save(path, {**tensors, **statistics_to_tensors(statistics)}, {})
    options = ("--config", TINY, "--weights", path, "--json")
    record = parse_record(call(ARCHITECTURE, frames / "a.png", frames / "b.png", *options))
    assert record["statistics"] == "stored with the weights"
    predictor = FlowPredictor(skeleton, architecture, tensors, statistics, threads=1)
    expected = predictor.flow(load_images(frames, "a", "b"))
    np.testing.assert_array_equal(read_flow(tmp_path / "flow/a.flo")[0], expected)
    make_task(Run.open(TINY, tmp_path / "run"), ARCHITECTURE, {**tensors, **statistics_to_tensors(statistics)})
    of_task = ("--config", TINY, "--run", tmp_path / "run", "--task", 0, "--json")
    record = parse_record(call(frames / "a.png", frames / "b.png", *of_task, output="task"))
    assert (record["architecture"], record["task"]) == (ARCHITECTURE, 0)
    np.testing.assert_array_equal(read_flow(tmp_path / "task/a.flo")[0], expected)


def test_exported_network_needs_no_configuration_and_resizes_a_folder_of_frames(
    call: Any, frames: Path, tmp_path: Path
) -> None:
    skeleton = default_skeleton(4)
    path = tmp_path / "small.tflite"
    path.write_bytes(Networks(skeleton, 32, 48).export(Run.open(TINY).space.parse(ARCHITECTURE), int8_io=True))
    record = parse_record(call(path, frames, "--arrows", "--animation", "gif", "--json"))
    assert record["frame_size"] == [HEIGHT, WIDTH] and record["network_size"] == [32, 48]
    assert (record["arithmetic"], record["statistics"]) == ("int8", "part of the exported network")
    assert [pair["name"] for pair in record["pairs"]] == ["a", "b"] and "board" not in record
    assert Path(record["animation"]).name == "animation.gif" and Path(record["animation"]).exists()
    network = QuantisedNetwork(path.read_bytes())
    fits = read_image(frames / "a.png")[:32, :48], read_image(frames / "b.png")[:32, :48]
    for name, image in zip("xy", fits):
        write_image(tmp_path / f"{name}.png", image)
    parse_record(call(path, tmp_path / "x.png", tmp_path / "y.png", "--json", output="fitting"))
    flow, _ = read_flow(tmp_path / "fitting/x.flo")
    np.testing.assert_array_equal(flow, network.predict(np.concatenate(fits, axis=-1))[..., :2])


def test_size_resizes_the_frames_for_the_network(call: Any, weights: Path, frames: Path) -> None:
    words = (ARCHITECTURE, frames / "a.png", frames / "b.png", "--config", TINY, "--weights", weights)
    record = parse_record(call(*words, "--size", "32x48", "--json"))
    assert record["frame_size"] == [HEIGHT, WIDTH] and record["network_size"] == [32, 48]
    assert "resized to 32x48 for the network" in call(*words, "--size", "32x48")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name an architecture, --task or a .tflite file, and then the frames"),
        ([ARCHITECTURE, "{frames}"], "an architecture or a task needs --config"),
        ([ARCHITECTURE, "{frames}", "--run", "somewhere"], "--run and --set require --config"),
        ([ARCHITECTURE, "{frames}/missing.png", "{frames}/a.png", "--config", TINY], "missing.png: does not exist"),
        (["n.tflite", "{frames}", "--config", TINY], "an exported network is complete; leave out --config"),
        (["n.tflite", "{frames}"], "n.tflite: cannot be read: No such file"),
        (["--task", 0, "{frames}", "--config", TINY, "--weights", "w.h5"], "a task has its own weights"),
        ([ARCHITECTURE, "{frames}", "--config", TINY, "--size", "32"], "is not a height and a width in pixels"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(call: Any, frames: Path, words: list, message: str) -> None:
    code, out, error = call(*(str(word).format(frames=frames) for word in words))
    assert code == 2 and out == "" and message in error and "Traceback" not in error


def test_a_folder_of_other_files_is_not_written_to(call: Any, frames: Path, tmp_path: Path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/a.flo").write_text("precious")
    code, _, error = call("n.tflite", frames)
    assert code == 2 and "contains files that are not a prediction; name another folder" in error
    assert (tmp_path / "flow/a.flo").read_text() == "precious"
