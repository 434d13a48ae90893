import subprocess
import sys

import pytest


def test_what_was_used_for_a_moment_counts_and_what_was_used_before_does_not() -> None:
    """In a process of its own, as memory that was freed is kept by one."""
    program = """
import numpy as np
from benchmarks.memory import peak_mib
before = np.ones(1 << 24)
del before
def work():
    np.ones(1 << 23)
    np.ones(1 << 20)
print(peak_mib(work))
"""
    found = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert float(found) == pytest.approx(64, rel=0.1)
