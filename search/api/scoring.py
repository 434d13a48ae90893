"""Scores of single architectures with the weights of a supernet."""

from typing import Dict, Sequence

from search.nsga2.scoring import score_all
from search.run import Run
from search.workers.evaluator import open_evaluator


def score(run: Run, architectures: Sequence[str]) -> Dict[str, float]:
    """Score architectures as a search does: with the supernet of the run, recalibrated, on its validation pairs.

    Args:
        run: Run whose configuration names the supernet, the data and the workers.
        architectures: Digits of the architectures.

    Returns:
        EPE in pixels by architecture, in the order of ``architectures``; NaN if it is not finite.

    Raises:
        InputError: An architecture is not in the space, or the weights or the data cannot be used.
    """
    requested = {run.space.parse(text): text for text in architectures}
    scores: Dict[str, float] = {}
    with open_evaluator(run, run.supernet_weights()) as opened:
        for part in score_all(opened.evaluator, run.space, sorted(requested)):
            scores.update((requested[architecture], epe) for architecture, epe in part)
    return {text: scores[text] for text in architectures}
