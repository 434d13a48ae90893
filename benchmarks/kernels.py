"""Time the hand-written CPU kernels against TensorFlow's own, shape by shape.

    .venv/bin/python -m benchmarks.kernels --width 8 --height 64 --columns 96 --batch 8

Each distinct convolution of the supernet is run forward and backward on one thread with several methods: the built-in
convolution, gradients computed as forward convolutions, 2 x 2 pixels packed into channels, and, for convolutions of an
upsampled map, a merge with the upsampling. Methods take turns and processor time is counted, so that the ratios hold on
a busy machine.
The choices in ``edgeflownas/tf_runtime/kernels.py`` follow from these tables. Prints a table and writes
JSON.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.stack import describe_stack
from edgeflownas.network import convolution, normalisation, upsampling
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.operations import Convolution, Method
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime import kernels
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

EVERYTHING = 1 << 20  # more channels than any layer has
METHODS: Dict[str, kernels.Kernels] = {
    "built-in": kernels.BUILT_IN,
    "gradients": kernels.BUILT_IN._replace(convolves_gradients=True),
    "packed": kernels.BUILT_IN._replace(convolves_gradients=True, packed_outputs=EVERYTHING, packs_strides=True),
    "packed, built-in gradients": kernels.BUILT_IN._replace(packed_outputs=EVERYTHING, packs_strides=True),
}


class Shape(NamedTuple):
    """A convolution and the size of its input map."""

    kernel: int
    inputs: int
    outputs: int
    stride: int
    upsamples: bool
    height: int
    width: int


def list_shapes(skeleton: Skeleton, height: int, width: int) -> List[Shape]:
    """Return the distinct convolutions of the supernet on images of this size, in order."""
    shapes: Dict[Shape, None] = {}
    for stage in skeleton.stages:
        for option in range(len(stage.options)):
            for layer in skeleton.convolutions(stage, option):
                scale = skeleton.scale(stage) * (2 if layer.method is Method.UPSAMPLED else 1) // layer.stride
                shapes[_shape(layer, height // scale, width // scale)] = None
    return list(shapes)


def _shape(layer: Convolution, height: int, width: int) -> Shape:
    upsamples = layer.method is Method.UPSAMPLED
    return Shape(layer.kernel, layer.inputs, layer.outputs, layer.stride, upsamples, height, width)


def build_pass(shape: Shape, batch: int, method: kernels.Kernels) -> Callable[[], None]:
    """Return a function that runs the convolution and both gradients once, with one method."""
    for module in (convolution, normalisation, upsampling):
        module.FAST = method  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    with tf.Graph().as_default() as graph:
        x = tf.Variable(rng.standard_normal((batch, shape.height, shape.width, shape.inputs)).astype(np.float32))
        kernel = tf.Variable(
            rng.standard_normal((shape.kernel, shape.kernel, shape.inputs, shape.outputs)).astype(np.float32)
        )
        start = tf.identity(x)
        if shape.upsamples:
            y = upsampling.upsample_conv2d(start, kernel)
        else:
            y = convolution.conv2d(start, kernel, shape.stride)
        upstream = tf.ones(y.shape) * tf.reduce_sum(kernel)
        work = tf.group(y.op, *(gradient.op for gradient in tf.gradients(y, [start, kernel], upstream)))
        initialise = tf.global_variables_initializer()
    session = open_session(graph, threads=1)
    session.run(initialise)
    return lambda: session.run(work)


def list_methods(shape: Shape) -> Iterator[Tuple[str, kernels.Kernels]]:
    """Yield the methods that differ for a shape, with their names."""
    for name, method in METHODS.items():
        if shape.stride == 1 or "gradients" not in name or name.startswith("packed"):
            yield name, method
    if shape.upsamples:
        for name in ("built-in", "gradients"):
            yield f"merged, {name}", METHODS[name]._replace(merged_outputs=EVERYTHING)


def measure(shape: Shape, batch: int, rounds: int) -> Dict[str, float]:
    """Return the median processor time of a pass in milliseconds, by method."""
    passes = {name: build_pass(shape, batch, method) for name, method in list_methods(shape)}
    times: Dict[str, List[float]] = {name: [] for name in passes}
    for number in range(rounds + 1):
        for name, run in passes.items():
            start = time.process_time()
            run()
            if number:
                times[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8, help="base width c")
    parser.add_argument("--height", type=int, default=64, help="pixels")
    parser.add_argument("--columns", type=int, default=96, help="pixels")
    parser.add_argument("--batch", type=int, default=8, help="pairs")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each method")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/kernels.json"))
    options = parser.parse_args()
    names = [*METHODS, "merged, built-in", "merged, gradients"]
    table = Table("convolution", "map", *names, title=f"{describe_stack()}; ms per pass")
    rows = []
    for shape in list_shapes(default_skeleton(options.width), options.height, options.columns):
        milliseconds = measure(shape, options.batch, options.rounds)
        best = min(milliseconds.values())
        rows.append({**shape._asdict(), "milliseconds": milliseconds})
        cells = [milliseconds.get(name) for name in names]
        table.add_row(
            f"{'up ' if shape.upsamples else ''}{shape.kernel}x{shape.kernel}/{shape.stride} "
            f"{shape.inputs}>{shape.outputs}",
            f"{shape.height}x{shape.width}",
            *("" if cell is None else f"{cell:.2f}{' *' if cell == best else ''}" for cell in cells),
        )
    Console(width=140).print(table)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.json, {"stack": describe_stack(), "batch": options.batch, "shapes": rows})


if __name__ == "__main__":
    main()
