"""Runs an exported network on a CPU, as TensorFlow Lite does, to see what quantisation costs in accuracy."""

from typing import Any, Callable, Dict, NamedTuple, Sequence

import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.tf_runtime.stack import tf


class End(NamedTuple):
    """An input or output: real value = scale * (integer - zero_point); scale 0: it is float32 already."""

    scale: float
    zero_point: int


class QuantisedNetwork:
    """An exported network, ready to run.

    Attributes:
        input: normalised images.
        output: flow and uncertainty.
    """

    def __init__(self, model: bytes) -> None:
        """Loads a TFLite file."""
        self._interpreter = tf.lite.Interpreter(model_content=model)
        self._interpreter.allocate_tensors()
        (self._entry,) = self._interpreter.get_input_details()
        (self._exit,) = self._interpreter.get_output_details()
        self.input, self.output = _end(self._entry), _end(self._exit)

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Flow and uncertainty, float32 [H, W, 4], of a pair of images, uint8 [H, W, 6]."""
        x = image[None].astype(np.float32) / 127.5 - 1.0
        if self.input.scale:
            x = np.clip(np.round(x / self.input.scale) + self.input.zero_point, -128, 127).astype(np.int8)
        self._interpreter.set_tensor(self._entry["index"], x)
        self._interpreter.invoke()
        y = self._interpreter.get_tensor(self._exit["index"])[0]
        if self.output.scale:
            y = (y.astype(np.float32) - self.output.zero_point) * self.output.scale
        return np.asarray(y, np.float32)

    def epe(self, batches: Sequence[Batch], done: Callable[[], None]) -> float:
        """EPE over all valid pixels of the batches, pixels.

        Args:
            batches: images and flow.
            done: is called after each pair.
        """
        total = pixels = 0.0
        for batch in batches:
            for image, flow, valid in zip(batch.images, batch.flow, batch.valid):
                error = np.linalg.norm(self.predict(image)[..., :2] - flow, axis=-1) * valid[..., 0]
                total += error.sum(dtype=np.float64)
                pixels += valid.sum(dtype=np.float64)
                done()
        return float(total / pixels)


def _end(details: Dict[str, Any]) -> End:
    if details["dtype"] != np.int8:
        return End(0.0, 0)
    scale, zero_point = details["quantization"]
    return End(float(scale), int(zero_point))
