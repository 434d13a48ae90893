"""Promise 3: the same command twice at once, as real processes: one works, the other is refused or finds it done."""

import os
import random
import shutil
import signal
import time
from typing import Any, Dict, List

from tests.reliability import crash

# What a second caller of a command may be told: that another works there, by exit code 2.
_REFUSED = "in use by process"


def check(scene: crash.Scene, name: str, rounds: int, seed: int) -> Dict[str, Any]:
    """Starts a command twice in one folder, the second a random moment after the first.

    Returns:
        The figures.
    """
    rng, expected = random.Random(f"{seed} {name}"), crash.reference(scene, name)
    refused, started = 0, time.monotonic()
    for number in range(rounds):
        run = scene.folder / f"{name} twice {number}"
        scene.prepared(name, run)
        first = scene.start(name, run)
        time.sleep(rng.uniform(0, expected.seconds / 2))
        codes = _ended([first, scene.start(name, run)])
        text, where = (run / "output.log").read_text(), f"{name}, seed {seed}, round {number}"
        assert "Traceback" not in text and 0 in codes and set(codes) <= {0, 2}, f"{where}: {codes}: {text[-3000:]}"
        assert codes.count(2) == text.count(_REFUSED), f"{where}: {text[-3000:]}"
        refused += codes.count(2)
        crash.compare(name, crash.result(run), expected.result, where)
        shutil.rmtree(str(run))
    seconds = time.monotonic() - started
    return {"command": name, "twice": rounds, "refused": refused, "equal": rounds, "seconds": round(seconds, 1)}


def _ended(pids: List[int]) -> List[int]:
    """The exit codes of commands."""
    codes = []
    for pid in pids:
        code, _ = crash.ended(pid, crash.LIMIT)
        if code is None:
            os.killpg(pid, signal.SIGKILL)
            raise AssertionError("a command hangs")
        codes.append(code)
    return codes
