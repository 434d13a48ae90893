"""Measurement of the memory that a function takes."""

from pathlib import Path
from typing import Callable

_OWN = Path("/proc/self")


def measure_peak_mib(work: Callable[[], object]) -> float:
    """Return by how many MiB a function raises the peak memory of this process, as counted by Linux.

    Memory that was freed earlier, but is still held by the process, hides a part of it, so measure in a new process.
    """
    (_OWN / "clear_refs").write_text("5")  # resets the peak
    before = _peak_kib()
    work()
    return (_peak_kib() - before) / 2**10


def _peak_kib() -> int:
    """Return the peak memory of this process since the last reset, in KiB."""
    (line,) = (line for line in (_OWN / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])
