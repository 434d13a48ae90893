"""Memory of the test processes: what a module allocated is returned when its tests end."""

import ctypes
import gc
from typing import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def free_memory() -> Iterator[None]:
    """Collect TensorFlow's graphs and sessions, which reference each other, and return their memory to the system."""
    yield
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
