"""How well weights shared in a supernet rank architectures: supernet EPE against that of children trained alone."""

import csv
import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas import record
from edgeflownas.config import validate
from edgeflownas.errors import InputError
from edgeflownas.files import write_text
from edgeflownas.progress import say
from edgeflownas.space import Architecture, Space
from search.agreement import Figure, agreement, figures, inversions
from search.queue.queue import Queue
from search.queue.retrain import Result
from search.queue.status import rows, summary

_INVERSIONS = 5  # that are shown
_LEAST = 3  # children that can be ranked


@dataclass(frozen=True)
class Truth:
    """Children that were trained alone.

    Attributes:
        architectures: in the order of their digits.
        epe: of each, pixels; [n].
        seeds: EPE by architecture, of each queue in turn, the first being ``epe``.
    """

    architectures: List[Architecture]
    epe: np.ndarray
    seeds: List[Dict[Architecture, float]]

    @property
    def noise(self) -> Optional[float]:
        """Standard deviation of one child's EPE from seed to seed, pixels; None without children of several seeds.

        Taken from the children that every seed has; what a seed changes for all of them alike is no noise in a ranking,
        and left out.
        """
        table = self._repeated()
        if table.shape[0] < 2 or table.shape[1] < 2:
            return None
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        return float(np.sqrt((rest**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1))))

    @property
    def between_seeds(self) -> Optional[float]:
        """Kendall's tau between two seeds, in the mean over the pairs of seeds; None where it is not known."""
        table = self._repeated()
        found = [agreement(a, b).tau for a, b in itertools.combinations(table, 2)]
        taus = [tau for tau in found if tau is not None]
        return float(np.mean(taus)) if taus else None

    @property
    def repeated(self) -> int:
        """Number of children that every seed has."""
        return int(self._repeated().shape[1]) if len(self.seeds) > 1 else 0

    def _repeated(self) -> np.ndarray:
        """[seeds, children]."""
        common = [each for each in self.architectures if all(each in seed for seed in self.seeds)]
        return np.array([[seed[each] for each in common] for seed in self.seeds])


class Ranking(NamedTuple):
    """What one set of weights says of the children.

    Attributes:
        weights: their file.
        epoch: that they are of; None where the file does not say.
        recalibrated: whether BN statistics were taken anew for each architecture, or are those of all.
        epe: with these weights, pixels; [n].
        figures: of agreement with the truth.
        clear_tau: Kendall's tau over those pairs alone whose true EPEs differ by more than twice the noise of a
            difference; None where the noise is not known, or no pair is clear.
        clear_pairs: how many these are.
    """

    weights: Path
    epoch: Optional[int]
    recalibrated: bool
    epe: np.ndarray
    figures: Dict[str, Figure]
    clear_tau: Optional[float]
    clear_pairs: int


def read_truth(space: Space, folders: Sequence[Path]) -> Truth:
    """Reads children that were trained from scratch.

    Args:
        space: of the architectures.
        folders: of queues; the first is the truth, the others are of other seeds and tell the noise.

    Raises:
        InputError: there are too few children, or they began with shared weights.
    """
    seeds = [_results(space, folder) for folder in folders]
    architectures = sorted(seeds[0])
    if len(architectures) < _LEAST:
        raise InputError(
            f"queue {folders[0]}: {len(architectures)} children are trained, and a ranking takes {_LEAST}; train more "
            f"with `queue run`, or name another queue with --children"
        )
    return Truth(architectures, np.array([seeds[0][each] for each in architectures]), seeds)


def _results(space: Space, folder: Path) -> Dict[Architecture, float]:
    queue = Queue(folder)
    listed = rows(queue)
    found = {}
    for row in listed:
        if row.word != "done":
            continue
        task = queue.task(row.index)
        if task.config.first_weights is not None:
            raise InputError(
                f"queue {folder}: its children began with the supernet's weights, so they are no independent truth; "
                f"name a queue of strategy: independent, or one with queue.warm_start: false, with --children"
            )
        path = task.paths.result
        result: Result = validate(record.read(path), Result, str(path))
        found[space.parse(task.config.architecture)] = result.epe
    if len(found) < len(listed):
        say(f"queue {folder}: {summary(listed)}; what follows is of those that are done")
    return found


def ranked(truth: Truth, weights: Path, epoch: Optional[int], recalibrated: bool, epe: Sequence[float]) -> Ranking:
    """Compares what weights say with the truth.

    Raises:
        InputError: they give an EPE that is not finite, or all the same one.
    """
    if not np.isfinite(epe).all():
        raise InputError(f"weights {weights}: give an EPE that is not finite; leave them out")
    try:
        found = figures(epe, truth.epe.tolist(), top=max(1, len(truth.epe) // 4))
    except ValueError:
        raise InputError(f"weights {weights}: all architectures have the same EPE; leave them out") from None
    before = np.asarray(epe)
    noise, tau, pairs = truth.noise, None, 0
    if noise is not None:
        first, second = np.triu_indices(len(before), 1)
        gaps = truth.epe[first] - truth.epe[second]
        clear = np.abs(gaps) > 2 * np.sqrt(2) * noise
        pairs = int(clear.sum())
        if pairs:
            tau = float(np.mean((np.sign(gaps) * np.sign(before[first] - before[second]))[clear]))
    return Ranking(weights, epoch, recalibrated, before, found, tau, pairs)


def as_json(space: Space, truth: Truth, rankings: Sequence[Ranking], zero_flow_epe: float) -> Dict[str, Any]:
    """Everything, in plain types."""
    return {
        "n": len(truth.architectures),
        "architectures": [space.format(each) for each in truth.architectures],
        "zero_flow_epe": zero_flow_epe,
        "children": {
            "mean": float(truth.epe.mean()),
            "deviation": float(truth.epe.std(ddof=1)),
            "epe": truth.epe.tolist(),
        },
        "noise": {"px": truth.noise, "n": truth.repeated, "seeds": len(truth.seeds), "tau": truth.between_seeds},
        "rankings": [_ranking(space, truth, each) for each in rankings],
    }


def _ranking(space: Space, truth: Truth, ranking: Ranking) -> Dict[str, Any]:
    names = [space.format(each) for each in truth.architectures]
    wrong = inversions(ranking.epe.tolist(), truth.epe.tolist())
    return {
        "weights": str(ranking.weights),
        "epoch": ranking.epoch,
        "recalibrated": ranking.recalibrated,
        "mean_epe": float(ranking.epe.mean()),
        "epe": ranking.epe.tolist(),
        **{name: figure._asdict() for name, figure in ranking.figures.items()},
        "clear_pairs": {"n": ranking.clear_pairs, "tau": ranking.clear_tau},
        "inversions": len(wrong),
        "largest_inversions": [
            {
                "better": names[each.first],
                "ranked_before_it": names[each.second],
                "better_by": each.after,
                "supernet_gap": each.before,
            }
            for each in wrong[:_INVERSIONS]
        ],
    }


def write_table(path: Path, space: Space, truth: Truth, rankings: Sequence[Ranking]) -> None:
    """Writes ``rank.csv``: each child's EPE by seed, and with each of the weights."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = [f"{each.weights}{'' if each.recalibrated else ' not recalibrated'}" for each in rankings]
    writer.writerow(["architecture", *(f"child {number}" for number in range(1, len(truth.seeds) + 1)), *labels])
    for row, architecture in enumerate(truth.architectures):
        children = [seed.get(architecture, "") for seed in truth.seeds]
        writer.writerow([space.format(architecture), *children, *(each.epe[row] for each in rankings)])
    write_text(path, text.getvalue())
