"""Write EdgeFlowNet's network, with transposed convolutions, as an int8 TFLite file from which its cost is compiled.

    .venv-vela/bin/python benchmarks/transposed_network.py --width 32 --height 176 --columns 224 --output FILE

It runs in the Vela environment, whose libraries provide the file format: TensorFlow 1.15 cannot quantise a transposed
convolution. The layers are those published by the authors (Raju et al., RA-L 2024; MultiScaleResNet with two
sub-blocks): 7x7 and 5x5 stem, two residual blocks on each side, strided 3x3 convolutions for downsampling, transposed
ones for upsampling, 7x7 flow outputs at three scales, and, as in training, the flow of a scale added to the doubled
coarser flow. Weights are random, normal in each output channel, with batch normalisation folded in.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import flatbuffers
import numpy as np
from ethosu.vela.tflite import (
    AddOptions,
    Buffer,
    Conv2DOptions,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    ResizeBilinearOptions,
    SubGraph,
    Tensor,
    TransposeConvOptions,
)
from ethosu.vela.tflite.ActivationFunctionType import ActivationFunctionType
from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
from ethosu.vela.tflite.BuiltinOptions import BuiltinOptions
from ethosu.vela.tflite.TensorType import TensorType

_SCALE = 0.05  # quantisation scale of every activation; it does not affect the cost
_FLOW = 4  # u, v, and an uncertainty for each


class Graph:
    """A network under construction: tensors, operators and multiply-accumulates."""

    def __init__(self, height: int, width: int) -> None:
        self.builder = flatbuffers.Builder(1 << 24)
        self.rng = np.random.default_rng(0)
        self.shapes: List[Tuple[int, ...]] = []
        self.tensors: List[int] = []
        self.buffers = [self._buffer(b"")]
        self.operators: List[int] = []
        self.codes: Dict[int, int] = {}
        self.macs = 0
        self.input = self.activation("images", (1, height, width, 6))

    def activation(self, name: str, shape: Tuple[int, ...]) -> int:
        """Add an int8 activation tensor."""
        return self._tensor(name, shape, TensorType.INT8, 0, [_SCALE])

    def convolution(self, x: int, name: str, kernel: int, stride: int, outputs: int, relu: bool) -> int:
        """Add a convolution with bias."""
        _, h, w, inputs = self.shapes[x]
        weights, bias = self._parameters(name, kernel, inputs, outputs)
        y = self.activation(name, (1, h // stride, w // stride, outputs))
        options = self._options(Conv2DOptions, Padding=0, StrideW=stride, StrideH=stride, DilationWFactor=1,
                                DilationHFactor=1, FusedActivationFunction=_activation(relu))  # fmt: skip
        self._operator(BuiltinOperator.CONV_2D, [x, weights, bias], y, BuiltinOptions.Conv2DOptions, options)
        self.macs += h * w * kernel**2 * inputs * outputs // stride**2
        return y

    def transposed(self, x: int, name: str, kernel: int, stride: int, outputs: int, relu: bool) -> int:
        """Add a transposed convolution with bias."""
        _, h, w, inputs = self.shapes[x]
        shape = (1, h * stride, w * stride, outputs)
        weights, bias = self._parameters(name, kernel, inputs, outputs)
        size = self._constant(name + "/shape", np.array(shape, np.int32), TensorType.INT32, None)
        y = self.activation(name, shape)
        options = self._options(TransposeConvOptions, Padding=0, StrideW=stride, StrideH=stride)
        code, kind = BuiltinOperator.TRANSPOSE_CONV, BuiltinOptions.TransposeConvOptions
        self._operator(code, [size, weights, x, bias], y, kind, options)
        self.macs += h * w * kernel**2 * inputs * outputs
        if not relu:
            return y
        z = self.activation(name + "/relu", shape)
        self._operator(BuiltinOperator.RELU, [y], z, BuiltinOptions.NONE, None)
        return z

    def add(self, a: int, b: int, name: str, relu: bool) -> int:
        """Add a sum of two tensors."""
        y = self.activation(name, self.shapes[a])
        options = self._options(AddOptions, FusedActivationFunction=_activation(relu))
        self._operator(BuiltinOperator.ADD, [a, b], y, BuiltinOptions.AddOptions, options)
        return y

    def upsample(self, x: int, name: str) -> int:
        """Add a bilinear upsampling by 2."""
        _, h, w, channels = self.shapes[x]
        size = self._constant(name + "/size", np.array([2 * h, 2 * w], np.int32), TensorType.INT32, None)
        y = self.activation(name, (1, 2 * h, 2 * w, channels))
        options = self._options(ResizeBilinearOptions, AlignCorners=False, HalfPixelCenters=False)
        self._operator(BuiltinOperator.RESIZE_BILINEAR, [x, size], y, BuiltinOptions.ResizeBilinearOptions, options)
        return y

    def finish(self, output: int) -> bytes:
        """Return the content of the TFLite file."""
        b = self.builder
        name = b.CreateString("main")
        lists = [
            self._vector(SubGraph.StartTensorsVector, self.tensors),
            self._vector(SubGraph.StartOperatorsVector, self.operators),
            b.CreateNumpyVector(np.array([self.input], np.int32)),
            b.CreateNumpyVector(np.array([output], np.int32)),
        ]
        SubGraph.Start(b)
        SubGraph.AddTensors(b, lists[0])
        SubGraph.AddOperators(b, lists[1])
        SubGraph.AddInputs(b, lists[2])
        SubGraph.AddOutputs(b, lists[3])
        SubGraph.AddName(b, name)
        graphs = self._vector(Model.StartSubgraphsVector, [SubGraph.End(b)])
        codes = []
        for code in self.codes:
            OperatorCode.Start(b)
            OperatorCode.AddDeprecatedBuiltinCode(b, min(code, 127))
            OperatorCode.AddBuiltinCode(b, code)
            OperatorCode.AddVersion(b, 3 if code in (BuiltinOperator.CONV_2D, BuiltinOperator.TRANSPOSE_CONV) else 2)
            codes.append(OperatorCode.End(b))
        codes_vector = self._vector(Model.StartOperatorCodesVector, codes)
        buffers = self._vector(Model.StartBuffersVector, self.buffers)
        Model.Start(b)
        Model.AddVersion(b, 3)
        Model.AddOperatorCodes(b, codes_vector)
        Model.AddSubgraphs(b, graphs)
        Model.AddBuffers(b, buffers)
        b.Finish(Model.End(b), b"TFL3")
        return bytes(b.Output())

    def _parameters(self, name: str, kernel: int, inputs: int, outputs: int) -> Tuple[int, int]:
        weights = self.rng.standard_normal((outputs, kernel, kernel, inputs))
        scales = np.abs(weights).max(axis=(1, 2, 3)) / 127
        integers = np.round(weights / scales[:, None, None, None]).astype(np.int8)
        bias = np.zeros(outputs, np.int32)
        return (
            self._constant(name + "/weights", integers, TensorType.INT8, list(scales)),
            self._constant(name + "/bias", bias, TensorType.INT32, list(scales * _SCALE)),
        )

    def _constant(self, name: str, value: np.ndarray, kind: int, scales: Optional[List[float]]) -> int:
        self.buffers.append(self._buffer(value.tobytes()))
        return self._tensor(name, value.shape, kind, len(self.buffers) - 1, scales)

    def _tensor(
        self, name: str, shape: Tuple[int, ...], kind: int, buffer: int, scales: Optional[List[float]]
    ) -> int:
        b = self.builder
        label, dimensions = b.CreateString(name), b.CreateNumpyVector(np.array(shape, np.int32))
        quantisation = None
        if scales is not None:
            scale = b.CreateNumpyVector(np.array(scales, np.float32))
            zero = b.CreateNumpyVector(np.zeros(len(scales), np.int64))
            QuantizationParameters.Start(b)
            QuantizationParameters.AddScale(b, scale)
            QuantizationParameters.AddZeroPoint(b, zero)
            quantisation = QuantizationParameters.End(b)
        Tensor.Start(b)
        Tensor.AddShape(b, dimensions)
        Tensor.AddType(b, kind)
        Tensor.AddBuffer(b, buffer)
        Tensor.AddName(b, label)
        if quantisation is not None:
            Tensor.AddQuantization(b, quantisation)
        self.tensors.append(Tensor.End(b))
        self.shapes.append(shape)
        return len(self.tensors) - 1

    def _buffer(self, content: bytes) -> int:
        b = self.builder
        data = b.CreateByteVector(content) if content else None
        Buffer.Start(b)
        if data is not None:
            Buffer.AddData(b, data)
        return int(Buffer.End(b))

    def _operator(self, code: int, inputs: Sequence[int], output: int, kind: int, options: Optional[int]) -> None:
        b = self.builder
        index = self.codes.setdefault(code, len(self.codes))
        input_vector = b.CreateNumpyVector(np.array(inputs, np.int32))
        output_vector = b.CreateNumpyVector(np.array([output], np.int32))
        Operator.Start(b)
        Operator.AddOpcodeIndex(b, index)
        Operator.AddInputs(b, input_vector)
        Operator.AddOutputs(b, output_vector)
        if options is not None:
            Operator.AddBuiltinOptionsType(b, kind)
            Operator.AddBuiltinOptions(b, options)
        self.operators.append(Operator.End(b))

    def _options(self, module: Any, **values: Any) -> int:
        module.Start(self.builder)
        for name, value in values.items():
            getattr(module, "Add" + name)(self.builder, value)
        return int(module.End(self.builder))

    def _vector(self, start: Any, offsets: Sequence[int]) -> int:
        start(self.builder, len(offsets))
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())


def _activation(relu: bool) -> int:
    return int(ActivationFunctionType.RELU if relu else ActivationFunctionType.NONE)


def edgeflownet(c: int, height: int, width: int) -> Tuple[bytes, int]:
    """Return the network as the content of a TFLite file, and its multiply-accumulates."""
    g = Graph(height, width)
    x = g.convolution(g.input, "E0", 7, 2, c, relu=True)
    x = g.convolution(x, "E1", 5, 2, 2 * c, relu=True)
    for block, channels in enumerate((2 * c, 4 * c)):
        y = g.convolution(x, f"EB{block}/a", 3, 1, channels, relu=True)
        x = g.add(g.convolution(y, f"EB{block}/b", 3, 1, channels, relu=False), x, f"EB{block}", relu=True)
        x = g.convolution(x, f"Down{block + 1}", 3, 2, 2 * channels, relu=False)
    for block, channels in enumerate((8 * c, 4 * c)):
        y = g.transposed(x, f"DB{block}/a", 3, 1, channels, relu=True)
        x = g.add(g.transposed(y, f"DB{block}/b", 3, 1, channels, relu=False), x, f"DB{block}", relu=True)
        x = g.transposed(x, f"Up{block + 1}", 3, 2, channels // 2, relu=False)
    flow = g.transposed(x, "H0Out", 7, 1, _FLOW, relu=False)
    for head, kernel, channels in ((1, 5, c), (2, 7, c // 2)):
        x = g.transposed(x, f"H{head}", kernel, 2, channels, relu=True)
        output = g.transposed(x, f"H{head}Out", 7, 1, _FLOW, relu=False)
        flow = g.add(g.upsample(flow, f"doubled{head}"), output, f"flow{head}", relu=False)
    return g.finish(flow), g.macs


def main() -> None:
    """Write the file and print the multiply-accumulates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32, help="base width c")
    parser.add_argument("--height", type=int, default=176, help="pixels")
    parser.add_argument("--columns", type=int, default=224, help="pixels")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    model, macs = edgeflownet(options.width, options.height, options.columns)
    options.output.write_bytes(model)
    print(macs)


if __name__ == "__main__":
    main()
