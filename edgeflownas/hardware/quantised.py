"""Execution of an exported network on the CPU by TensorFlow Lite, to measure the loss of accuracy by quantisation."""

from typing import Any, Callable, Dict, NamedTuple, Sequence, Tuple

import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.errors import InputError
from edgeflownas.evaluation.predictor import pad_images
from edgeflownas.tf_runtime.lite import open_interpreter

_TOLERANCE = 1e-3  # of an integer


class Quantisation(NamedTuple):
    """Quantisation of an input or output: real value = scale * (integer - zero_point); scale 0: float32."""

    scale: float
    zero_point: int


class QuantisedNetwork:
    """An exported network that can be run.

    Attributes:
        input: Quantisation of the input, normalised images.
        output: Quantisation of the output, flow and uncertainty.
    """

    def __init__(self, model: bytes, reference: bool = False) -> None:
        """Load a TFLite network.

        Args:
            model: Content of its file.
            reference: Whether to use the reference kernels, whose results equal those of TensorFlow Lite Micro.
        """
        self._interpreter = open_interpreter(model, reference)
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self.input, self.output = _quantisation(self._input), _quantisation(self._output)

    @property
    def size(self) -> Tuple[int, int]:
        """Height and width of the input, in pixels."""
        height, width = self._input["shape"][1:3]
        return int(height), int(width)

    @property
    def channels(self) -> Tuple[int, int]:
        """Number of channels of the input and of the output."""
        return int(self._input["shape"][-1]), int(self._output["shape"][-1])

    def flow(self, images: np.ndarray) -> np.ndarray:
        """Predict the flow of a pair that is padded to the size of the input.

        Args:
            images: Two stacked RGB frames, uint8 [H, W, 6], not larger than the input.

        Returns:
            Flow, float32 [H, W, 2], in pixels.

        Raises:
            InputError: The frames are larger than the input.
        """
        height, width = images.shape[:2]
        if height > self.size[0] or width > self.size[1]:
            raise InputError(
                f"size {height}x{width}: is larger than the input of the exported network, {self.size[0]}x"
                f"{self.size[1]}; choose a smaller size, or none"
            )
        return self.predict(pad_images(images, *self.size))[:height, :width, :2]

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Predict flow and uncertainty, float32, shape [H, W, 4], from a pair of images, uint8, shape [H, W, 6]."""
        y = self.run(self.quantise(image))
        if self.output.scale:
            y = (y.astype(np.float32) - self.output.zero_point) * self.output.scale
        return np.asarray(y, np.float32)

    def quantise(self, image: np.ndarray) -> np.ndarray:
        """Return the input for images, uint8 of any shape, as int8, or as float32 if the network takes that."""
        values = np.arange(256) / 127.5 - 1.0
        if not self.input.scale:
            return values.astype(np.float32)[image]
        # With ranges from -1 to 1, every pixel lies halfway between two integers. Halves are rounded up, so that no
        # two pixels get the same integer; the scale is a float32, hence the tolerance.
        integers = np.floor(values / self.input.scale + 0.5 + _TOLERANCE) + self.input.zero_point
        return np.clip(integers, -128, 127).astype(np.int8)[image]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the output [H, W, 4] for an input [H, W, 6], both as stored in the network's arena."""
        self._interpreter.set_tensor(self._input["index"], x[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"])[0])

    def epe(self, batches: Sequence[Batch], done: Callable[[], None]) -> float:
        """Return the EPE over all valid pixels of the batches, in pixels.

        Args:
            batches: Images and ground-truth flow.
            done: Callback that is called after each pair.
        """
        total = pixels = 0.0
        for batch in batches:
            for image, flow, valid in zip(batch.images, batch.flow, batch.valid):
                error = np.linalg.norm(self.predict(image)[..., :2] - flow, axis=-1) * valid[..., 0]
                total += error.sum(dtype=np.float64)
                pixels += valid.sum(dtype=np.float64)
                done()
        return float(total / pixels)


def _quantisation(details: Dict[str, Any]) -> Quantisation:
    if details["dtype"] != np.int8:
        return Quantisation(0.0, 0)
    scale, zero_point = details["quantization"]
    return Quantisation(float(scale), int(zero_point))
