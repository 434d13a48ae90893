import json
from pathlib import Path
from typing import Any, Tuple

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.exported import choose_size, open_exported
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.quantised import QuantisedNetwork
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, WIDTH


@pytest.fixture(scope="module")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "network.tflite"
    path.write_bytes(Networks(TINY, HEIGHT, WIDTH).export((0, 0), int8_io=True))
    return path


def test_opened_network_predicts_padded_frames(network_file: Path) -> None:
    network = open_exported(network_file)
    assert network.size == (HEIGHT, WIDTH) and network.channels == (6, 4)
    images = np.random.default_rng(0).integers(0, 256, (HEIGHT - 5, WIDTH - 3, 6)).astype(np.uint8)
    padded = np.pad(images, ((0, 5), (0, 3), (0, 0)), mode="edge")
    expected = QuantisedNetwork(network_file.read_bytes()).predict(padded)[:-5, :-3, :2]
    np.testing.assert_array_equal(network.flow(images), expected)
    with pytest.raises(InputError, match="size 33x48: is larger than the input of the exported network, 32x48"):
        network.flow(np.zeros((33, 48, 6), np.uint8))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [((32, 48), None), ((20, 40), None), ((16, 48), (32, 48)), ((33, 48), (32, 48)), ((480, 640), (32, 48))],
)
def test_frames_that_almost_fill_the_input_are_padded_and_others_resized(
    network_file: Path, frames: Tuple[int, int], expected: Any
) -> None:
    assert choose_size(network_file, open_exported(network_file), frames) == expected


def test_frames_for_a_bundle_get_the_size_that_it_records(network_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(network_file.read_bytes())
    (tmp_path / "io.json").write_text(json.dumps({"output": {"crop": {"rows": [0, 30], "columns": [0, 44]}}}))
    assert choose_size(path, open_exported(path), (32, 48)) == (30, 44)
    (tmp_path / "io.json").write_text(json.dumps({"output": {}}))
    with pytest.raises(InputError, match=r"io.json: does not describe an exported network"):
        choose_size(path, open_exported(path), (32, 48))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; `export` writes networks"),
        (b"text", "is not a TFLite file"),
        (b"\x1c\0\0\0TFL3" + bytes(60), "cannot be run on this CPU"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "other.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_exported(path)
