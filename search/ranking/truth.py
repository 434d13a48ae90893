"""Children that were trained alone: the truth that a supernet's ranking is judged by, and how sure that truth is.

Children of several seeds are a two-way layout: a child's EPE with a seed is its own, plus what the seed changes for all
children alike, plus noise. Least squares give the first and the last of these. So a child that every seed has counts
with the mean of its EPEs, and one that only some have is comparable with it.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import TrainConfig
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.status import read_rows, summarize
from search.queue.task import TaskConfig
from search.ranking.agreement import tau_b
from search.run import Run

_LEAST = 3  # children that can be ranked
_LEAST_COMMON = 2  # children of two seeds that tell noise from what a seed changes for all

EpeByArchitecture = Dict[Architecture, float]  # EPE of its children, pixels


@dataclass(frozen=True)
class Truth:
    """Children that were trained alone, with one seed or several.

    Attributes:
        seeds: EPE by architecture, of each seed in turn.
        architectures: that the first seed has, in the order of their digits.
        epe: of each, pixels, in the mean over the seeds; [n].
        noise: standard deviation of one child's EPE from seed to seed, pixels; None where there is one seed. What a
            seed changes for all children alike is no noise in a ranking, and left out.
        gap_noise: standard deviation of the noise that is left in the difference of two children, pixels; [n, n].
    """

    seeds: List[EpeByArchitecture]
    architectures: List[Architecture]
    epe: np.ndarray
    noise: Optional[float]
    gap_noise: np.ndarray

    @classmethod
    def fit(cls, seeds: Sequence[EpeByArchitecture]) -> "Truth":
        """Fits the layout; each further seed shares two children with the first at least."""
        architectures = sorted(seeds[0])
        counts, columns = len(architectures), len(seeds) - 1
        cells = [
            (row, number, seed[each])
            for number, seed in enumerate(seeds)
            for row, each in enumerate(architectures)
            if each in seed
        ]
        child, seed_of, epes = (np.array(column) for column in zip(*cells))
        effects = np.vstack([np.eye(columns), -np.ones((1, columns))])  # of the seeds; they add up to nothing
        design = np.hstack([np.eye(counts)[child], effects[seed_of]])
        covariance = np.linalg.inv(design.T @ design)  # of what is fitted, in units of the noise's variance
        fitted = covariance @ design.T @ epes
        free = len(epes) - len(fitted)
        noise = float(np.sqrt(((epes - design @ fitted) ** 2).sum() / free)) if free else None
        shared, own = covariance[:counts, :counts], np.diag(covariance)[:counts]
        gaps = np.sqrt(np.maximum(own[:, None] + own - 2 * shared, 0.0))
        return cls(list(seeds), architectures, fitted[:counts], noise, gaps * (noise or 0.0))

    @property
    def repeated(self) -> int:
        """Number of children that several seeds have."""
        return sum(sum(each in seed for seed in self.seeds) > 1 for each in self.architectures)

    @property
    def between_seeds(self) -> Optional[float]:
        """Kendall's tau between two seeds, in the mean over the pairs of seeds; None where it is not known."""
        taus = []
        for a, b in combinations(self.seeds, 2):
            common = [each for each in self.architectures if each in a and each in b]
            taus.append(tau_b([a[each] for each in common], [b[each] for each in common]))
        known = [tau for tau in taus if tau is not None]
        return float(np.mean(known)) if known else None

    @property
    def attainable(self) -> Optional[float]:
        """Kendall's tau to be expected of a perfect prediction, as the truth itself is noisy; None as the noise.

        It is that of normal variables, 2/pi asin r, where r^2 is the share of the children's variance that is no noise.
        """
        if self.noise is None:
            return None
        gaps = self.epe[:, None] - self.epe
        share = 1.0 - (self.gap_noise**2).sum() / (gaps**2).sum()
        return float(2 / np.pi * np.arcsin(np.sqrt(max(share, 0.0))))


def read_truth(run: Run, folders: Sequence[Path]) -> Truth:
    """Reads children that were trained from scratch.

    Args:
        run: whose supernet is to be judged; tells where the children's data differ from its own.
        folders: of queues. The first names the children; others hold the same ones with other seeds.

    Raises:
        InputError: there are too few children, they began with shared weights, or the queues differ in more than seeds.
    """
    seeds, configs = zip(*(_read(run, folder) for folder in folders))
    if len(seeds[0]) < _LEAST:
        raise InputError(
            f"queue {folders[0]}: {len(seeds[0])} children are trained, and a ranking takes {_LEAST}; train more "
            f"with `queue run`, or name another queue with --children"
        )
    for folder, seed, config in zip(folders[1:], seeds[1:], configs[1:]):
        common = len(seeds[0].keys() & seed.keys())
        if common < _LEAST_COMMON:
            raise InputError(
                f"queue {folder}: {common} of its trained children are trained in queue {folders[0]}, too, and noise "
                f"from seeds takes {_LEAST_COMMON}; train more of the same architectures, or leave it out"
            )
        for name, value in _conditions(configs[0]).items():
            if _conditions(config)[name] != value:
                raise InputError(
                    f"queue {folder}: its children have another {name} than those of queue {folders[0]}; name "
                    f"queues that differ in their seed alone"
                )
    numbers = [config.seed for config in configs]
    if len(set(numbers)) < len(numbers):
        raise InputError(
            f"--children: the queues' seeds are {', '.join(map(str, numbers))}; name each once, as a seed trained "
            f"twice tells no noise"
        )
    scored = configs[0].stages[-1]
    own = {"network": run.config.network, "data": run.config.data, "evaluation": run.config.evaluation.rules}
    for name, value in own.items():
        if getattr(scored, name) != value:
            say(f"queue {folders[0]}: its children have another {name} than run {run.folder}, whose weights are judged")
    return Truth.fit(seeds)


def _conditions(config: TaskConfig) -> Dict[str, Any]:
    """What the EPE of a child depends on, beside its architecture and its seed."""
    return {
        "network": config.network,
        "data": [stage.data for stage in config.stages],
        "train": [stage.train.recipe for stage in config.stages if isinstance(stage.train, TrainConfig)],
        "evaluation": config.evaluation,
    }


def _read(run: Run, folder: Path) -> Tuple[EpeByArchitecture, TaskConfig]:
    """The children of a queue that are done, and what its first task says."""
    queue = Queue(folder)
    listed = read_rows(queue)
    found: EpeByArchitecture = {}
    for row in listed:
        if row.word != "done":
            continue
        task = queue.task(row.index)
        if task.config.first_weights is not None:
            raise InputError(
                f"queue {folder}: its children began with the supernet's weights, so they are no independent truth; "
                f"name a queue of strategy: independent, or one with queue.warm_start: false, with --children"
            )
        found[run.space.parse(task.config.architecture)] = load_result(task).epe
    if len(found) < len(listed):
        say(f"queue {folder}: {summarize(listed)}; what follows is of those that are done")
    return found, queue.task(queue.indices[0]).config
