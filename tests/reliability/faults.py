"""Promise 1: every write of a command dies, or fails for want of room, at each of its steps; then it is continued."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from typing import Any, Dict, Sequence, Tuple

from tests.reliability import crash

# The steps of a write, as calls that ``edgeflownas.storage.files`` makes: after open; after write, which is before
# fsync; before rename, which is after fsync; after rename. The last fsync is that of the folder.
STEPS: Sequence[Tuple[str, str, bool]] = (
    ("after open", "mkstemp", True),
    ("before fsync", "fsync", False),
    ("before rename", "replace", False),
    ("after rename", "replace", True),
)


class Fault:
    """The n-th call of a step, counted over a command's processes, dies or fails for want of room.

    Attributes:
        happened: whether it was called so often.
    """

    def __init__(self, step: Tuple[str, str, bool], at: int, die: bool) -> None:
        _, self._name, self._after = step
        self._die = die
        self._left = multiprocessing.Value("i", at)

    @property
    def happened(self) -> bool:
        return self._left.value <= 0  # type: ignore[attr-defined]

    def install(self) -> None:
        """Lies in wait in this process, and those that are forked from it."""
        module: Any = tempfile if self._name == "mkstemp" else os
        function = getattr(module, self._name)

        def call(*words: Any, **others: Any) -> Any:
            with self._left.get_lock():
                self._left.value -= 1  # type: ignore[attr-defined]
                now = self._left.value == 0  # type: ignore[attr-defined]
            if not now:
                return function(*words, **others)
            if self._after:
                function(*words, **others)
            if self._die:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(28, "No space left on device")

        setattr(module, self._name, call)


def check(scene: crash.Scene, name: str, most: int = 10**6) -> Dict[str, Any]:
    """Has every write of a command die, and fail, at each of its steps; then continues.

    Where a command starts others, the process that dies is the one that writes; if it is the first, the others are
    killed behind it.

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
                where, fault = f"{step[0]} {at}, {'killed' if die else 'no room'}", Fault(step, at, die)
                code = scene.call(name, run, fault.install)
                text = (run / "output.log").read_text()
                assert "Traceback" not in text, f"{name}, {where}: {text[-3000:]}"
                crash.whole(run)
                faults += fault.happened
                if code:
                    assert scene.call(name, run) == 0, f"{name}, {where}: {(run / 'output.log').read_text()[-3000:]}"
                crash.compare(name, crash.result(run), expected.result, where)
                shutil.rmtree(str(run))
                if not fault.happened:
                    break
    seconds = time.monotonic() - started
    return {"command": name, "faults": faults, "equal": faults, "seconds": round(seconds, 1)}
