"""Measure how long it takes to read the scores of the demo's space, and to predict the flow of one pair of frames.

    .venv/bin/python -m benchmarks.startup --json results/reference/startup/startup.json

Each repetition is a new process. The processor time is printed besides the elapsed time, because other processes slow
the latter down. The pair has the size of the demo, 64x96 pixels. It is predicted by an architecture with the demo's
supernet, whose BN statistics are recomputed, and by the same architecture as an exported network.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np

from edgeflownas.data.formats import write_image
from edgeflownas.storage.files import write_json

ARCHITECTURE = "210012001"
IMPORT = "import sys; from search import api; api.read_scores; assert 'tensorflow' not in sys.modules"
READ = f"{IMPORT}; scores = api.read_scores(sys.argv[1]); scores.table(), scores.front(), scores.hypervolume()"
EXPORT = """
import sys
from search import api
api.export(api.open_run("demo"), sys.argv[1], pairs=1, output=sys.argv[2])
"""


def measure(command: List[str]) -> Tuple[float, float]:
    """Return the elapsed time and the processor time of a command, in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, elapsed = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def list_commands(folder: Path) -> Dict[str, List[str]]:
    """Return the commands to measure, with all files that they need in a folder."""
    frames = [folder / "a.png", folder / "b.png"]
    for frame, image in zip(frames, np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3))):
        write_image(frame, image.astype(np.uint8))
    subprocess.run([sys.executable, "-c", EXPORT, ARCHITECTURE, str(folder)], check=True, capture_output=True)
    (exported,) = [path for path in folder.glob("*.tflite") if not path.stem.endswith("_vela")]
    scores = "results/reference/demo/space.h5"
    predict = [sys.executable, "-m", "search", "predict", *map(str, frames), "--output", str(folder / "flow")]
    return {
        "start Python": [sys.executable, "-c", ""],
        "import the API": [sys.executable, "-c", IMPORT],
        "import the API and read 19,683 scores": [sys.executable, "-c", READ, scores],
        "predict with the supernet": [*predict[:4], ARCHITECTURE, *predict[4:], "--config", "configs/demo.yaml"],
        "predict with an exported network": [*predict[:4], str(exported), *predict[4:]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    result: Dict[str, Any] = {"python": sys.version.split()[0], "load_average": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in list_commands(Path(folder)).items():
            elapsed, processor = np.median([measure(command) for _ in range(arguments.repetitions)], axis=0)
            result[name] = {"elapsed_s": round(float(elapsed), 2), "processor_s": round(float(processor), 2)}
            print(f"{name}: {processor:.2f} s of processor time, {elapsed:.2f} s elapsed", flush=True)
    if arguments.json is not None:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
