"""Interfaces of evaluators and cost models, and checks on their results."""

import math
import operator
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
from typing_extensions import Protocol, runtime_checkable

from edgeflownas.errors import FailedError, InputError
from edgeflownas.hardware.cost_sums import CostSums
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say
from edgeflownas.wording import format_count

Score = Tuple[Architecture, float]

COST_FIGURES = ("fps", "latency_ms", "sram_kib", "npu_cycles")
COST_SOURCES = ("predicted", "compiled", "measured", "corrected")  # archives store the index


class Evaluator(Protocol):
    """Scores architectures."""

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Yield the EPEs of architectures in pixels, backbone by backbone, in any order."""
        ...


class CostFigures(Protocol):
    """Hardware cost of an architecture."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        ...

    @property
    def latency_ms(self) -> float:
        """Time of one inference, in ms."""
        ...

    @property
    def sram_kib(self) -> float:
        """SRAM peak, in KiB."""
        ...

    @property
    def npu_cycles(self) -> float:
        """Cycles of the NPU."""
        ...

    @property
    def source(self) -> str:
        """Source of the figures, one of ``COST_SOURCES``."""
        ...


class CostModel(Protocol):
    """A model that returns costs without evaluating anything."""

    @property
    def sram_cap_kib(self) -> Optional[float]:
        """SRAM that the board has for activations, in KiB; None if there is no limit."""
        ...

    def cost(self, architecture: Architecture) -> CostFigures:
        """Return the cost of an architecture."""
        ...


@runtime_checkable
class SummedCostModel(CostModel, Protocol):
    """A cost model whose costs are sums, which spaces that are too large to list need."""

    def sums(self) -> CostSums:
        """Return the sums."""
        ...


# Callback with the number of architectures compiled so far, and the total.
CompileProgress = Callable[[int, int], None]
# Compiles architectures and returns their costs, in the same order.
CompileCosts = Callable[[Sequence[Architecture], CompileProgress], Sequence[CostFigures]]


class EvaluatorError(FailedError):
    """An evaluator returned an invalid result."""


def score_all(evaluator: Evaluator, space: Space, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
    """Score architectures with an evaluator, and check its results.

    Architectures without a result have failed: their EPE is NaN, and a message names one of them.

    Raises:
        EvaluatorError: The evaluator returned an architecture that was not requested, an architecture twice, an EPE
            that is not a number, or nothing at all.
    """
    missing = set(architectures)
    scored: Set[Architecture] = set()
    for part in evaluator.score(architectures):
        for architecture, epe in part:
            if not isinstance(epe, (float, int, np.floating, np.integer)) or isinstance(epe, bool):
                raise EvaluatorError(f"the evaluator's EPE of {architecture!r} is not a number: {epe!r:.80}")
            if architecture in scored:
                raise EvaluatorError(f"the evaluator returned architecture {space.format(architecture)} twice")
            if architecture not in missing:
                raise EvaluatorError(f"the evaluator returned {architecture!r}, which was not requested")
            missing.remove(architecture)
            scored.add(architecture)
        yield part
    if missing:
        left_out = format_count(len(missing), "architecture")
        message = f"the evaluator left out {left_out}, including {space.format(min(missing))}"
        if not scored:
            raise EvaluatorError(f"{message}, and returned none")
        say(f"{message}: they have failed, and are not requested again")
        yield [(architecture, math.nan) for architecture in sorted(missing)]


def look_up_cost(space: Space, table: CostModel, architecture: Architecture) -> CostFigures:
    """Return the cost of an architecture.

    Raises:
        InputError: A figure is not finite and positive, or its source is unknown.
    """
    try:
        cost = table.cost(architecture)
        error = find_cost_error(cost)
    except ValueError as invalid:  # a negative sum over genes
        error = " ".join(str(invalid).split())
    if error is not None:
        raise InputError(
            f"architecture {space.format(architecture)}: invalid cost in the cost table: {error}; rebuild the table "
            f"with `cost build`"
        )
    return cost


def compute_costs(space: Space, table: CostModel, genes: np.ndarray) -> Dict[str, np.ndarray]:
    """Return the cost figures of architectures [N, genes] by name, float64 [N] each.

    Raises:
        InputError: A cost is invalid.
    """
    if isinstance(table, SummedCostModel):
        costs = table.sums().costs(genes)
        is_valid = np.all([np.isfinite(costs[name]) & (costs[name] > 0) for name in COST_FIGURES], axis=0)
        for architecture in genes[~is_valid][:1].tolist():
            look_up_cost(space, table, tuple(architecture))
        return costs
    figures, get_figures = np.empty((len(genes), len(COST_FIGURES))), operator.attrgetter(*COST_FIGURES)
    for row, architecture in enumerate(genes.tolist()):
        figures[row] = get_figures(look_up_cost(space, table, tuple(architecture)))
    return dict(zip(COST_FIGURES, figures.T))


def find_cost_error(cost: CostFigures) -> Optional[str]:
    """Return why a cost is invalid; None if it is valid."""
    for name in COST_FIGURES:
        figure = getattr(cost, name)
        if not (math.isfinite(figure) and figure > 0):
            return f"{name} is {figure}, but must be finite and positive"
    if cost.source not in COST_SOURCES:
        return f"unknown source of cost {cost.source!r}"
    return None
