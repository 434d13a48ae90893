from pathlib import Path
from typing import Any, List

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.hardware.export import export
from edgeflownas.hardware.layers import part_of
from edgeflownas.hardware.networks import random_network
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.hardware.vela import Vela
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.tf_runtime.stack import MODERN, tf
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove
from tests.small import SHIPPED, evaluation_data, weights_for

Network = Any  # skeleton, architecture, weights, statistics, images, flow


@pytest.fixture(scope="module")
def trained() -> Network:
    """An architecture of the full space with uneven weights, recalibrated statistics and its float prediction."""
    skeleton = default_skeleton(4)
    architecture = Space.from_skeleton(skeleton).parse("102010201")
    weights = weights_for(skeleton)
    data = evaluation_data()
    child = ChildEvaluator(skeleton, architecture, data, threads=1)
    statistics = child.recalibrate(weights)
    images = data.validation[0].images
    flow = child.predict(weights, statistics, images)
    return skeleton, architecture, weights, statistics, images, flow


@pytest.mark.parametrize("int8_io", [True, False])
def test_quantised_network_approximates_the_float_network(trained: Network, int8_io: bool) -> None:
    skeleton, architecture, weights, statistics, images, expected = trained
    model = export(skeleton, architecture, weights, statistics, images, int8_io)
    interpreter = tf.lite.Interpreter(model_content=model)
    tensors = [interpreter.get_input_details()[0], interpreter.get_output_details()[0]]
    dtype = np.int8 if int8_io else np.float32
    assert [(tensor["name"], tensor["dtype"]) for tensor in tensors] == [("images", dtype), ("flow", dtype)]
    quantised = QuantisedNetwork(model)
    assert bool(quantised.input.scale) == bool(quantised.output.scale) == int8_io
    predicted = np.stack([quantised.predict(image) for image in images])
    assert predicted.shape == expected.shape
    error = np.sqrt(np.mean(np.square(predicted - expected)) / np.var(expected))
    # 18 layers of 8-bit rounding: 0.14 with TensorFlow 1.15, 0.18 with 2.21; about 1 if a BN is folded incorrectly.
    assert error < 0.2


@pytest.mark.parametrize(("name", "digits"), [("edgeflownet_bilinear_11", "22000011111"), ("edgeflownet", "0")])
def test_all_operations_are_quantised(name: str, digits: str) -> None:
    skeleton, data = Skeleton(4, SHIPPED[name]), evaluation_data()
    architecture = Space.from_skeleton(skeleton).parse(digits)
    weights, images = weights_for(skeleton), data.validation[0].images
    child = ChildEvaluator(skeleton, architecture, data, threads=1)
    statistics = child.recalibrate(weights)
    if name == "edgeflownet" and not MODERN:
        with pytest.raises(InputError, match="stage DB0: TensorFlow 1.15.* cannot quantise transposed convolutions"):
            export(skeleton, architecture, weights, statistics, images, int8_io=True)
        return
    expected = child.predict(weights, statistics, images)
    quantised = QuantisedNetwork(export(skeleton, architecture, weights, statistics, images, int8_io=True))
    predicted = np.stack([quantised.predict(image) for image in images])
    error = np.sqrt(np.mean(np.square(predicted - expected)) / np.var(expected))
    assert error < 0.25  # 0.17 and 0.05 with TensorFlow 2.21


def test_epe_of_the_quantised_network_is_averaged_over_all_valid_pixels(trained: Network) -> None:
    skeleton, architecture, weights, statistics, images, _ = trained
    quantised = QuantisedNetwork(export(skeleton, architecture, weights, statistics, images, int8_io=True))
    batches = evaluation_data().validation
    done: List[int] = []
    total = pixels = 0.0
    for batch in batches:
        flow = np.stack([quantised.predict(image) for image in batch.images])
        valid = batch.valid[..., 0] > 0
        total += np.sqrt(np.square(flow[..., :2] - batch.flow).sum(-1))[valid].sum()
        pixels += valid.sum()
    assert quantised.epe(batches, lambda: done.append(1)) == pytest.approx(total / pixels, rel=1e-6)
    assert len(done) == sum(len(batch.images) for batch in batches)


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
    parts = [part_of(layer) for layer in compiled.layers]
    assert set(parts) == {stage.name for stage in skeleton.stages} | {"accumulation"}
    for stage, option in skeleton.route(architecture):
        members = [layer for layer in compiled.layers if part_of(layer) == stage.name and layer.operator == "Conv2D"]
        assert len({layer.name.replace("_act", "") for layer in members}) == len(skeleton.convolutions(stage, option))


def test_cpu_converts_float_input_and_output_only(tmp_path: Path) -> None:
    model = export(TINY, (2, 1), *random_network(TINY, HEIGHT, WIDTH), int8_io=False)
    compiled = Vela(VELA, 120.0).compile("network", model, grove(), tmp_path)
    on_cpu = [layer.operator for layer in compiled.layers if layer.target == "CPU"]
    assert on_cpu == ["Quantize", "Dequantize"]


@pytest.mark.parametrize("part", ["weights", "statistics"])
def test_non_finite_tensor_is_not_exported(part: str) -> None:
    weights, _, images = random_network(TINY, HEIGHT, WIDTH)
    statistics = {name[: -len("/gamma")]: (value, value) for name, value in weights.items() if name.endswith("/gamma")}
    if part == "weights":
        weights["Out/0/kernel"][0, 0, 0, 0] = np.nan
    else:
        statistics["E0/bn"] = (statistics["E0/bn"][0] + np.inf, statistics["E0/bn"][1])
    with pytest.raises(FloatingPointError, match="Out/0/kernel|E0/bn"):
        export(TINY, (0, 0), weights, statistics, images, int8_io=True)
