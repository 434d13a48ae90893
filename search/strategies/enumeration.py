"""Scores every architecture of a space, or of a part of it, in one walk that can be stopped anywhere."""

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
from search.nsga2.scoring import Cost, Evaluator, Score, score_all
from search.storage.space_file import SpaceFile

_SAVE_EVERY = 10.0  # seconds


def select_by_digits(space: Space, backbones: str, heads: str) -> List[Architecture]:
    """The architectures that have one of some backbones and one of some heads.

    Args:
        space: of the architectures.
        backbones: the digits of each, with commas between them; empty: all.
        heads: likewise.

    Raises:
        InputError: one has another number of digits than there are genes, or names an option that a gene has not.
    """
    parts = []
    for what, text, counts in (
        ("backbone", backbones, space.counts[: space.backbone]),
        ("head", heads, space.counts[space.backbone :]),
    ):
        every = list(itertools.product(*map(range, counts)))
        by_digits = {space.format(options): options for options in every}
        names = text.split(",") if text else []
        for digits in names:
            if digits not in by_digits:
                raise InputError(
                    f"{what} {digits!r}: must be {len(counts)} digits, each an option of its gene, such as "
                    f"{space.format(every[-1])}; with commas between several"
                )
        parts.append([by_digits[digits] for digits in names] or every)
    return sorted({backbone + head for backbone in parts[0] for head in parts[1]})


def enumerate_space(
    file: SpaceFile,
    evaluator: Evaluator,
    wanted: Sequence[Architecture],
    cost: Callable[[Architecture], Cost],
    lock: Lock,
) -> None:
    """Scores what is wanted and not known yet, and saves it.

    Args:
        file: to save in.
        evaluator: of architectures.
        wanted: architectures to score.
        cost: an architecture's.
        lock: on the file.

    Raises:
        Interrupted: a signal came; what has been scored is saved.
    """
    space = file.archive.space
    scores: Dict[Architecture, float] = {}
    missing = [architecture for architecture in wanted if architecture not in file.archive]
    saved, best = time.monotonic(), math.inf
    with stop_flag() as stop, progress("scoring", len(wanted), len(wanted) - len(missing)) as bar:
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


def _save(file: SpaceFile, scores: Dict[Architecture, float], cost: Callable[[Architecture], Cost]) -> None:
    """Saves scores with those that the file has."""
    known = file.archive
    rows: List[Score] = list(zip(known.architectures(range(len(known))), known.column("epe").tolist()))
    rows = sorted({**dict(rows), **scores}.items())
    archive = Archive(known.space)
    archive.append(rows, [cost(each) for each, _ in rows], 0, {each for each, _ in rows})
    file.archive = archive
    file.write()
