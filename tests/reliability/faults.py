"""Promise 1: every write of a command dies, or fails for want of room, at each of its steps; then it is continued."""

import os
import shutil
import signal
import tempfile
import time
from typing import Any, Callable, Dict, Sequence, Tuple

from tests.reliability import crash

# The steps of a write, as calls that ``edgeflownas.files`` makes: after open; after write, which is before fsync;
# before rename, which is after fsync; after rename. The last fsync is that of the folder.
STEPS: Sequence[Tuple[str, str, bool]] = (
    ("after open", "mkstemp", True),
    ("before fsync", "fsync", False),
    ("before rename", "replace", False),
    ("after rename", "replace", True),
)


def faulty(step: Tuple[str, str, bool], at: int, die: bool) -> Callable[[], None]:
    """Makes the n-th call of a step in this process die, or fail for want of room."""
    _, name, after = step
    module: Any = tempfile if name == "mkstemp" else os
    left = [at]

    def install() -> None:
        function = getattr(module, name)

        def call(*words: Any, **others: Any) -> Any:
            left[0] -= 1
            if left[0]:
                return function(*words, **others)
            if after:
                function(*words, **others)
            if die:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(28, "No space left on device")

        setattr(module, name, call)

    return install


def check(scene: crash.Scene, name: str, most: int = 10**6) -> Dict[str, Any]:
    """Has every write of a command die, and fail, at each of its steps; then continues.

    Args:
        scene: to run in.
        name: of the command.
        most: writes; the first ones.

    Returns:
        The figures.
    """
    expected, faults, started = crash.reference(scene, name), 0, time.monotonic()
    for step in STEPS:
        for die in (True, False):
            for at in range(1, most + 1):
                run = scene.folder / f"{name} step"
                scene.prepared(name, run)
                where = f"{step[0]} {at}, {'killed' if die else 'no room'}"
                code = scene.call(name, run, faulty(step, at, die))
                text = (run / "output.log").read_text()
                assert "Traceback" not in text, f"{name}, {where}: {text[-3000:]}"
                crash.whole(run)
                if code:
                    faults += 1
                    assert scene.call(name, run) == 0, f"{name}, {where}: {(run / 'output.log').read_text()[-3000:]}"
                crash.compare(name, crash.result(run), expected.result, where)
                shutil.rmtree(str(run))
                if not code:
                    break
    seconds = time.monotonic() - started
    return {"command": name, "faults": faults, "equal": faults, "seconds": round(seconds, 1)}
