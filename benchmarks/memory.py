"""Measures how much memory some work takes."""

import resource
import threading
from pathlib import Path
from typing import Callable


def peak_mib(work: Callable[[], object]) -> float:
    """Memory that this process takes while it works, at most, beyond what it had before, in MiB.

    Memory that was freed before, and kept by the process, hides what the work takes: measure in a fresh process.
    """
    before, peak, done = _resident_mib(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, _resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return peak - before


def _resident_mib() -> float:
    """Memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
