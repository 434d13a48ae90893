"""A run, an archive and a queue that are small enough for tests."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Tuple

import numpy as np

from edgeflownas.config import Config, validate
from edgeflownas.hardware.cost import Cost
from edgeflownas.storage import checkpoint, record
from search.nsga2.archive import Archive
from search.queue.build import build
from search.queue.claim import hold_claim
from search.queue.deployment import DeployedEpe
from search.queue.queue import Queue
from search.queue.retrain import Result
from search.run import Run
from tests.small import weights_for

TRAIN = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3}
CONTENT: Dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "threads": 1,
    "network": {"width": 2},
    "data": {"kind": "procedural", "height": 32, "width": 32, "train_pairs": 8, "val_pairs": 2, "motion": 3.0},
    "train": TRAIN,
    "evaluation": {"calibration_pairs": 4, "calibration_batch": 2, "batch_size": 2},
    "hardware": {"table": "nowhere.yaml", "vela": "no-such-vela"},
    "evolution": {"reference_point": {"epe": 10.0, "fps": 0.0}},
    "queue": {"size": 3, "train": TRAIN},
}
# EPE and FPS by architecture: six on the front, two dominated.
SCORES = {
    "000000000": (4.0, 90.0),
    "100000000": (3.5, 80.0),
    "110000000": (3.0, 60.0),
    "111000000": (2.8, 55.0),
    "111100000": (2.0, 30.0),
    "222222222": (1.0, 10.0),
    "012012012": (4.5, 50.0),
    "210210210": (3.6, 20.0),
}
FRONT = np.arange(6)


def small_run(folder: Path, **queue: Any) -> Run:
    """Return a run in a folder, with a supernet; ``queue`` changes the section of that name."""
    content = {**CONTENT, "queue": {**CONTENT["queue"], **queue}, "supernet": str(folder / "trained.h5")}
    run = Run(validate(content, Config, "test"), folder / "run")
    if not run.supernet_file.exists():
        checkpoint.save(run.supernet_file, weights_for(run.skeleton), {})
    return run


def small_archive(run: Run, known: Mapping[str, Tuple[float, float]] = SCORES) -> Archive:
    archive = Archive(run.space)
    scores = [(run.space.parse(text), epe) for text, (epe, _) in known.items()]
    costs = [Cost(fps, 1e3 / fps, 100.0, 1e6, "predicted") for _, fps in known.values()]
    archive.append(scores, costs, 0, frozenset(architecture for architecture, _ in scores))
    return archive


def small_queue(folder: Path, **queue: Any) -> Queue:
    run = small_run(folder, **queue)
    return build(run, small_archive(run), FRONT)


def finish(queue: Queue, index: int, epe: float, weights_sha256: str = "") -> None:
    """Write the files that the training of a task would leave: the state, and a result after 2 s."""
    task = queue.task(index)
    with hold_claim(task) as claim:
        claim.begin()
        result = Result(
            architecture=task.config.architecture, epe=epe, zero_flow_epe=9.0, epoch=1, epochs=1, wall_s=2.0,
            weights_sha256=weights_sha256,
        )  # fmt: skip
        record.write(task.paths.result, result.model_dump())
        claim.change(state="done", epoch=1, best_epe=epe)


def deployed(epe: float, int8_epe: float, **changes: Any) -> DeployedEpe:
    """Return EPEs with the input of a board, as `queue collect` measures them."""
    settings = {"size": [32, 32], "whole": False, "data": CONTENT["data"]}
    figures = {"epe": epe, "int8_epe": int8_epe, "zero_flow_epe": 9.0, "pairs": 2, "settings": settings}
    return DeployedEpe(**{"weights_sha256": "", **figures, **changes})


def start_python(code: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start a Python process that can import the packages and the tests."""
    root = str(Path(__file__).parents[3])
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=root, universal_newlines=True, **options)


def wait_for(condition: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
