"""The truth with which a supernet's ranking is compared: children that were trained alone, and their noise.

Children of several seeds form a two-way layout: the EPE of a child with a seed is the sum of the child's own EPE, an
offset of the seed that is the same for all children, and noise. Least squares estimate all three. The
estimate for a child that was trained with every seed is the mean of its EPEs, and children that were trained with only
some seeds remain comparable.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import TrainConfig
from edgeflownas.errors import InputError
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from edgeflownas.storage.pairs import Identities, drop_places
from edgeflownas.wording import format_count
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.same_pairs import check_same_pairs
from search.queue.status import read_rows, summarize
from search.queue.task import TaskConfig
from search.ranking.agreement import compute_tau_b
from search.ranking.reliability import Reliability, measure_reliability
from search.run import Run

_LEAST = 3  # smallest number of children that can be ranked
_LEAST_COMMON = 2  # smallest number of children of two seeds that separates noise from the offset of a seed

EpeByArchitecture = Dict[Architecture, float]  # pixels


@dataclass(frozen=True)
class Truth:
    """Children that were trained alone, with one or several seeds.

    Attributes:
        seeds: EPE by architecture for each seed.
        architectures: Architectures trained with the first seed, in the order of their digits.
        epe: Mean EPE of each architecture over the seeds, in pixels, shape [n].
        noise: Seed noise: standard deviation of a child's EPE over seeds, in pixels; None with a single seed. The
            offset of a seed, which is the same for all children, does not affect a ranking and is excluded.
        gap_noise: Standard deviation of the noise in the difference of two children, in pixels, shape [n, n].
        freedom: Degrees of freedom of the noise.
    """

    seeds: List[EpeByArchitecture]
    architectures: List[Architecture]
    epe: np.ndarray
    noise: Optional[float]
    gap_noise: np.ndarray
    freedom: int

    @classmethod
    def fit(cls, seeds: Sequence[EpeByArchitecture]) -> "Truth":
        """Fit the two-way layout; each further seed must share at least two children with the first."""
        architectures = sorted(seeds[0])
        counts, columns = len(architectures), len(seeds) - 1
        cells = [
            (row, number, seed[architecture])
            for number, seed in enumerate(seeds)
            for row, architecture in enumerate(architectures)
            if architecture in seed
        ]
        child, seed_of, epes = (np.array(column) for column in zip(*cells))
        effects = np.vstack([np.eye(columns), -np.ones((1, columns))])  # of the seeds; they add up to zero
        design = np.hstack([np.eye(counts)[child], effects[seed_of]])
        covariance = np.linalg.inv(design.T @ design)  # of the fitted values, in units of the noise's variance
        fitted = covariance @ design.T @ epes
        freedom = len(epes) - len(fitted)
        noise = float(np.sqrt(((epes - design @ fitted) ** 2).sum() / freedom)) if freedom else None
        shared, own = covariance[:counts, :counts], np.diag(covariance)[:counts]
        gaps = np.sqrt(np.maximum(own[:, None] + own - 2 * shared, 0.0))
        return cls(list(seeds), architectures, fitted[:counts], noise, gaps * (noise or 0.0), freedom)

    @property
    def repeated(self) -> int:
        """Number of children that were trained with several seeds."""
        return sum(sum(architecture in seed for seed in self.seeds) > 1 for architecture in self.architectures)

    @property
    def tau_between_seeds(self) -> Optional[float]:
        """Mean Kendall's tau over all pairs of seeds; None if it is not known."""
        taus = []
        for a, b in combinations(self.seeds, 2):
            common = [architecture for architecture in self.architectures if architecture in a and architecture in b]
            taus.append(compute_tau_b([a[child] for child in common], [b[child] for child in common]))
        known = [tau for tau in taus if tau is not None]
        return float(np.mean(known)) if known else None

    @property
    def attainable_tau(self) -> Optional[float]:
        """Kendall's tau that a perfect prediction is expected to reach with this noisy truth; None if noise is unknown.

        For normal variables, it is 2/pi asin r, where r^2 is the share of the children's variance that is not
        noise.
        """
        if self.reliability is None:
            return None
        return float(2 / np.pi * np.arcsin(np.sqrt(max(self.reliability.mean.value, 0.0))))

    @property
    def reliability(self) -> Optional[Reliability]:
        """Intraclass correlations of one training and of the mean over seeds; None without noise."""
        if self.noise is None:
            return None
        count = len(self.epe)
        error = float((self.gap_noise**2).sum()) / (2 * count * (count - 1))
        return measure_reliability(float(self.epe.var(ddof=1)), error, self.noise**2, count, self.freedom)


def read_truth(run: Run, folders: Sequence[Path]) -> Truth:
    """Read children that were trained from scratch.

    Prints a message if the children's network, data or evaluation differs from the run's.

    Args:
        run: Run whose supernet is evaluated.
        folders: Folders of queues. The first queue determines the children; the others contain the same children
            trained with other seeds.

    Raises:
        InputError: There are too few children, they started from shared weights, or the queues differ in more than
            their seeds, such as in the pairs that they were trained on.
    """
    seeds, configs, pairs = zip(*(_read(run, folder) for folder in folders))
    if len(seeds[0]) < _LEAST:
        raise InputError(
            f"queue {folders[0]}: {format_count(len(seeds[0]), 'child is', 'children are')} trained, but "
            f"a ranking needs at least {_LEAST}; train "
            f"more with `queue run`, or name another queue with --children"
        )
    for folder, seed, config in zip(folders[1:], seeds[1:], configs[1:]):
        common = len(seeds[0].keys() & seed.keys())
        if common < _LEAST_COMMON:
            raise InputError(
                f"queue {folder}: {common} of its trained children are also trained in queue {folders[0]}, but seed "
                f"noise needs at least {_LEAST_COMMON}; train more of the same architectures, or leave the queue out"
            )
        for name, value in _conditions(configs[0]).items():
            if _conditions(config)[name] != value:
                raise InputError(
                    f"queue {folder}: its children differ in {name} from those of queue {folders[0]}; name queues "
                    f"that differ only in their seed"
                )
    check_same_pairs({path: identities for one in pairs for path, identities in one.items()})
    numbers = [config.seed for config in configs]
    if len(set(numbers)) < len(numbers):
        raise InputError(
            f"--children: the queues' seeds are {', '.join(map(str, numbers))}; name one queue per seed, as the same "
            f"seed twice does not show noise"
        )
    last = configs[0].stages[-1]
    for name, (here, there) in {
        "network": (run.skeleton.digest(), open_skeleton(last).digest()),
        "data": (run.config.data, last.data),
        "evaluation": (run.config.evaluation.rules, last.evaluation),
    }.items():
        if here != there:
            say(f"queue {folders[0]}: its children differ in {name} from run {run.folder}, whose weights are ranked")
    return Truth.fit(seeds)


def _conditions(config: TaskConfig) -> Dict[str, Any]:
    """Return the settings that the EPE of a child depends on, besides its architecture and seed."""
    return {
        "network": open_skeleton(config).digest(),
        "data": [drop_places(stage.data.model_dump()) for stage in config.stages],
        "train": [stage.train.recipe for stage in config.stages if isinstance(stage.train, TrainConfig)],
        "evaluation": config.evaluation,
    }


def _read(run: Run, folder: Path) -> Tuple[EpeByArchitecture, TaskConfig, Dict[Path, Identities]]:
    """Return EPEs and pairs of the finished children of a queue, and the configuration of its first task."""
    queue = Queue(folder)
    rows = read_rows(queue)
    epes: EpeByArchitecture = {}
    pairs: Dict[Path, Identities] = {}
    for row in rows:
        if row.word != "done":
            continue
        task = queue.task(row.index)
        if task.config.first_weights is not None:
            raise InputError(
                f"queue {folder}: its children started from the supernet's weights, so they are not an independent "
                f"truth; name a queue of strategy: independent, or one with queue.warm_start: false, with --children"
            )
        result = load_result(task)
        epes[run.space.parse(result.architecture)], pairs[task.paths.result] = result.epe, result.pairs
    if len(epes) < len(rows):
        say(f"queue {folder}: {summarize(rows)}; only the finished children are used")
    return epes, queue.task(queue.indices[0]).config, pairs
