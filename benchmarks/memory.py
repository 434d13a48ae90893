"""Measures how much memory some work takes."""

from pathlib import Path
from typing import Callable

_OWN = Path("/proc/self")


def peak_mib(work: Callable[[], object]) -> float:
    """Memory that this process takes while it works, at most, beyond what it had before, in MiB, as Linux counts it.

    Memory that was freed before, and kept by the process, hides what the work takes: measure in a fresh process.
    """
    (_OWN / "clear_refs").write_text("5")  # the peak so far is forgotten
    before = _peak_kib()
    work()
    return (_peak_kib() - before) / 2**10


def _peak_kib() -> int:
    """The most memory that this process had since the peak was forgotten."""
    (line,) = (line for line in (_OWN / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])
