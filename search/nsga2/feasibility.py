"""Feasibility: the limits that an architecture's costs must keep, which are known before it is scored."""

from typing import Callable, Dict, List, Mapping, Optional

import numpy as np

from edgeflownas.config import Bound, EvolutionConfig

_UNITS = {"fps": "FPS", "latency_ms": "ms", "sram_kib": "KiB", "npu_cycles": "cycles"}


class Feasibility:
    """The limits of a search.

    Attributes:
        bounds: Bounds by name of the cost figure, in the unit of the figure.
    """

    def __init__(self, bounds: Optional[Mapping[str, Bound]] = None) -> None:
        self.bounds: Dict[str, Bound] = dict(bounds or {})

    @classmethod
    def of(cls, config: EvolutionConfig, board_kib: Optional[float]) -> "Feasibility":
        """Return the configured limits; without a limit of the SRAM peak, the size of the board's arena is one.

        Args:
            config: Configuration of the search.
            board_kib: Size of the board's arena, in KiB; None: no limit.
        """
        bounds = {str(name): bound for name, bound in config.constraints.items()}
        if board_kib is not None and "sram_kib" not in bounds:
            bounds["sram_kib"] = Bound(max=board_kib)
        return cls(bounds)

    def violations(self, figures: Callable[[str], np.ndarray], count: int) -> np.ndarray:
        """Return how far architectures are from being feasible: the sum of relative excesses, 0 if they are.

        Args:
            figures: Function that returns the values of a cost figure by name, shape [count].
            count: Number of architectures.
        """
        total = np.zeros(count)
        for name, bound in self.bounds.items():
            values = figures(name)
            if bound.max is not None:
                total += np.maximum(values / bound.max - 1, 0)
            if bound.min is not None:
                total += np.maximum(bound.min / values - 1, 0)
        return total

    def describe(self) -> str:
        """Return the limits in words, such as "at least 8 FPS and at most 512 KiB"."""
        parts: List[str] = []
        for name, bound in self.bounds.items():
            for word, value in (("at least", bound.min), ("at most", bound.max)):
                parts += [] if value is None else [f"{word} {value:g} {_UNITS[name]}"]
        return " and ".join(parts)

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Return the limited figures of an architecture in words, such as "7.5 FPS and 530 KiB"."""
        return " and ".join(f"{figures[name]:g} {_UNITS[name]}" for name in self.bounds)
