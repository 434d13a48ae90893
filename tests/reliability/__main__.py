"""The promises at full numbers: ``python -m tests.reliability``; prints tables, and writes JSON into a folder.

Nothing but one core is used. A failure names its seed, with which it comes again.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Figures = List[Dict[str, Any]]

KILLS, DAMAGES, INPUTS, REQUESTS = 200, 1000, 100_000, 1_000_000


def kills(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """200 kills of each command at random moments."""
    from tests.reliability import crash

    scene = crash.Scene(folder)
    return [told(crash.check_kills(scene, name, int(KILLS * share), seed)) for name in only or crash.COMMANDS]


def faults(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """Every step of every write of each command: killed there, and without room there."""
    from tests.reliability import crash

    scene, most = crash.Scene(folder), 10**6 if share >= 1 else 1
    return [told(crash.check_steps(scene, name, most)) for name in only or crash.COMMANDS]


def damages(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """1,000 damages of each kind of file."""
    from tests.reliability import damage

    return [told(damage.check(name, folder, int(DAMAGES * share), seed)) for name in only or damage.KINDS]


def inputs(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """100,000 hostile or broken inputs."""
    from tests.reliability import fuzz
    from tests.reliability.inputs import TARGETS

    targets = [each for each in TARGETS if not only or each.name in only]
    found = [told(fuzz.check(target, int(INPUTS * share * target.share), seed)) for target in targets]
    return [*found, told({"inputs of": "all", "inputs": sum(each["inputs"] for each in found)})]


def long(folder: Path, seed: int, share: float, only: Sequence[str]) -> Figures:
    """A search with 1,000,000 requests."""
    from tests.reliability import long_search

    return [told(each) for each in long_search.measured(folder, int(REQUESTS * share), seed)]


PARTS: Dict[str, Callable[[Path, int, float, Sequence[str]], Figures]] = {
    each.__name__: each for each in (damages, inputs, kills, faults, long)
}


def told(figures: Dict[str, Any]) -> Dict[str, Any]:
    """Prints a line of figures."""
    print("  " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)
    return figures


def main(words: Sequence[str]) -> None:
    """Does what the words say."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the full numbers, for a short try")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a command or kind of file")
    parser.add_argument("--output", type=Path, default=Path("results/reliability"))
    parser.add_argument("--work", type=Path, help="folder to work in; default: one in memory")
    options = parser.parse_args(words)
    for name in options.parts or PARTS:
        shared = Path("/dev/shm")
        base = options.work or (shared if shared.is_dir() else None)
        folder = Path(tempfile.mkdtemp(prefix="reliability-", dir=base and str(base)))
        print(f"{name}: {PARTS[name].__doc__} Seed {options.seed}.", flush=True)
        started = time.monotonic()
        figures = PARTS[name](folder, options.seed, options.share, options.only)
        shutil.rmtree(str(folder))
        content = {
            "command": " ".join(["python -m tests.reliability", *map(shlex.quote, words)]),
            "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": round(time.monotonic() - started),
            "figures": figures,
        }
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
