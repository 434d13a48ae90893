from pathlib import Path
from typing import Dict

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Cost, Network
from edgeflownas.hardware.measured import NO_MEASUREMENTS, Line, MeasuredFile, Measurement, Measurements, read_latencies
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, WIDTH, grove

SPACE = Space.from_skeleton(default_skeleton(4))
PREDICTED = Cost(50.0, 20.0, 100.0, 5e6, "predicted")
COMPILED = Cost(40.0, 25.0, 100.0, 5e6, "compiled")


def measure(points: Dict[float, float]) -> Dict[str, Measurement]:
    """Return measurements of architectures with the given known and measured latencies."""
    return {
        f"{index:02}": Measurement(latency_ms=[measured], known_ms=known, known_source="compiled")
        for index, (known, measured) in enumerate(points.items())
    }


def make(architectures: Dict[str, Measurement], correct: bool = False) -> Measurements:
    network = Network.of(TINY, HEIGHT, WIDTH)
    return Measurements(
        MeasuredFile(board=grove().description(), network=network, correct=correct, architectures=architectures)
    )


def test_line_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    known = rng.uniform(3, 9, 12)
    measured = 1.1 * known + 0.4 + rng.normal(0, 0.05, 12)
    line = Line.fit(measure(dict(zip(known.tolist(), measured.tolist()))))
    assert line is not None
    columns = np.stack([known, np.ones(12)], axis=1)
    (slope, offset), squares, _, _ = np.linalg.lstsq(columns, measured, rcond=None)
    assert line[:3] == pytest.approx((slope, offset, np.sqrt(squares[0] / 10)))
    assert line.points == 12
    assert line.correct(5.0) == pytest.approx(5 * slope + offset)


def test_line_needs_three_different_latencies() -> None:
    assert Line.fit(measure({1.0: 2.0, 2.0: 3.0})) is None
    same = {name: Measurement(latency_ms=[2.0], known_ms=1.0, known_source="compiled") for name in "abcd"}
    assert Line.fit(same) is None
    assert Line.fit(measure({1.0: 2.0, 2.0: 4.0, 3.0: 6.0})) == pytest.approx((2.0, 0.0, 0.0, 3), abs=1e-9)


def test_repeats_count_by_their_median() -> None:
    measurement = Measurement(latency_ms=[10.0, 11.0, 19.0], known_ms=9.9, known_source="compiled")
    assert measurement.median_ms == 11.0
    assert measurement.error_percent == pytest.approx(-10.0)
    assert measurement.spread_percent == pytest.approx(900 / 11)


def test_measured_comes_first_and_all_others_are_corrected_on_request() -> None:
    points = measure({1.0: 2.0, 2.0: 4.0, 3.0: 6.0})
    plain, correcting = make(points), make(points, correct=True)
    for measurements in (plain, correcting):
        for cost in (PREDICTED, COMPILED):
            best = measurements.prefer("01", cost)
            assert (best.source, best.latency_ms, best.fps) == ("measured", 4.0, 250.0)
            assert (best.sram_kib, best.npu_cycles) == (cost.sram_kib, cost.npu_cycles)
    for cost in (PREDICTED, COMPILED):
        assert plain.prefer("21", cost) is cost
        corrected = correcting.prefer("21", cost)
        assert corrected.source == "corrected"
        assert corrected.latency_ms == pytest.approx(2 * cost.latency_ms)
        assert corrected.fps == pytest.approx(cost.fps / 2)
        assert correcting.prefer("21", corrected) is corrected
    assert NO_MEASUREMENTS.prefer("01", PREDICTED) is PREDICTED


def test_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    measurements = make(measure({1.0: 2.0, 2.0: 4.0, 3.0: 6.5}), correct=True)
    measurements.save(tmp_path / "measured.json")
    assert Measurements.load(tmp_path / "measured.json").content == measurements.content
    text = (tmp_path / "measured.json").read_text()
    (tmp_path / "measured.json").write_text(text.replace("6.5", "6.6"))
    with pytest.raises(InputError, match="is damaged"):
        Measurements.load(tmp_path / "measured.json")


@pytest.mark.parametrize(
    "text",
    [
        "architecture,latency_ms\n000000000,4\n210012001,8\n000000000,5\n",
        "\ufeffArchitecture, FPS ,note\r\n000000000,250,a\r\n\r\n210012001,125,b\r\n000000000,200,\r\n",
        '"latency_ms","architecture"\n4,"000000000"\n8,"210012001"\n5,"000000000"',
    ],
)
def test_latencies_are_read_from_csv(tmp_path: Path, text: str) -> None:
    path = tmp_path / "measured.csv"
    path.write_bytes(text.encode())
    assert read_latencies(path, SPACE) == {"000000000": [4.0, 5.0], "210012001": [8.0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a column architecture, and a column latency_ms or fps"),
        ("architecture;latency_ms\n000000000;4\n", "separated by commas; its first line is 'architecture;latency_ms'"),
        ("architecture,latency_ms\n", "contains no measurements"),
        ("architecture,fps\n0,4\n", "line 2: .*a spreadsheet may have removed leading zeros"),
        ("architecture,fps\n000000003,4\n", "line 2: .*000000003"),
        ("architecture,fps\n000000000,4\n000000000,0\n", "line 3: fps is '0'; it must be a positive number"),
        ("architecture,fps\n000000000,1e-320\n", "line 2: fps is '1e-320'"),
        ("architecture,fps\n000000000,nan\n", "line 2: fps is 'nan'"),
        ("architecture,fps\n000000000\n", "line 2: fps is ''"),
        ('architecture,fps\n"000000000,4\n', "is not CSV"),
    ],
)
def test_invalid_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "measured.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_latencies(path, SPACE)
