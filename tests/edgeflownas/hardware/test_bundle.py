import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.bundle import Export, write_bundle
from edgeflownas.hardware.micro import run_in_micro
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.tf_runtime.stack import MODERN
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, WIDTH, grove

SIZE = (HEIGHT - 3, WIDTH - 2)
PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include "network.h"
int main(void) {
  printf("%d %u %d %d\\n", (int)((uintptr_t)edgeflownet_network % 16), (unsigned)sizeof edgeflownet_network,
         EDGEFLOWNET_ARENA_BYTES, EDGEFLOWNET_HEIGHT * EDGEFLOWNET_WIDTH);
  fwrite(edgeflownet_network, 1, sizeof edgeflownet_network, stdout);
  return 0;
}
"""


@pytest.fixture(scope="module")
def model() -> bytes:
    networks = Networks(TINY, HEIGHT, WIDTH)
    return networks.export((0,) * len(networks.space.genes), int8_io=True)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 6)).astype(np.uint8)


@pytest.fixture
def bundle(tmp_path: Path, model: bytes, samples: np.ndarray) -> Path:
    folder = tmp_path / "bundle"
    export = Export("00", model, b"compiled", 100.2, SIZE, (HEIGHT, WIDTH), {"vela": "5.2.0", "board": "Grove"})
    paths = write_bundle(folder, export, grove(), samples)
    assert sorted(paths) == sorted(folder.iterdir())
    return folder


def read_io(bundle: Path) -> Dict[str, Any]:
    description: Dict[str, Any] = json.loads((bundle / "io.json").read_text())
    return description


def test_io_description_suffices_to_reproduce_the_prediction(
    bundle: Path, model: bytes, samples: np.ndarray
) -> None:
    io = read_io(bundle)
    assert io["input"]["of_pixel"] == "pixel - 128"
    for images, names in zip(samples, io["samples"]):
        x = np.fromfile(str(bundle / names["input"]), np.int8).reshape(io["input"]["shape"])
        np.testing.assert_array_equal(x[0], images.astype(int) - 128)
        y = np.fromfile(str(bundle / names["output"]), np.int8).reshape(io["output"]["shape"])
        flow = io["output"]["scale"] * (y[0].astype(float) - io["output"]["zero_point"])
        np.testing.assert_allclose(flow, QuantisedNetwork(model, reference=True).predict(images), rtol=1e-5, atol=1e-6)
    assert io["output"]["crop"] == {"rows": [0, SIZE[0]], "columns": [0, SIZE[1]]}
    assert "3 rows at the bottom repeat their last row, and 2 columns" in io["input"]["padding"]


@pytest.mark.skipif(not MODERN, reason="tflite-micro does not exist for Python 3.7")
def test_samples_equal_those_of_tensorflow_lite_micro(bundle: Path, model: bytes) -> None:
    io = read_io(bundle)
    inputs = [np.fromfile(str(bundle / names["input"]), np.int8) for names in io["samples"]]
    micro = run_in_micro(model, [x.reshape(io["input"]["shape"][1:]) for x in inputs])
    assert micro is not None
    for names, output in zip(io["samples"], micro.outputs):
        assert output.tobytes() == (bundle / names["output"]).read_bytes()
    assert micro.arena_bytes > HEIGHT * WIDTH * 6
    assert f"gave the same bytes, in an arena of {micro.arena_bytes} bytes" in (bundle / "README.md").read_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler (gcc)")
def test_header_compiles_to_the_aligned_network(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    program = str(tmp_path / "main")
    subprocess.run(["gcc", *warnings, f"-I{bundle}", str(tmp_path / "main.c"), "-o", program], check=True)
    line, content = subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout.split(b"\n", 1)
    # The peak of 100.2 KiB is rounded up, and 2 KiB are added.
    assert [int(word) for word in line.split()] == [0, len(b"compiled"), 103 * 1024, HEIGHT * WIDTH]
    assert content == (bundle / "network_vela.tflite").read_bytes() == b"compiled"


def test_bundle_is_not_mixed_with_other_files(bundle: Path, model: bytes, samples: np.ndarray) -> None:
    export = Export("00", model, b"", 100.0, SIZE, (HEIGHT, WIDTH), {"vela": "5.2.0", "board": "Grove"})
    with pytest.raises(InputError, match="is not empty; choose a new folder"):
        write_bundle(bundle, export, grove(), samples)


def test_every_pixel_value_has_its_own_integer(model: bytes) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(QuantisedNetwork(model).quantise(pixels), np.arange(-128, 128))


def test_float_network_takes_normalised_images() -> None:
    networks = Networks(TINY, HEIGHT, WIDTH)
    network = QuantisedNetwork(networks.export((0,) * len(networks.space.genes), int8_io=False))
    np.testing.assert_allclose(network.quantise(np.array([0, 255], np.uint8)), [-1.0, 1.0])
