"""``export`` as a user calls it, on random weights."""

import json
import re
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest
import yaml

from edgeflownas.config import DeployConfig
from edgeflownas.evaluation.recalibration import statistics_to_tensors
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint
from search.queue.deployment import Deployment
from search.queue.queue import Queue
from search.run import Run
from tests.edgeflownas.data.written import WRITERS, put_flo
from tests.search.commands.calls import parse_record, run_program
from tests.search.commands.tasks import make_task
from tests.search.stand_ins import CONFIG
from tests.small import weights_for

TINY = CONFIG.with_name("tiny.yaml")
ARCHITECTURE = "102010201"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "supernet.h5"
    checkpoint.save(path, weights_for(default_skeleton(4)), {})
    return path


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    monkeypatch.chdir(CONFIG.parents[1])

    def run(*words: str) -> Any:
        options = ["--config", TINY, "--run", tmp_path, "--pairs", 3]
        return run_program(monkeypatch, capsys, "export", *options, *words)

    return run


def test_export_writes_both_files_and_compares_int8_with_float32(call: Any, weights: Path, tmp_path: Path) -> None:
    record = parse_record(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert record["on_cpu"] == []
    assert record["source"] == "compiled"
    assert record["settings"].startswith("Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2")
    for name in ("epe_float32", "epe_int8", "zero_flow_epe"):
        assert 0 < record[name] < 1000
    assert record["epe_int8"] != record["epe_float32"]
    assert record["epe_int8"] == pytest.approx(record["epe_float32"], rel=0.2)
    assert record["input"]["scale"] > 0
    name = f"{ARCHITECTURE}_32x48_supernet_{record['weights_sha256'][:8]}_int8_ends"
    assert record["network"] == str(tmp_path / "export" / f"{name}.tflite") and record["size"] == [32, 48]
    model = Path(record["network"]).read_bytes()
    assert QuantisedNetwork(model).predict(np.zeros((32, 48, 6), np.uint8)).shape == (32, 48, 4)
    assert b"ethos-u" in Path(record["compiled"]).read_bytes()
    assert json.loads(Path(record["record"]).read_text()) == record
    again = parse_record(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert Path(record["network"]).read_bytes() == model
    assert again == record
    assert len(list((tmp_path / "export").iterdir())) == 3


def test_bundle_is_written_beside_the_record(call: Any, weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    record = parse_record(call(ARCHITECTURE, "--weights", str(weights), "--json", "--bundle", str(folder)))
    assert record["bundle"] == str(folder)
    assert (folder / "network_vela.tflite").read_bytes() == Path(record["compiled"]).read_bytes()
    io = json.loads((folder / "io.json").read_text())
    assert (io["architecture"], io["vela"], io["fps"]) == (ARCHITECTURE, "5.2.0", record["fps"])
    assert io["weights_sha256"] == record["weights_sha256"]
    assert io["input"]["shape"] == [1, 32, 48, 6] and len(io["samples"]) == 2
    code, _, error = call(ARCHITECTURE, "--weights", str(weights), "--bundle", str(folder))
    assert code == 2 and f"{folder}: is not empty; choose a new folder" in error


def test_float_input_and_output_are_reported_to_run_on_the_cpu(call: Any, weights: Path) -> None:
    code, out, error = call(ARCHITECTURE, "--weights", str(weights), "--float-io")
    assert code == 0, error
    # TensorFlow 2 gives these operators other names.
    assert re.search(r"On the CPU, whose time FPS and ms do not include: Quantize \S+, Dequantize \S+", out)
    assert "float32 input/output" in out
    assert "fits into the arena of 1432.0 KiB" in out


def test_retrained_child_keeps_its_bn_statistics(call: Any, weights: Path, tmp_path: Path) -> None:
    skeleton = default_skeleton(4)
    tensors, _ = checkpoint.load(weights)
    architecture = tuple(int(digit) for digit in ARCHITECTURE)
    own = {name: tensors[name] for name in skeleton.parameters(architecture)}
    norms = [name[: -len("/gamma")] for name in own if name.endswith("/gamma")]
    statistics = {name: (own[f"{name}/beta"] * 0 + 0.1, own[f"{name}/beta"] * 0 + 2.0) for name in norms}
    child = tmp_path / "child.h5"
    checkpoint.save(child, {**own, **statistics_to_tensors(statistics)}, {})
    kept = parse_record(call(ARCHITECTURE, "--weights", str(child), "--json"))
    recalibrated = parse_record(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert kept["epe_float32"] != recalibrated["epe_float32"]
    assert kept["latency_ms"] == recalibrated["latency_ms"]
    code, _, error = call("000000000", "--weights", str(child))
    assert code == 2 and "do not fit architecture 000000000" in error


def test_exports_of_other_weights_sizes_and_tasks_do_not_replace_each_other(
    call: Any, weights: Path, tmp_path: Path
) -> None:
    tensors, _ = checkpoint.load(weights)
    changed = {name: value * np.float32(1.1) for name, value in tensors.items()}
    checkpoint.save(tmp_path / "other" / "supernet.h5", changed, {})  # of the same name
    make_task(Run.open(TINY, tmp_path), ARCHITECTURE, tensors)
    size = ["--set", "data.height=48", "--set", "data.width=64"]
    records = [
        parse_record(call(*words, "--json"))
        for words in (
            [ARCHITECTURE, "--weights", str(weights)],
            [ARCHITECTURE, "--weights", str(weights), *size],
            [ARCHITECTURE, "--weights", str(tmp_path / "other" / "supernet.h5")],
            ["--task", "0"],
        )
    ]
    networks = [Path(record["network"]) for record in records]
    assert len(set(networks)) == len({path.read_bytes() for path in networks[:3]}) + 1 == 4
    assert [path.name.split("_")[1:3] for path in networks] == [
        ["32x48", "supernet"], ["48x64", "supernet"], ["32x48", "supernet"], ["32x48", "task000"],
    ]  # fmt: skip
    assert records[3]["task"] == 0 and records[3]["architecture"] == ARCHITECTURE
    networks[0].write_bytes(b"a network with other ranges")
    code, _, said = call(ARCHITECTURE, "--weights", str(weights))
    assert code == 2 and f"{networks[0]}: contains a different network; remove it, or choose a different folder" in said


def test_exported_network_is_the_one_that_collect_scores(call: Any, weights: Path, tmp_path: Path) -> None:
    skeleton = default_skeleton(4)
    tensors, _ = checkpoint.load(weights)
    norms = [name[: -len("/gamma")] for name in tensors if name.endswith("/gamma")]
    statistics = {name: (tensors[f"{name}/beta"] * 0 + 0.1, tensors[f"{name}/beta"] * 0 + 2.0) for name in norms}
    own = {name: tensors[name] for name in skeleton.parameters(tuple(map(int, ARCHITECTURE)))}
    kept = {name: value for name, value in statistics.items() if f"{name}/gamma" in own}
    deploy: Dict[str, Any] = {"height": 40, "width": 60, "pairs": 2, "calibration_pairs": 5, "trim": 0.25}
    run = Run.open(TINY, tmp_path)
    make_task(run, ARCHITECTURE, {**own, **statistics_to_tensors(kept)})
    task = Queue(run.queue_folder).task(0)
    child, _ = checkpoint.load(task.paths.best)
    scored = Deployment(DeployConfig(**deploy), task.config, True).score(task, child)
    folder = tmp_path / "firmware"
    words = [word for key, value in deploy.items() for word in ("--set", f"deploy.{key}={value}")]
    record = parse_record(call("--task", "0", "--json", "--bundle", str(folder), *words))
    assert record["size"] == [48, 64]
    assert record["epe_int8"] == pytest.approx(scored.int8_epe, rel=1e-9)
    assert record["epe_float32"] == pytest.approx(scored.epe, rel=1e-6)
    assert json.loads((folder / "io.json").read_text())["input"]["shape"] == [1, 48, 64, 6]
    model = Path(record["network"]).read_bytes()
    for key, value in (("calibration_pairs", 1), ("trim", 0.5)):
        changed = [*words, "--set", f"deploy.{key}={value}", "--output", str(tmp_path / key)]
        assert Path(parse_record(call("--task", "0", "--json", *changed))["network"]).read_bytes() != model


def test_network_is_exported_where_the_pairs_have_no_motion(call: Any, weights: Path, tmp_path: Path) -> None:
    content = WRITERS["flyingchairs2"](tmp_path / "set")
    for number, value in ((0, 0.0), (1, 1e10)):
        put_flo(tmp_path / "set" / "val" / f"{number:07d}-flow_01.flo", np.full((40, 60, 2), value, np.float32))
    config = yaml.safe_load(TINY.read_text())
    config["data"] = {**content, "height": 32, "width": 48}
    config["evaluation"] = {**config.get("evaluation", {}), "calibration_pairs": 3, "val_pairs": 0}
    path = tmp_path / "static.yaml"
    path.write_text(yaml.safe_dump(config))
    words = [ARCHITECTURE, "--weights", str(weights), "--config", str(path), "--json"]
    record = parse_record(call(*words))
    assert record["epe_float32"] > 0 and record["epe_int8"] > 0 and record["zero_flow_epe"] is None
    put_flo(tmp_path / "set" / "val" / "0000000-flow_01.flo", np.full((40, 60, 2), 1e10, np.float32))
    record = parse_record(call(*words))
    assert [record[key] for key in ("epe_float32", "epe_int8", "zero_flow_epe")] == [None] * 3 and record["fps"] > 0
    code, out, _ = call(*words[:-1])
    assert code == 0 and "EPE n/a in float32, n/a in int8; zero flow n/a" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name an architecture, perhaps with --weights, or a task"),
        ([ARCHITECTURE, "--task", "1"], "name an architecture, perhaps with --weights, or a task"),
        (["10201020"], "architecture '10201020': must be 9 digits"),
        ([ARCHITECTURE], "weights .*supernet/best.h5: no such file"),
        ([ARCHITECTURE, "--set", "hardware.vela=nowhere"], "vela nowhere: no such program; install it"),
        ([ARCHITECTURE, "--board", "nowhere.yaml"], "board nowhere.yaml: cannot be read"),
    ],
)
def test_missing_input_is_reported_in_one_line(call: Any, words: Any, message: str) -> None:
    code, _, error = call(*words)
    assert code == 2
    (line,) = error.splitlines()
    assert line.startswith("edgeflownas-search: ")
    assert re.search(message, line)
