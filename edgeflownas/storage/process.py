"""Identity of processes, which distinguishes leftovers of killed processes from files in use."""

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path
from typing import Optional

import psutil


@functools.lru_cache(maxsize=None)
def machine() -> str:
    """Return the scope in which process ids are unique: the host, its current boot, and the container."""
    place = [socket.gethostname()]
    with contextlib.suppress(OSError):
        place.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        place.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(place)


def started(pid: int) -> Optional[str]:
    """Return the time at which a process on this machine started, in centiseconds since boot; None if it is not alive.

    The time since boot does not change when the clock is set.
    """
    with contextlib.suppress(psutil.Error):
        while True:
            process, boot = psutil.Process(pid), psutil.boot_time()
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return None
            created = process.create_time()
            if boot == psutil.boot_time():  # otherwise the clock, by which both are told, has just been set
                return str(round(100 * (created - boot)))
    return None


def mark() -> str:
    """Return a string that identifies this process, for use in the names of temporary files."""
    return f"{_here()}-{os.getpid()}-{started(os.getpid())}"


def is_dead(marked: str) -> bool:
    """Return whether a mark belongs to a process of this machine that is not alive."""
    here, _, rest = marked.partition("-")
    pid, _, since = rest.partition("-")
    return here == _here() and pid.isdecimal() and started(int(pid)) != since


def _here() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]
