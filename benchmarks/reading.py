"""Measure how long Python takes to import the API and to read the scores of the demo's space.

    .venv/bin/python -m benchmarks.reading

Each repetition is a new process. The processor time is printed besides the elapsed time, because other processes slow
the latter down.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np

from edgeflownas.storage.files import write_json

_PROGRAM = """
import json, sys, time
start, processor = time.perf_counter(), time.process_time()
from search import api
api.read_scores, api.open_run
seconds = {"import": (time.perf_counter() - start, time.process_time() - processor)}
start, processor = time.perf_counter(), time.process_time()
scores = api.read_scores(sys.argv[1])
scores.table(), scores.front(), scores.hypervolume()
seconds["read"] = (time.perf_counter() - start, time.process_time() - processor)
assert "tensorflow" not in sys.modules
print(json.dumps(seconds))
"""


def measure(path: Path) -> Dict[str, float]:
    """Return the seconds of import and of reading in a new process: elapsed, and of the processor."""
    command = [sys.executable, "-c", _PROGRAM, str(path)]
    measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        f"{step}_{kind}": seconds
        for step, pair in measured.items()
        for kind, seconds in zip(("elapsed", "processor"), pair)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, default=Path("results/reference/demo/space.h5"))
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    measured = [measure(arguments.scores) for _ in range(arguments.repetitions)]
    result: Dict[str, Any] = {name: round(float(np.median([one[name] for one in measured])), 3) for name in measured[0]}
    result.update(repetitions=len(measured), python=sys.version.split()[0], load_average=round(os.getloadavg()[0], 1))
    print(json.dumps(result, indent=2))
    if arguments.json is not None:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
