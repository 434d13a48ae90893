"""What the search asks of an evaluator and of a cost model, and the checks on what they answer."""

import math
from typing import Callable, Iterator, List, Optional, Sequence, Set, Tuple

from typing_extensions import Protocol

from edgeflownas.errors import InputError
from edgeflownas.space import Architecture, Space

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


# Asks the compiler for the costs of architectures.
CompileCosts = Callable[[Sequence[Architecture]], Sequence[Cost]]


class EvaluatorError(RuntimeError):
    """An evaluator that did not answer what it was asked."""


def scored(evaluator: Evaluator, space: Space, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
    """Asks an evaluator, and checks its answers.

    Raises:
        EvaluatorError: it answered something that was not asked, twice, or not everything.
    """
    missing = set(architectures)
    answered: Set[Architecture] = set()
    for part in evaluator.score(architectures):
        for architecture, _ in part:
            if architecture in answered:
                raise EvaluatorError(f"the evaluator answered architecture {space.format(architecture)} twice")
            if architecture not in missing:
                raise EvaluatorError(f"the evaluator answered {architecture!r}, which was not asked for")
            missing.remove(architecture)
            answered.add(architecture)
        yield part
    if missing:
        first = space.format(min(missing))
        raise EvaluatorError(f"the evaluator left out {len(missing)} architectures, {first} among them")


def checked_cost(space: Space, table: CostModel, architecture: Architecture) -> Cost:
    """An architecture's cost.

    Raises:
        InputError: a figure is not finite or not positive, or comes from nowhere.
    """
    cost = table.cost(architecture)
    for name in COST_FIGURES:
        figure = getattr(cost, name)
        if not (math.isfinite(figure) and figure > 0):
            raise InputError(
                f"architecture {space.format(architecture)}: {name} is {figure} by the cost table, and must be finite "
                f"and positive; build the table again with `cost build`"
            )
    if cost.source not in COST_SOURCES:
        raise InputError(f"architecture {space.format(architecture)}: unknown source of cost {cost.source!r}")
    return cost
