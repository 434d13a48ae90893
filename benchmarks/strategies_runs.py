"""Input of ``benchmarks.strategies``: supernets with their rankings, and children that were trained alone."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import h5py
import numpy as np

from edgeflownas.errors import InputError
from search.nsga2.objectives import Objectives, find_nondominated, find_worst_point
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.ranking.rank import Ranking, rank_children
from search.ranking.truth import Truth
from search.run import Run
from search.strategies import staged

_RANDOM_ORDERS = 1000


class Supernet(NamedTuple):
    """A trained supernet and its rankings of the children.

    Attributes:
        run: Run of the supernet.
        rankings: Rankings computed with its weights, in order of epoch.
        paths: Number of paths trained up to each epoch of the last stage.
    """

    run: Run
    rankings: List[Ranking]
    paths: Dict[int, int]

    @property
    def train_s(self) -> float:
        """Time of training over all stages, in seconds."""
        return sum(float(log[-1]["wall_s"]) for log in _read_logs(self.run))

    @property
    def search_s(self) -> Optional[float]:
        """Time of the search, in seconds; None if there was none yet."""
        if not self.run.search_file.exists():
            return None
        with h5py.File(str(self.run.search_file), "r") as file:
            generations = file["generations"]
            return float(generations[max(generations)].attrs["wall_s"]) if len(generations) else None

    def last(self, recalibrated: bool) -> Optional[Ranking]:
        """Return the ranking by the weights that a search uses; None if there is none."""
        matches = (ranking for ranking in reversed(self.rankings) if ranking.recalibrated is recalibrated)
        return next(matches, None)


class Children:
    """The children that were trained alone, and the value of a selection from them.

    Attributes:
        names: Digits of the children.
        train_s: Time of their training, in seconds.
    """

    def __init__(self, run: Run, truth: Truth) -> None:
        """Initialise the children from the first run of C and the truth."""
        fps = {}
        queue = Queue(run.queue_folder)
        self.train_s = 0.0
        for index in queue.indices:
            task = queue.task(index)
            if task.state().state == "done":
                fps[run.space.parse(task.config.architecture)] = task.config.found.fps
                self.train_s += load_result(task).wall_s
        self.names = [run.space.format(child) for child in truth.architectures]
        self._costs = -np.array([fps[child] for child in truth.architectures])
        self._true = self._points(truth.epe)
        self._objectives = Objectives(["epe", "fps"])
        self._objectives.reference = find_worst_point(self._true)

    def _points(self, epe: np.ndarray) -> np.ndarray:
        return np.column_stack([epe, self._costs])

    def evaluate_selection(self, epe: np.ndarray) -> Dict[str, Any]:
        """Return the front by the given EPEs, and its share of the true front's hypervolume by the true ones."""
        front = find_nondominated(self._points(epe))
        best_first = front[np.argsort(self._true[front, 0])]
        return {
            "front": [self.names[index] for index in best_first],
            "share": self._share(front),
        }

    def _share(self, front: np.ndarray) -> float:
        whole = self._objectives.hypervolume(self._true)
        return self._objectives.hypervolume(self._true[front]) / whole if whole else 1.0

    def evaluate_random_selections(self) -> Dict[str, float]:
        """Return the mean share that EPEs in random order reach."""
        rng = np.random.default_rng(0)
        results = [self.evaluate_selection(rng.permutation(len(self.names))) for _ in range(_RANDOM_ORDERS)]
        return {"share": float(np.mean([result["share"] for result in results]))}


def open_run(folder: Path) -> Run:
    """Open a run with the configuration in its folder."""
    return Run.open(folder / "config.yaml", folder)


def read_supernet(folder: Path, truth: Truth) -> Supernet:
    """Read a run and its rankings, and recompute the figures against the given truth.

    Raises:
        InputError: A file is missing or damaged, or the ranking does not contain all children of the truth.
    """
    run = open_run(folder)
    hint = "create it with `rank` and the same --children"
    try:
        content = json.loads(run.rank_file.read_text(encoding="utf-8"))
        indices = {name: index for index, name in enumerate(content["architectures"])}
        order = [indices[run.space.format(child)] for child in truth.architectures]
        rankings = [
            rank_children(
                truth, Path(ranking["weights"]), ranking["epoch"], ranking["recalibrated"],
                [ranking["epe"][index] for index in order],
            )
            for ranking in content["rankings"]
        ]  # fmt: skip
    except OSError as error:
        raise InputError(f"{run.rank_file}: cannot be read: {error.strerror}; {hint}") from None
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(f"{run.rank_file}: is damaged, or does not contain all of these children; {hint}") from None
    if not any(ranking.recalibrated for ranking in rankings):
        raise InputError(f"{run.rank_file}: contains no ranking; {hint}")
    return Supernet(run, rankings, _count_paths(run))


def _count_paths(run: Run) -> Dict[int, int]:
    """Return the number of paths trained up to each epoch of the last stage, including the previous stages."""
    paths_per_step = 1 if run.config.train.sampling == "uniform" else max(run.space.counts)
    *previous, last = [log for log in _read_logs(run) if log]
    done = sum(int(log[-1]["steps"]) for log in previous)
    return {int(line["epoch"]): paths_per_step * (done + int(line["steps"])) for line in last}


def _read_logs(run: Run) -> List[List[Dict[str, str]]]:
    """Return the log of each stage of the training, in order."""
    folders = staged.stage_folders(run.supernet_folder) if run.config.strategy == "staged" else [run.supernet_folder]
    logs = []
    for folder in folders:
        try:
            with (folder / "log.csv").open(encoding="utf-8") as file:
                logs.append([dict(row) for row in csv.DictReader(file)])
        except OSError as error:
            raise InputError(f"{folder / 'log.csv'}: cannot be read: {error.strerror}; complete the training") from None
    return logs
