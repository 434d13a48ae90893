"""What ``benchmarks.strategies`` reads: supernets with their rankings, and the children that were trained alone."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import h5py
import numpy as np

from edgeflownas.errors import InputError
from search.nsga2.objectives import Objectives, find_nondominated
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.ranking.rank import Ranking, rank_children
from search.ranking.truth import Truth
from search.run import Run
from search.strategies import staged

_RANDOM_ORDERS = 1000


class Supernet(NamedTuple):
    """A trained supernet, and how it ranks the children.

    Attributes:
        run: whose it is.
        rankings: by its weights, from early to late.
        paths: trained up to each epoch that a ranking is of.
    """

    run: Run
    rankings: List[Ranking]
    paths: Dict[int, int]

    @property
    def train_s(self) -> float:
        """Seconds of training, over all stages."""
        return sum(float(log[-1]["wall_s"]) for log in _logs(self.run))

    @property
    def search_s(self) -> Optional[float]:
        """Seconds of the search; None where there was none yet."""
        if not self.run.search_file.exists():
            return None
        with h5py.File(str(self.run.search_file), "r") as file:
            generations = file["generations"]
            return float(generations[max(generations)].attrs["wall_s"]) if len(generations) else None

    def last(self, recalibrated: bool) -> Optional[Ranking]:
        """By the weights that a search takes."""
        return next((each for each in reversed(self.rankings) if each.recalibrated is recalibrated), None)


class Children:
    """The children that are known, and what a choice among them is worth."""

    def __init__(self, run: Run, truth: Truth) -> None:
        """Takes the first run of C, and what is true of its children."""
        fps = {}
        queue = Queue(run.queue_folder)
        self.train_s = 0.0
        for index in queue.indices:
            task = queue.task(index)
            if task.state().state == "done":
                fps[run.space.parse(task.config.architecture)] = task.config.found.fps
                self.train_s += load_result(task).wall_s
        self.names = [run.space.format(each) for each in truth.architectures]
        self._costs = -np.array([fps[each] for each in truth.architectures])
        self._true = self._points(truth.epe)
        self._loose = Objectives(["epe", "fps"], run.config.evolution.reference_point)
        slowest, worst = float(-self._costs.max()), float(truth.epe.max())
        self._tight = Objectives(["epe", "fps"], {"epe": worst, "fps": slowest})

    def _points(self, epe: np.ndarray) -> np.ndarray:
        return np.column_stack([epe, self._costs])

    def chosen(self, epe: np.ndarray) -> Dict[str, Any]:
        """The front by some EPE, and what it comes to by the true one."""
        front = find_nondominated(self._points(epe))
        best_first = front[np.argsort(self._true[front, 0])]
        return {
            "front": [self.names[index] for index in best_first],
            "hypervolume": self._loose.hypervolume(self._true[front]),
            "share": self._share(self._loose, front),
            "tight_share": self._share(self._tight, front),
        }

    def _share(self, objectives: Objectives, front: np.ndarray) -> float:
        whole = objectives.hypervolume(self._true)
        return objectives.hypervolume(self._true[front]) / whole if whole else 1.0

    def at_random(self) -> Dict[str, float]:
        """The shares that an EPE in random order reaches, in the mean."""
        rng = np.random.default_rng(0)
        found = [self.chosen(rng.permutation(len(self.names))) for _ in range(_RANDOM_ORDERS)]
        return {name: float(np.mean([each[name] for each in found])) for name in ("share", "tight_share")}


def opened(folder: Path) -> Run:
    """A run with the configuration that it has left."""
    return Run.open(folder / "config.yaml", folder)


def read_supernet(folder: Path, truth: Truth) -> Supernet:
    """Reads a run and its rankings; their figures are taken anew, against the truth as it is now.

    Raises:
        InputError: a file is missing or damaged, or the ranking is not of all these children.
    """
    run = opened(folder)
    mend = "make it with `rank` and the same --children"
    try:
        content = json.loads(run.rank_file.read_text(encoding="utf-8"))
        place = {name: index for index, name in enumerate(content["architectures"])}
        order = [place[run.space.format(each)] for each in truth.architectures]
        rankings = [
            rank_children(
                truth, Path(each["weights"]), each["epoch"], each["recalibrated"],
                [each["epe"][index] for index in order],
            )
            for each in content["rankings"]
        ]  # fmt: skip
    except OSError as error:
        raise InputError(f"{run.rank_file}: cannot be read: {error.strerror}; {mend}") from None
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(f"{run.rank_file}: is damaged, or not of all of these children; {mend}") from None
    if not any(each.recalibrated for each in rankings):
        raise InputError(f"{run.rank_file}: holds no ranking; {mend}")
    return Supernet(run, rankings, _paths(run))


def _paths(run: Run) -> Dict[int, int]:
    """Paths trained up to each epoch of the last stage, those of the stages before it included."""
    a_step = 1 if run.config.train.sampling == "uniform" else max(run.space.counts)
    *before, last = [log for log in _logs(run) if log]
    done = sum(int(log[-1]["steps"]) for log in before)
    return {int(line["epoch"]): a_step * (done + int(line["steps"])) for line in last}


def _logs(run: Run) -> List[List[Dict[str, str]]]:
    """Of each stage of the training, in order."""
    folders = staged.stage_folders(run.supernet_folder) if run.config.strategy == "staged" else [run.supernet_folder]
    logs = []
    for folder in folders:
        try:
            with (folder / "log.csv").open(encoding="utf-8") as file:
                logs.append([dict(row) for row in csv.DictReader(file)])
        except OSError as error:
            raise InputError(f"{folder / 'log.csv'}: cannot be read: {error.strerror}; train to the end") from None
    return logs
