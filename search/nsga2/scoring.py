"""What the search asks of an evaluator and of a cost model, and the checks on what they answer."""

import math
import operator
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
from typing_extensions import Protocol

from edgeflownas.errors import FailedError, InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import say

Score = Tuple[Architecture, float]

COST_FIGURES = ("fps", "latency_ms", "sram_kib", "npu_cycles")
COST_SOURCES = ("predicted", "compiled")  # an archive holds their numbers


class Evaluator(Protocol):
    """Scores architectures."""

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Gives, backbone by backbone, the EPE in pixels of architectures, in any order."""
        ...


class Cost(Protocol):
    """Hardware cost of an architecture."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        ...

    @property
    def latency_ms(self) -> float:
        """Time of one inference."""
        ...

    @property
    def sram_kib(self) -> float:
        """SRAM peak."""
        ...

    @property
    def npu_cycles(self) -> float:
        """Cycles of the NPU."""
        ...

    @property
    def source(self) -> str:
        """Where the figures come from, one of ``COST_SOURCES``."""
        ...


class CostModel(Protocol):
    """Tells costs without evaluating anything."""

    @property
    def sram_cap_kib(self) -> Optional[float]:
        """What the board has for activations."""
        ...

    def cost(self, architecture: Architecture) -> Cost:
        """An architecture's cost."""
        ...


# Is called with the number of architectures that are compiled so far, and the number of all to compile.
CompileProgress = Callable[[int, int], None]
# Compiles architectures and returns their costs, in the same order.
CompileCosts = Callable[[Sequence[Architecture], CompileProgress], Sequence[Cost]]


class EvaluatorError(FailedError):
    """An evaluator that did not answer what it was asked."""


def score_all(evaluator: Evaluator, space: Space, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
    """Asks an evaluator, and checks its answers. What it leaves out is named, and has failed: its EPE is NaN.

    Raises:
        EvaluatorError: it answered something that was not asked, or twice, or what is no number, or nothing at all.
    """
    missing = set(architectures)
    answered: Set[Architecture] = set()
    for part in evaluator.score(architectures):
        for architecture, epe in part:
            if not isinstance(epe, (float, int, np.floating, np.integer)) or isinstance(epe, bool):
                raise EvaluatorError(f"the evaluator's EPE of {architecture!r} is no number but {epe!r:.80}")
            if architecture in answered:
                raise EvaluatorError(f"the evaluator answered architecture {space.format(architecture)} twice")
            if architecture not in missing:
                raise EvaluatorError(f"the evaluator answered {architecture!r}, which was not asked for")
            missing.remove(architecture)
            answered.add(architecture)
        yield part
    if missing:
        left_out = f"the evaluator left out {len(missing)} architectures, {space.format(min(missing))} among them"
        if not answered:
            raise EvaluatorError(f"{left_out}, and answered nothing")
        say(f"{left_out}: they have failed, and are not asked for again")
        yield [(architecture, math.nan) for architecture in sorted(missing)]


def look_up_cost(space: Space, table: CostModel, architecture: Architecture) -> Cost:
    """An architecture's cost.

    Raises:
        InputError: a figure is not finite or not positive, or comes from nowhere.
    """
    try:
        cost = table.cost(architecture)
        wrong = find_cost_error(cost)
    except ValueError as error:  # a sum over genes that is negative
        wrong = " ".join(str(error).split())
    if wrong is not None:
        raise InputError(
            f"architecture {space.format(architecture)}: {wrong}, by the cost table; build the table again with "
            f"`cost build`"
        )
    return cost


def compute_all_costs(space: Space, table: CostModel) -> Dict[str, np.ndarray]:
    """The figures of cost of all architectures, by name, in the order of ``Space.all``.

    Raises:
        InputError: one cannot be right.
    """
    figures, of = np.empty((space.size, len(COST_FIGURES))), operator.attrgetter(*COST_FIGURES)
    for row, architecture in enumerate(space.all()):
        figures[row] = of(look_up_cost(space, table, architecture))
    return dict(zip(COST_FIGURES, figures.T))


def find_cost_error(cost: Cost) -> Optional[str]:
    """What is wrong with a cost; None: nothing."""
    for name in COST_FIGURES:
        figure = getattr(cost, name)
        if not (math.isfinite(figure) and figure > 0):
            return f"{name} is {figure}, and must be finite and positive"
    if cost.source not in COST_SOURCES:
        return f"unknown source of cost {cost.source!r}"
    return None
