"""Promise 5: reading any file ends soon, in bounded memory, with a value or with one line that names the file.

Inputs are derived from a seed, and read in forked processes with a limit on memory, and on the time of each input. Any
attempt there to start a program or to write outside the folder is detected.
"""

import builtins
import contextlib
import functools
import io
import mmap
import os
import pickle
import random
import resource
import signal
import struct
import subprocess
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, List

from edgeflownas.errors import InputError
from tests.processes import in_child
from tests.reliability.inputs import Target, change

MEMORY = 2 << 30  # bytes of memory for reading
SECONDS = 10.0  # of processor time for one input
_BATCH = 500


class Forbidden(BaseException):
    """A program was started, or a file outside was written."""


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Forbid to start programs, to unpickle and to write outside a folder while the block runs."""

    def forbid(*arguments: Any, **options: Any) -> Any:
        raise Forbidden(f"called with {arguments!r:.200}")

    def open_inside(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        inside = isinstance(file, int) or str(file).startswith(str(folder)) or str(file) == os.devnull
        if set(mode) & set("wax+") and not inside:
            raise Forbidden(f"opened {file!r} to write")
        return kept[io, "open"](file, mode, *arguments, **options)

    names: Any = [(os, "system"), (os, "popen"), (subprocess, "Popen"), (pickle, "loads"), (pickle, "load"),
                  (pickle, "Unpickler"), (builtins, "eval"), (os, "execv"), (os, "fork")]  # fmt: skip
    kept: Any = {(module, name): getattr(module, name) for module, name in [*names, (io, "open"), (builtins, "open")]}
    try:
        for module, name in names:
            setattr(module, name, forbid)
        io.open = builtins.open = open_inside
        yield
    finally:
        for (module, name), value in kept.items():
            setattr(module, name, value)


class Late(BaseException):
    """An input exceeded its time."""


def _late(signum: int, frame: Any) -> None:
    raise Late


def _batch(target: Target, folder: Path, seeds: List[bytes], seed: str, numbers: range, shared: mmap.mmap) -> None:
    """Read a batch of inputs; write the number of the present input, and the results, into ``shared``."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    signal.signal(signal.SIGPROF, _late)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    slowest, refused = 0.0, 0
    for number in numbers:
        shared[:8] = struct.pack("<q", number)
        data = make_input(seeds, seed, number)
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        # If a library does not return, this limit ends the process a little later.
        resource.setrlimit(resource.RLIMIT_CPU, (int(started + SECONDS) + 2, resource.RLIM_INFINITY))
        try:
            with guarded(folder):
                target.read(folder, data)
        except target.refusals as error:
            refused += 1
            if isinstance(error, InputError):
                text = str(error)
                assert "\n" not in text and len(text) < 5000 and "Traceback" not in text, text[:300]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - started)
    shared[8:24] = struct.pack("<dq", slowest, refused)


def make_input(seeds: List[bytes], seed: str, number: int) -> bytes:
    """Return an input: first the seeds themselves, then changed ones."""
    rng = random.Random(f"{seed} {number}")
    good = seeds[number % len(seeds)]
    return good if number < len(seeds) else change(good, rng)


def check(target: Target, count: int, seed: int) -> Dict[str, Any]:
    """Read inputs with a target.

    Returns:
        The figures.

    Raises:
        AssertionError: An input led to neither a value nor a refusal; it is kept, and the message names its file.
    """
    label, slowest, refused, started = f"{seed} {target.name}", 0.0, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz") as name, mmap.mmap(-1, 24) as shared:
        folder = Path(name)
        seeds = target.seeds(folder)
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            shared[:24] = bytes(24)
            log = folder / "log"
            pid = in_child(functools.partial(_run_logged, log, target, folder, seeds, label, numbers, shared))
            _, status = os.waitpid(pid, 0)
            if status:
                (number,) = struct.unpack("<q", shared[:8])
                data = make_input(seeds, label, number)
                kept = Path(tempfile.gettempdir()) / f"fuzz-{target.name.split(',')[0].strip('.')}-{number}"
                kept.write_bytes(data)
                raise AssertionError(
                    f"{target.name}, seed {seed}, input {number} (kept in {kept}): status {status}: {log.read_text()}"
                )
            batch_slowest, batch_refused = struct.unpack("<dq", shared[8:24])
            slowest, refused = max(slowest, batch_slowest), refused + batch_refused
    return {
        "inputs of": target.name, "inputs": count, "refused": refused, "slowest_s": round(slowest, 2),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def _run_logged(log: Path, *words: Any) -> None:
    try:
        _batch(*words)
    except BaseException:
        log.write_text(traceback.format_exc()[-2000:], errors="backslashreplace")
        os._exit(1)
