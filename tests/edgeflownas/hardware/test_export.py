from pathlib import Path
from typing import Any, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from edgeflownas.evaluation import ChildEvaluator
from edgeflownas.hardware.compiler import stand_in
from edgeflownas.hardware.export import export
from edgeflownas.hardware.vela import Vela
from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Space
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove
from tests.small import evaluation_data, weights_for

Network = Any  # skeleton, architecture, weights, statistics, images, flow


@pytest.fixture(scope="module")
def trained() -> Network:
    """An architecture of the full space with uneven weights and recalibrated statistics, and its float prediction."""
    skeleton = Skeleton(4)
    architecture = Space.of(skeleton).parse("102010201")
    weights = weights_for(skeleton)
    data = evaluation_data()
    child = ChildEvaluator(skeleton, architecture, data, threads=1)
    statistics = child.recalibrate(weights)
    images = data.validation[0].images
    flow = child.predict(weights, statistics, images)
    return skeleton, architecture, weights, statistics, images, flow


def run(model: bytes, images: np.ndarray) -> Tuple[Any, Any, np.ndarray]:
    """The TFLite interpreter's output for uint8 images, as real numbers."""
    interpreter = tf.lite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in images:
        x = image[None].astype(np.float32) / 127.5 - 1
        if entry["dtype"] == np.int8:
            scale, zero = entry["quantization"]
            x = np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(exit_["index"])
        if exit_["dtype"] == np.int8:
            scale, zero = exit_["quantization"]
            y = (y.astype(np.float32) - zero) * scale
        outputs.append(y[0])
    return entry, exit_, np.stack(outputs)


@pytest.mark.parametrize("int8_io", [True, False])
def test_quantised_network_predicts_what_the_float_network_does(trained: Network, int8_io: bool) -> None:
    skeleton, architecture, weights, statistics, images, expected = trained
    entry, exit_, found = run(export(skeleton, architecture, weights, statistics, images, int8_io), images)
    kind = np.int8 if int8_io else np.float32
    assert (entry["name"], entry["dtype"], exit_["name"], exit_["dtype"]) == ("images", kind, "flow", kind)
    assert found.shape == expected.shape
    error = np.sqrt(np.mean(np.square(found - expected)) / np.var(expected))
    assert error < 0.15  # 18 layers of 8-bit rounding; a BN that is not folded right gives about 1


def test_whole_network_runs_on_the_npu(trained: Network, tmp_path: Path) -> None:
    skeleton, architecture, weights, statistics, images, _ = trained
    model = export(skeleton, architecture, weights, statistics, images, int8_io=True)
    compiled = Vela(VELA, 120.0).compile("network", model, grove(), tmp_path)
    operators = [layer.operator for layer in compiled.layers]
    assert {layer.target for layer in compiled.layers} == {"NPU"}
    assert set(operators) == {"Conv2D", "ResizeBilinear", "Add"}
    convolutions = sum(len(skeleton.convolutions(*place)) for place in skeleton.route(architecture))
    named = {layer.name.replace("_act", "") for layer in compiled.layers if layer.operator == "Conv2D"}
    assert len(named) == convolutions


def test_float_ends_are_converted_on_the_cpu_and_nothing_else(tmp_path: Path) -> None:
    model = export(TINY, (2, 1), *stand_in(TINY, HEIGHT, WIDTH), int8_io=False)
    compiled = Vela(VELA, 120.0).compile("network", model, grove(), tmp_path)
    on_cpu = [layer.operator for layer in compiled.layers if layer.target == "CPU"]
    assert on_cpu == ["Quantize", "Dequantize"]


@pytest.mark.parametrize("part", ["weights", "statistics"])
def test_what_is_not_finite_is_not_exported(part: str) -> None:
    weights, statistics, images = stand_in(TINY, HEIGHT, WIDTH)
    if part == "weights":
        weights["Out/0/kernel"][0, 0, 0, 0] = np.nan
    else:
        statistics["E0/bn"] = (statistics["E0/bn"][0] + np.inf, statistics["E0/bn"][1])
    with pytest.raises(FloatingPointError, match="Out/0/kernel|E0/bn"):
        export(TINY, (0, 0), weights, statistics, images, int8_io=True)
