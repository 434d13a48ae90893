import subprocess
import sys

import pytest


def test_short_peaks_count_and_earlier_memory_does_not() -> None:
    """Runs in a process of its own, because a process keeps memory that was freed."""
    program = """
import numpy as np
from benchmarks.memory import measure_peak_mib
before = np.ones(1 << 24)
del before
def work():
    np.ones(1 << 23)
    np.ones(1 << 20)
print(measure_peak_mib(work))
"""
    output = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert float(output) == pytest.approx(64, rel=0.1)
