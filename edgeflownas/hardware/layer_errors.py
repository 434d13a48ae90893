"""Errors of the activations of a quantised network, layer by layer, compared with the float32 network."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np

from edgeflownas.hardware.export import quantise
from edgeflownas.hardware.networks import TrainedNetwork
from edgeflownas.network.build import (
    CURRENT,
    Activations,
    FixedNorm,
    accumulate_flow,
    apply_stage,
    convolve_plain,
    follow_stage,
    normalise_images,
)
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton
from edgeflownas.tf_runtime.lite import open_interpreter
from edgeflownas.tf_runtime.stack import tf


class LayerError(NamedTuple):
    """Error of the output of a layer.

    Attributes:
        layer: Name of the stage, or "flow 1/N" for the accumulated flow at a scale.
        error: Root mean square of the error, as a fraction of the root mean square of the float32 output.
        increase: Difference between this error and the largest error of the layer's inputs.
    """

    layer: str
    error: float
    increase: float


class _Output(NamedTuple):
    """Output of a layer, and the names of the layers whose outputs are its inputs."""

    tensor: tf.Tensor
    inputs: Sequence[str]


def measure_layer_errors(
    skeleton: Skeleton, architecture: Sequence[int], network: TrainedNetwork, images: np.ndarray
) -> List[LayerError]:
    """Return the error of every layer's output, in the order in which the layers run.

    An error includes those of the layers before it. It is measured on a copy of the exported network with additional
    outputs, in which an integer may differ by rounding from that in the exported network.

    Args:
        skeleton: Definition of the network.
        architecture: One option per gene.
        network: Weights, statistics and representative images; the statistics must be given.
        images: Images on which errors are measured, uint8, shape [N, H, W, 6].
    """
    height, width = images.shape[1:3]
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.uint8, [1, height, width, IMAGE_CHANNELS])
        normalised = normalise_images(pixels)
        x = tf.placeholder(tf.float32, [1, height, width, IMAGE_CHANNELS], name="images")
        outputs = _build_outputs(skeleton, architecture, network, x)
        with tf.Session(graph=graph) as session:
            tensors = [output.tensor for output in outputs.values()]
            interpreter = open_interpreter(quantise(session, x, tensors, network.images, False))
            errors, powers = np.zeros(len(tensors)), np.zeros(len(tensors))
            for image in images:
                values = session.run(normalised, {pixels: image[None]})
                expected = session.run(tensors, {x: values})
                for place, (real, found) in enumerate(zip(expected, _run(interpreter, values))):
                    errors[place] += np.square(found - real, dtype=np.float64).sum()
                    powers[place] += np.square(real, dtype=np.float64).sum()
    relative = dict(zip(outputs, np.sqrt(errors / np.where(powers > 0, powers, 1.0)).tolist()))
    return [
        LayerError(name, relative[name], relative[name] - max((relative[one] for one in output.inputs), default=0.0))
        for name, output in outputs.items()
    ]


def _build_outputs(
    skeleton: Skeleton, architecture: Sequence[int], network: TrainedNetwork, x: tf.Tensor
) -> Dict[str, _Output]:
    """Return the output of each stage and the accumulated flow at each scale, by name."""
    assert network.statistics is not None
    constants = {name: tf.constant(network.weights[name]) for name in skeleton.parameters(architecture)}
    layer = FixedNorm(constants, network.statistics, convolve_plain)
    outputs: Dict[str, _Output] = {}
    flows: Dict[str, tf.Tensor] = {}
    inputs: Activations = {CURRENT: x}
    before: List[str] = []
    for stage, option in skeleton.route(architecture):
        y = apply_stage(skeleton, stage, option, inputs, layer)
        outputs[stage.name] = _Output(y, before)
        if not stage.is_flow:
            inputs, before = follow_stage(skeleton, stage, inputs, y), [stage.name]
            continue
        flow, coarser = accumulate_flow(list(flows.values()), y), list(flows)[-1:]
        name = f"flow 1/{int(x.shape[1]) // int(flow.shape[1])}" if coarser else stage.name
        flows[name] = flow
        if coarser:
            outputs[name] = _Output(flow, [*coarser, stage.name])
    return outputs


def _run(interpreter: tf.lite.Interpreter, values: np.ndarray) -> List[np.ndarray]:
    """Return all outputs for an input, in the order in which the network lists them."""
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
