"""Which processes live: what is left by one that was killed can be told from what another is still at."""

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path
from typing import Optional


@functools.lru_cache(maxsize=None)
def machine() -> str:
    """Where process numbers mean the same: host, its current boot, and the container."""
    place = [socket.gethostname()]
    with contextlib.suppress(OSError):
        place.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        place.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(place)


def started(pid: int) -> Optional[str]:
    """When a process of this machine started, in ticks since boot; None if it is not alive."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(PermissionError):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return None
        return "alive"
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def mark() -> str:
    """This process, as a part of the names of temporary files."""
    return f"{_here()}-{os.getpid()}-{started(os.getpid())}"


def is_dead(marked: str) -> bool:
    """Whether a marked process was one of this machine, and is no more."""
    here, _, rest = marked.partition("-")
    pid, _, since = rest.partition("-")
    return here == _here() and pid.isdecimal() and started(int(pid)) != since


def _here() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]
