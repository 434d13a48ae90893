"""All tests of the promises in full: ``python -m tests.reliability`` prints tables, and writes JSON into a folder.

It uses one core. Figures are written as soon as they are known. A failure names its seed, which reproduces it.
"""

import argparse
import contextlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

from edgeflownas.storage.files import write_json

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Figures = Iterator[Dict[str, Any]]

KILLS, TWICE, BACK, DAMAGES, INPUTS, REQUESTS = 200, 20, 20, 1000, 100_000, 1_000_000


def kills(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Kill each command 200 times at random moments."""
    from tests.reliability import crash

    scene = crash.Scene(folder)
    for name in only or crash.COMMANDS:
        yield crash.check_kills(scene, name, int(KILLS * share), seed)


def faults(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Kill each command, or simulate a full disk, at every step of every write."""
    from tests.reliability import crash
    from tests.reliability import faults as module

    scene, most = crash.Scene(folder), 10**6 if share >= 1 else 1
    for name in only or crash.COMMANDS:
        yield module.check(scene, name, most)


def twice(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Start each command twice at the same time, 20 times."""
    from tests.reliability import crash, together

    scene = crash.Scene(folder)
    for name in only or crash.COMMANDS:
        yield together.check(scene, name, int(TWICE * share), seed)


def damages(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Damage each kind of file 1,000 times."""
    from tests.reliability import damage

    for name in only or damage.KINDS:
        yield damage.check(name, folder, int(DAMAGES * share), seed)


def back(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Damage the last files of commands 20 times, and resume from the previous files."""
    from tests.reliability import crash, going_back

    scene = crash.Scene(folder)
    for name in only or going_back.FILES:
        yield going_back.check(scene, name, int(BACK * share), seed)


def inputs(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Read 100,000 hostile or broken inputs."""
    from tests.reliability import fuzz
    from tests.reliability.inputs import TARGETS

    total = 0
    for target in TARGETS:
        if not only or target.name in only:
            figures = fuzz.check(target, int(INPUTS * share * target.share), seed)
            total += figures["inputs"]
            yield figures
    yield {"inputs of": "all", "inputs": total}


def long(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Search with 1,000,000 requests."""
    from tests.reliability import long_search

    yield from long_search.measure(folder, int(REQUESTS * share), seed)


PARTS: Dict[str, Callable[[Path, int, float, Sequence[str]], Figures]] = {
    part.__name__: part for part in (damages, back, inputs, kills, faults, twice, long)
}


def describe_commit() -> Optional[str]:
    """Return the commit of the code; None if git does not know it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.check_output(command, cwd=str(Path(__file__).parent), text=True).strip()
    return None


def main(words: Sequence[str]) -> None:
    """Run the parts given as command-line arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"One of {', '.join(PARTS)}; default: all.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="Share of the full numbers, for a quick trial.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="Only this command or file kind.")
    parser.add_argument("--output", type=Path, default=Path("results/reliability"))
    parser.add_argument("--work", type=Path, help="Folder for temporary files; default: one in memory.")
    options = parser.parse_args(words)
    for name in options.parts or PARTS:
        shared = Path("/dev/shm")
        base = options.work or (shared if shared.is_dir() else None)
        folder = Path(tempfile.mkdtemp(prefix="reliability-", dir=base and str(base)))
        print(f"{name}: {PARTS[name].__doc__} Seed {options.seed}.", flush=True)
        content: Dict[str, Any] = {
            "command": " ".join(["python -m tests.reliability", *map(shlex.quote, words)]),
            "commit": describe_commit(),
            "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": 0,
            "figures": [],
        }
        options.output.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        for figures in PARTS[name](folder, options.seed, options.share, options.only):
            print("  " + ", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)
            content["figures"].append(figures)
            content["seconds"] = round(time.monotonic() - started)
            write_json(options.output / f"{name}.json", content)
        shutil.rmtree(str(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
