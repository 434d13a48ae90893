"""Execution of an exported network by TensorFlow Lite Micro, the interpreter of firmware, if it is installed."""

import importlib.util
import re
from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.tf_runtime.messages import hide_native_messages

_ARENA = 64 * 1024 * 1024  # bytes offered to the interpreter, which reports how many it uses


class MicroRun(NamedTuple):
    """Results of TensorFlow Lite Micro.

    Attributes:
        outputs: Outputs, one per input, shape [H, W, 4].
        arena_bytes: Size of the arena that the interpreter used, without an NPU.
    """

    outputs: List[np.ndarray]
    arena_bytes: int


def run_in_micro(model: bytes, inputs: Sequence[np.ndarray]) -> Optional[MicroRun]:
    """Run a network in TensorFlow Lite Micro.

    Args:
        model: Content of a TFLite file before Vela.
        inputs: Inputs in the type that the network takes, shape [H, W, 6] each.

    Returns:
        The results, or None if the package ``tflite-micro`` is not installed, as on Python 3.7, for which it does not
        exist.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    from tflite_micro.python.tflite_micro import runtime

    outputs = []
    with hide_native_messages() as messages:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA)
        for x in inputs:
            interpreter.set_input(x[None], 0)
            interpreter.invoke()
            outputs.append(np.array(interpreter.get_output(0)[0]))
        interpreter.print_allocations()
        messages.seek(0)
        report = messages.read().decode(errors="replace")
    match = re.search(r"Arena allocation total (\d+) bytes", report)
    if match is None:
        raise ValueError(f"TensorFlow Lite Micro reported no arena: {report}")
    return MicroRun(outputs, int(match.group(1)))
