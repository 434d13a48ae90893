"""Enumeration: score all architectures of a space, or of a part of it, in one pass that can be interrupted anywhere."""

import itertools
import math
import time
from typing import Callable, Dict, List, Sequence

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress
from edgeflownas.signals import stop_flag
from edgeflownas.storage.lock import Lock
from search.nsga2.archive import Archive
from search.nsga2.scoring import CostFigures, Evaluator, Score, score_all
from search.storage.space_file import SpaceFile

_SAVE_EVERY = 10.0  # seconds


def select_by_digits(space: Space, backbones: str, heads: str) -> List[Architecture]:
    """Return the architectures with one of the given backbones and one of the given heads.

    Args:
        space: Space of the architectures.
        backbones: Digits of the backbones, separated by commas; if empty, all.
        heads: Digits of the heads, separated by commas; if empty, all.

    Raises:
        InputError: A backbone or head has the wrong number of digits, or names an option that its gene does not have.
    """
    parts = []
    for part, text, counts in (
        ("backbone", backbones, space.counts[: space.backbone]),
        ("head", heads, space.counts[space.backbone :]),
    ):
        combinations = list(itertools.product(*map(range, counts)))
        by_digits = {space.format(options): options for options in combinations}
        names = text.split(",") if text else []
        for digits in names:
            if digits not in by_digits:
                raise InputError(
                    f"{part} {digits!r}: must be {len(counts)} digits, each an option of its gene, such as "
                    f"{space.format(combinations[-1])}; separate several with commas"
                )
        parts.append([by_digits[digits] for digits in names] or combinations)
    return sorted({backbone + head for backbone in parts[0] for head in parts[1]})


def enumerate_space(
    file: SpaceFile,
    evaluator: Evaluator,
    requested: Sequence[Architecture],
    cost: Callable[[Architecture], CostFigures],
    lock: Lock,
) -> None:
    """Score the requested architectures that are not yet in the file, and save them.

    Args:
        file: File to save the scores in.
        evaluator: Evaluator of the architectures.
        requested: Architectures to score.
        cost: Function that returns the cost of an architecture.
        lock: Lock on the file.

    Raises:
        Interrupted: A signal was received; the scores so far are saved.
    """
    space = file.archive.space
    scores: Dict[Architecture, float] = {}
    missing = [architecture for architecture in requested if architecture not in file.archive]
    saved, best = time.monotonic(), math.inf
    with stop_flag() as stop, progress("scoring", len(requested), len(requested) - len(missing)) as bar:
        for part in score_all(evaluator, space, missing):
            scores.update(part)
            best = min([best, *(epe for _, epe in part if math.isfinite(epe))])
            bar.advance(f"best EPE {best:.4f} px", len(part))
            lock.beat()
            if stop or time.monotonic() - saved > _SAVE_EVERY:
                _save(file, scores, cost)
                saved = time.monotonic()
            stop.raise_if_set()
    _save(file, scores, cost)


def _save(file: SpaceFile, scores: Dict[Architecture, float], cost: Callable[[Architecture], CostFigures]) -> None:
    """Save scores together with those that are already in the file."""
    known = file.archive
    rows: List[Score] = list(zip(known.architectures(range(len(known))), known.column("epe").tolist()))
    rows = sorted({**dict(rows), **scores}.items())
    architectures = [architecture for architecture, _ in rows]
    archive = Archive(known.space)
    archive.append(rows, list(map(cost, architectures)), 0, set(architectures))
    file.archive = archive
    file.write()
