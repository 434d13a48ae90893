"""``export`` as a user calls it, on random weights."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from edgeflownas.evaluation.recalibration import statistics_to_tensors
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.storage import checkpoint
from search import cli
from tests.search.stand_ins import CONFIG
from tests.small import weights_for

TINY = CONFIG.with_name("tiny.yaml")
ARCHITECTURE = "102010201"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "supernet.h5"
    checkpoint.save(path, weights_for(Skeleton(4)), {})
    return path


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    monkeypatch.chdir(CONFIG.parents[1])

    def run(*words: str) -> Any:
        argv = ["edgeflownas-search", "export", "--config", str(TINY), "--run", str(tmp_path), "--pairs", "3", *words]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


def result(outcome: Any) -> Dict[str, Any]:
    code, out, error = outcome
    assert code == 0, error
    record: Dict[str, Any] = json.loads(out)
    return record


def test_export_writes_both_files_and_compares_int8_with_float32(call: Any, weights: Path, tmp_path: Path) -> None:
    record = result(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert record["on_cpu"] == []
    assert record["source"] == "compiled"
    assert record["settings"].startswith("Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2")
    for name in ("epe_float32", "epe_int8", "zero_flow_epe"):
        assert 0 < record[name] < 1000
    assert record["epe_int8"] != record["epe_float32"]
    assert record["epe_int8"] == pytest.approx(record["epe_float32"], rel=0.2)
    assert record["input"]["scale"] > 0
    model = (tmp_path / "export" / f"{ARCHITECTURE}_int8_ends.tflite").read_bytes()
    assert str(tmp_path / "export" / f"{ARCHITECTURE}_int8_ends.tflite") == record["network"]
    assert QuantisedNetwork(model).predict(np.zeros((32, 48, 6), np.uint8)).shape == (32, 48, 4)
    assert b"ethos-u" in Path(record["compiled"]).read_bytes()
    assert json.loads(Path(record["record"]).read_text()) == record
    again = result(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert (tmp_path / "export" / f"{ARCHITECTURE}_int8_ends.tflite").read_bytes() == model
    assert again == record


def test_bundle_is_written_beside_the_record(call: Any, weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    record = result(call(ARCHITECTURE, "--weights", str(weights), "--json", "--bundle", str(folder)))
    assert record["bundle"] == str(folder)
    assert (folder / "network_vela.tflite").read_bytes() == Path(record["compiled"]).read_bytes()
    io = json.loads((folder / "io.json").read_text())
    assert (io["architecture"], io["vela"], io["fps"]) == (ARCHITECTURE, "5.2.0", record["fps"])
    assert io["input"]["shape"] == [1, 32, 48, 6] and len(io["samples"]) == 2
    code, _, error = call(ARCHITECTURE, "--weights", str(weights), "--bundle", str(folder))
    assert code == 2 and f"{folder}: is not empty; choose a new folder" in error


def test_float_input_and_output_are_reported_to_run_on_the_cpu(call: Any, weights: Path) -> None:
    code, out, error = call(ARCHITECTURE, "--weights", str(weights), "--float-io")
    assert code == 0, error
    # TensorFlow 2 gives these operators other names.
    assert re.search(r"On the CPU, whose time FPS and ms do not include: Quantize \S+, Dequantize \S+", out)
    assert "float32 input/output" in out
    assert "fits into the arena of 1689.6 KiB" in out


def test_retrained_child_keeps_its_bn_statistics(call: Any, weights: Path, tmp_path: Path) -> None:
    skeleton = Skeleton(4)
    tensors, _ = checkpoint.load(weights)
    architecture = tuple(int(digit) for digit in ARCHITECTURE)
    own = {name: tensors[name] for name in skeleton.parameters(architecture)}
    norms = [name[: -len("/gamma")] for name in own if name.endswith("/gamma")]
    statistics = {name: (own[f"{name}/beta"] * 0 + 0.1, own[f"{name}/beta"] * 0 + 2.0) for name in norms}
    child = tmp_path / "child.h5"
    checkpoint.save(child, {**own, **statistics_to_tensors(statistics)}, {})
    kept = result(call(ARCHITECTURE, "--weights", str(child), "--json"))
    recalibrated = result(call(ARCHITECTURE, "--weights", str(weights), "--json"))
    assert kept["epe_float32"] != recalibrated["epe_float32"]
    assert kept["latency_ms"] == recalibrated["latency_ms"]
    code, _, error = call("000000000", "--weights", str(child))
    assert code == 2 and "do not fit architecture 000000000" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
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
