"""The stack and the processor that a benchmark ran on, printed with its figures."""

import os
import platform
from pathlib import Path

import numpy as np

from edgeflownas.tf_runtime import kernels
from edgeflownas.tf_runtime.stack import tf


def describe_stack() -> str:
    """Return versions, kernels, processor and the machine's load, in one line."""
    ours = "hand-written gradients" if kernels.FAST.convolves_gradients else "built-in gradients"
    return (
        f"TensorFlow {tf.__version__} ({ours}), Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{_read_processor()}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def _read_processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
