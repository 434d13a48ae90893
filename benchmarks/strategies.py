"""Sums up the comparison of strategies: A, B and C on the same children, and what each cost.

    .venv/bin/python -m benchmarks.strategies --truth results/strategies_c --a results/strategies_a \\
        --b results/strategies_b --output results/reference/strategies/strategies.json

Each of the runs A and B has a ``rank.json`` and ``rank.csv``, made with the children of C. Of these children, those on
the front by A's EPE are what A would have chosen: their true EPE gives the hypervolume that A reaches, beside the whole
front of the truth.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from edgeflownas import record
from edgeflownas.files import write_json
from search.objectives import Objectives, nondominated
from search.queue.queue import Queue
from search.run import Run


def main() -> None:
    """Writes the summary, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("truth", "a", "b"):
        parser.add_argument(f"--{name}", type=Path, required=name == "truth", help="run folder")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    truth, children_s, fps = _children(given.truth)
    run = Run.open(given.truth / "config.yaml", given.truth)
    evolution = run.config.evolution
    objectives = Objectives(["epe", "fps"], evolution.reference_point)
    names = sorted(truth)
    true = np.array([[truth[name], -fps[name]] for name in names])
    best = objectives.hypervolume(true)
    front = nondominated(true)
    rows: Dict[str, Any] = {
        "n": len(names),
        "C": {
            "front": [names[index] for index in front], "hypervolume": best, "share": 1.0, "train_s": children_s,
        },
    }  # fmt: skip
    for letter, folder in (("A", given.a), ("B", given.b)):
        if folder is not None:
            promised = _promised(folder / "rank.csv")
            points = np.array([[promised[name], -fps[name]] for name in names])
            chosen = nondominated(points)
            reached = objectives.hypervolume(true[chosen])
            rows[letter] = {
                "front": [names[index] for index in chosen],
                "hypervolume": reached,
                "share": reached / best,
                "train_s": _trained_s(folder),
                "kendall_tau": json.loads((folder / "rank.json").read_text())["rankings"][-1]["kendall_tau"],
            }
    write_json(given.output, rows)
    print(json.dumps(rows, indent=2))


def _children(folder: Path) -> Tuple[Dict[str, float], float, Dict[str, float]]:
    """EPE by architecture, seconds of training, and FPS by architecture, of the children that are done."""
    queue = Queue(folder / "queue")
    epe, fps, seconds = {}, {}, 0.0
    for index in queue.indices:
        task = queue.task(index)
        if task.state().state == "done":
            result = record.read(task.paths.result)
            name = task.config.architecture
            epe[name], fps[name] = result["epe"], task.config.found.fps
            seconds += result["wall_s"]
    return epe, seconds, fps


def _promised(path: Path) -> Dict[str, float]:
    """The last recalibrated EPE of each architecture."""
    with path.open(encoding="utf-8") as file:
        rows: List[Dict[str, str]] = list(csv.DictReader(file))
    columns: Sequence[str] = [name for name in rows[0] if name.endswith(".h5")]
    return {row["architecture"]: float(row[columns[-1]]) for row in rows}


def _trained_s(folder: Path) -> float:
    """Seconds of training, over all stages."""
    seconds = 0.0
    for path in folder.glob("supernet/**/log.csv"):
        with path.open(encoding="utf-8") as file:
            seconds += float(list(csv.DictReader(file))[-1]["wall_s"])
    return seconds


if __name__ == "__main__":
    main()
