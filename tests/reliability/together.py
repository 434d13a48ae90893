"""Promise 3: of two simultaneous starts of a command, one works; the other is refused or has nothing left to do."""

import os
import random
import shutil
import signal
import time
from typing import Any, Dict, List

from tests.reliability import crash

# Message of a second start that is refused with exit code 2.
_REFUSED = "in use by process"


def check(scene: crash.Scene, name: str, rounds: int, seed: int) -> Dict[str, Any]:
    """Start a command twice in one folder, the second time after a random delay.

    Returns:
        The figures.
    """
    rng, expected = random.Random(f"{seed} {name}"), crash.reference(scene, name)
    refused, started = 0, time.monotonic()
    for number in range(rounds):
        run = scene.folder / f"{name} twice {number}"
        scene.prepare(name, run)
        first = scene.start(name, run)
        time.sleep(rng.uniform(0, expected.seconds / 2))
        codes = _wait_for([first, scene.start(name, run)])
        text, where = (run / "output.log").read_text(), f"{name}, seed {seed}, round {number}"
        assert "Traceback" not in text and 0 in codes and set(codes) <= {0, 2}, f"{where}: {codes}: {text[-3000:]}"
        assert codes.count(2) == text.count(_REFUSED), f"{where}: {text[-3000:]}"
        refused += codes.count(2)
        crash.compare(name, crash.result(run), expected.result, where)
        shutil.rmtree(str(run))
    seconds = time.monotonic() - started
    return {"command": name, "twice": rounds, "refused": refused, "equal": rounds, "seconds": round(seconds, 1)}


def _wait_for(pids: List[int]) -> List[int]:
    """Wait for commands, and return their exit codes."""
    codes = []
    for pid in pids:
        code, _ = crash.wait_for(pid, crash.LIMIT)
        if code is None:
            os.killpg(pid, signal.SIGKILL)
            raise AssertionError("a command hangs")
        codes.append(code)
    return codes
