"""Compare ways to adapt retrained networks to a board whose input is smaller than the images of the training.

    .venv/bin/python -m benchmarks.board_input results/demo --config configs/demo_board.yaml

Takes the retrained networks of a run, and scores them with the input of the board in float32: as they are, with
recalibrated BN statistics, and after the last stage of the recipe of a configuration. Prints JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

from benchmarks.stack import describe_stack
from edgeflownas.config import ChildConfig, Config, load
from edgeflownas.data.datasets import open_whole
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from edgeflownas.training.stages import prepare_retraining
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.task import Task


def measure(task: Task, config: Config) -> Dict[str, Any]:
    """Return the EPEs of a retrained network with the input of the board, in pixels."""
    child, started = task.config, time.monotonic()
    skeleton = open_skeleton(child)
    architecture = Space.from_skeleton(skeleton).parse(child.architecture)
    size = (config.deploy.height or 0, config.deploy.width or 0)
    train, val = (open_whole(child.data, part, size) for part in ("train", "val"))
    data = EvaluationData(train, val, child.evaluation, child.threads)
    evaluator = ChildEvaluator(skeleton, architecture, data, child.threads)
    tensors, _ = checkpoint.load(task.paths.best)
    stages = child.model_copy(update={"train": config.queue.train}).stages
    last = ChildConfig(**{name: getattr(stages[-1], name) for name in ChildConfig.model_fields})
    with tempfile.TemporaryDirectory() as folder:
        prepare_retraining(last, Path(folder), tensors).run()
        tuned, _ = checkpoint.load(Path(folder) / "best.h5")
    return {
        "architecture": child.architecture,
        "epe_at_training_size": load_result(task).epe,
        "zero_flow_epe": data.zero_flow_epe(),
        "stored_statistics": evaluator.epe(tensors, select_statistics(tensors)),
        "recalibrated": evaluator.score(tensors),
        "fine_tuned": evaluator.epe(tuned, select_statistics(tuned)),
        "wall_s": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Measure all retrained networks of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", type=Path, default=Path("configs/demo_board.yaml"))
    parser.add_argument("--tasks", type=int, nargs="*", help="Tasks of the queue. Default: all.")
    options = parser.parse_args()
    config, queue = load(options.config), Queue(options.run / "queue")
    rows: List[Dict[str, Any]] = [measure(queue.task(index), config) for index in options.tasks or queue.indices]
    print(json.dumps({"stack": describe_stack(), "seed": config.seed, "networks": rows}, indent=2))


if __name__ == "__main__":
    main()
