"""Promise 1: a command that is killed, or runs out of disk space, at any step of any write can be resumed."""

import multiprocessing
import os
import shutil
import signal
import time
from typing import Any, Dict, Sequence, Tuple

from edgeflownas.storage import files
from tests.reliability import crash

# The steps of a write, as calls in ``edgeflownas.storage.files``: after open; after write, which is before fsync;
# before rename, which is after fsync; after rename. The last fsync is that of the folder.
STEPS: Sequence[Tuple[str, str, bool]] = (
    ("after open", "create_temporary", True),
    ("before fsync", "fsync", False),
    ("before rename", "replace", False),
    ("after rename", "replace", True),
)


class Fault:
    """A fault at the n-th call of a step, counted over all processes of a command: a kill or a full disk.

    Attributes:
        happened: Whether the step was called n times.
    """

    def __init__(self, step: Tuple[str, str, bool], at: int, die: bool) -> None:
        _, self._name, self._after = step
        self._die = die
        self._left = multiprocessing.Value("i", at)

    @property
    def happened(self) -> bool:
        return self._left.value <= 0  # type: ignore[attr-defined]

    def install(self) -> None:
        """Install the fault in this process and in all that are forked from it."""
        module: Any = files if self._name == "create_temporary" else os
        function = getattr(module, self._name)

        def call(*arguments: Any, **options: Any) -> Any:
            with self._left.get_lock():
                self._left.value -= 1  # type: ignore[attr-defined]
                now = self._left.value == 0  # type: ignore[attr-defined]
            if not now:
                return function(*arguments, **options)
            if self._after:
                function(*arguments, **options)
            if self._die:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(28, "No space left on device")

        setattr(module, self._name, call)


def check(scene: crash.Scene, name: str, most: int = 10**6) -> Dict[str, Any]:
    """Kill a command, or fail its write, at each step of every write, and resume it.

    If a command starts other processes, the process that writes is killed; if that is the first process, the others are
    killed after it.

    Args:
        scene: Scene to run in.
        name: Name of the command.
        most: Maximum number of writes, counted from the first.

    Returns:
        The figures.
    """
    expected, faults, started = crash.reference(scene, name), 0, time.monotonic()
    for step in STEPS:
        for die in (True, False):
            for at in range(1, most + 1):
                run = scene.folder / f"{name} step"
                scene.prepare(name, run)
                where, fault = f"{step[0]} {at}, {'killed' if die else 'no room'}", Fault(step, at, die)
                code = scene.call(name, run, fault.install)
                text = (run / "output.log").read_text()
                assert "Traceback" not in text, f"{name}, {where}: {text[-3000:]}"
                crash.check_intact(run)
                faults += fault.happened
                if code:
                    assert scene.call(name, run) == 0, f"{name}, {where}: {(run / 'output.log').read_text()[-3000:]}"
                crash.compare(name, crash.result(run), expected.result, where)
                shutil.rmtree(str(run))
                if not fault.happened:
                    break
    seconds = time.monotonic() - started
    return {"command": name, "faults": faults, "equal": faults, "seconds": round(seconds, 1)}
