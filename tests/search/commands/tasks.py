"""A queue whose only task has been retrained."""

from typing import Dict

import numpy as np
import yaml

from edgeflownas.storage import checkpoint
from search.run import Run


def make_task(run: Run, architecture: str, tensors: Dict[str, np.ndarray]) -> None:
    """Write a queue with one task as far as the weights of its child are read."""
    child = run.retraining(architecture).model_dump()
    found = {"epe": 1.0, "fps": 1.0, "latency_ms": 1.0, "sram_kib": 1.0, "npu_cycles": 1.0, "source": "predicted"}
    task = {**child, "attempts": 1, "supernet_sha256": "0" * 64, "first_weights": None, "found": found}
    queue = {"rule": "spread", "size": 1, "tasks": 1, "objectives": ["epe", "fps"], "seed": 0}
    folder = run.queue_folder / "tasks" / "000"
    folder.mkdir(parents=True)
    (run.queue_folder / "queue.yaml").write_text(
        yaml.safe_dump(
            {"format": "edgeflownas-queue", "format_version": 1, **queue, "supernet_sha256": "", "search_sha256": None}
        )
    )
    (folder / "task.yaml").write_text(yaml.safe_dump({"format": "edgeflownas-task", "format_version": 1, **task}))
    checkpoint.save(folder / "best.h5", tensors, {})
