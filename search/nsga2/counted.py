"""The feasible architectures of a space that is too large to list.

Their costs are sums over the parts of a cost table (``CostSums``), so that they can be counted part by part (``Ways``).
Sums are rounded down to at most ``_STEPS`` steps; memory and time therefore do not depend on the size of the space. If
a step is one cycle, the counts are exact. Otherwise a few architectures just beyond a limit are counted as well, which
``ranks`` and ``contains`` exclude by their exact costs.
"""

import math
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import Bound, Objective
from edgeflownas.hardware.cost_sums import CostSums, Part
from edgeflownas.network.space import Architecture
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import DEFINITIONS, compute_points
from search.nsga2.subspace import Subspace, choose_integers
from search.nsga2.ways import Chosen, Figure, Ways

_STEPS = 1 << 16  # steps of all limited sums together
_SAMPLE = 4096  # architectures that are examined where the search for an extreme fails
_NO_PEAK = -1e18  # KiB
# The figure of a part that a cost follows from.
_FIGURES = {"fps": "cycles", "latency_ms": "cycles", "npu_cycles": "npu_cycles", "sram_kib": "sram_kib"}


class _Choices(NamedTuple):
    """The combinations of a part's options that may be chosen.

    Attributes:
        part: The part.
        numbers: Numbers of these combinations, ascending, shape [choices].
        genes: Options of the part's genes, uint8 [choices, genes of the part].
    """

    part: Part
    numbers: np.ndarray
    genes: np.ndarray

    def values(self, figure: str) -> np.ndarray:
        """Return a figure of each choice, shape [choices]."""
        return np.asarray(getattr(self.part, figure)[self.numbers])


class _Axis(NamedTuple):
    """A limited sum: the number of sums within the limits, the lowest one, and what each choice adds, in steps."""

    size: int
    lowest: int
    steps: List[np.ndarray]


class CountedSet:
    """The feasible architectures of a subspace, found by counting.

    Attributes:
        size: Number of feasible architectures, and of those just beyond a limit that are counted with them.
    """

    def __init__(self, subspace: Subspace, sums: CostSums, feasibility: Feasibility) -> None:
        """Count the feasible architectures.

        Args:
            subspace: Architectures that are searched.
            sums: Their costs.
            feasibility: Limits that the costs must satisfy.
        """
        self._subspace, self._sums, self._feasibility = subspace, sums, feasibility
        self._choices = [self._find_choices(part) for part in sums.parts]
        self._ways = self._count_ways() if all(len(choices.numbers) for choices in self._choices) else None
        self._extra = self._find_extra()
        self._counted = 0 if self._ways is None else self._ways.count
        self.size = self._counted + len(self._extra)
        if not len(self._examine()):
            self.size = 0

    def contains(self, genes: np.ndarray) -> np.ndarray:
        """Return which architectures [N, genes] are feasible, bool [N]."""
        violations = self._feasibility.violations(self._sums.costs(genes).__getitem__, len(genes))
        return np.asarray(self._subspace.contains(genes) & (violations == 0))

    def ranks(self, genes: np.ndarray) -> np.ndarray:
        """Return the ranks of architectures [N, genes], -1 for those that are not feasible: [N]."""
        ranks = np.where(self.contains(genes), self._rank(genes), -1)
        for number, architecture in enumerate(self._extra):
            ranks[(genes == architecture).all(axis=1)] = self._counted + number
        return ranks

    def genes_at(self, ranks: np.ndarray) -> np.ndarray:
        """Return the architectures with the given ranks, uint8 [N, genes]; a few may be just beyond a limit."""
        genes = np.zeros((len(ranks), len(self._subspace.options)), np.uint8)
        is_extra = np.array(ranks >= self._counted, bool)
        genes[is_extra] = self._extra[(ranks[is_extra] - self._counted).astype(int)]
        if self._ways is not None:
            genes[~is_extra] = self._combine(self._ways.unrank(ranks[~is_extra]))
        return genes

    def costs(self, genes: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the costs of architectures [N, genes] by name, each [N]."""
        return self._sums.costs(genes)

    def best(self, objective: Objective) -> Architecture:
        """Return the first architecture that is best in an objective other than the EPE.

        If limits exclude too many architectures that would be better, it is the best of a sample.
        """
        found = self._find_extreme(objective, 1)[0] if objective in _FIGURES else None
        if found is not None:
            return found
        sample = self._examine()
        points = compute_points([objective], self._sums.costs(sample).__getitem__)
        return tuple(sample[points[:, 0].argmin()].tolist())

    def cost_range(self, objective: Objective) -> Tuple[float, float]:
        """Return bounds of the values of an objective other than the EPE.

        They are the lowest and the highest value, except that a limit may take the place of either. An objective that
        combines several costs is computed from the bounds of each.
        """
        if objective in _FIGURES:
            values = np.array([self._find_end(objective, sign) for sign in (1, -1)])
        else:
            ends = {name: np.array([self._find_end(name, sign) for sign in (1, -1)]) for name in _FIGURES}
            values = DEFINITIONS[objective].value({name: np.sort(pair) for name, pair in ends.items()}.__getitem__)
        return float(values.min()), float(values.max())

    def _find_end(self, cost: str, sign: int) -> float:
        """Return the best (sign 1) or the worst (-1) value of a cost, or a limit that takes its place."""
        found, figure = self._find_extreme(cost, sign)
        if found is not None:
            return float(self._sums.costs(np.array([found], np.uint8))[cost][0])
        return float(self._convert(_FIGURES[cost], figure)[cost][0])

    def nearest(self) -> Architecture:
        """Return an architecture that comes near to the limits: one with an extreme of a limited cost."""
        unlimited = CountedSet(self._subspace, self._sums, Feasibility())
        extremes = [unlimited._find_extreme(name, sign)[0] for name in self._feasibility.bounds for sign in (1, -1)]
        genes = np.array(sorted(extreme for extreme in extremes if extreme is not None), np.uint8)
        violations = self._feasibility.violations(self._sums.costs(genes).__getitem__, len(genes))
        return tuple(genes[violations.argmin()].tolist())

    def _find_choices(self, part: Part) -> _Choices:
        """Return the combinations of a part that are searched and whose SRAM peak is within the limit."""
        genes = np.array(list(np.ndindex(*part.counts)), np.uint8)
        allowed = np.ones(len(genes), bool)
        for column, gene in enumerate(part.genes):
            allowed &= np.isin(genes[:, column], self._subspace.options[gene])
        bound = self._feasibility.bounds.get("sram_kib")
        if bound is not None and bound.max is not None:
            limit = Feasibility({"sram_kib": Bound(max=bound.max)})
            allowed &= limit.violations(lambda _: part.sram_kib, len(genes)) == 0
        numbers = np.flatnonzero(allowed)
        return _Choices(part, numbers, genes[numbers])

    def _count_ways(self) -> Ways:
        """Count the architectures whose sums are within the limits."""
        limited = sorted({_FIGURES[name] for name in self._feasibility.bounds} - {"sram_kib"})
        most = int(_STEPS ** (1 / max(len(limited), 1)))
        axes = [self._make_axis(figure, most) for figure in limited] or [self._make_axis("cycles", 1)]
        steps = [np.stack(part_steps, axis=1) for part_steps in zip(*(axis.steps for axis in axes))]
        sizes, lowest = [axis.size for axis in axes], [axis.lowest for axis in axes]
        return Ways(steps, sizes, lowest, choose_integers(self._subspace.size))

    def _make_axis(self, figure: str, most: int) -> _Axis:
        """Return the steps of a sum, of which at most ``most`` are within the limits."""
        added = [choices.values(figure) for choices in self._choices]
        start = int(getattr(self._sums.lightest, figure)) + sum(int(values.min()) for values in added)
        end = start + sum(int(values.max() - values.min()) for values in added)
        lowest, highest = self._find_limits(figure, start, end)
        step = max(1, math.ceil((highest - start + 1) / most))
        steps = [(values - values.min()) // step for values in added]
        lost = len(steps) - 1 if step > 1 else 0  # rounding takes less than one step from each part
        return _Axis((highest - start) // step + 1, max((lowest - start) // step - lost, 0), steps)

    def _find_limits(self, figure: str, start: int, end: int) -> Tuple[int, int]:
        """Return the lowest and the highest sum from ``start`` to ``end`` that satisfy all limits."""
        lower: List[Feasibility] = []
        upper: List[Feasibility] = []
        for name, bound in self._feasibility.bounds.items():
            if _FIGURES[name] == figure and bound.min is not None:
                (upper if name == "fps" else lower).append(Feasibility({name: Bound(min=bound.min)}))
            if _FIGURES[name] == figure and bound.max is not None:
                (lower if name == "fps" else upper).append(Feasibility({name: Bound(max=bound.max)}))

        def satisfies(limits: Sequence[Feasibility], value: int) -> bool:
            costs = self._convert(figure, value)
            return all(limit.violations(costs.__getitem__, 1)[0] == 0 for limit in limits)

        lowest = _find_first(start, end + 1, lambda value: satisfies(lower, value))
        return lowest, _find_first(start, end + 1, lambda value: not satisfies(upper, value)) - 1

    def _convert(self, figure: str, value: float) -> Dict[str, np.ndarray]:
        """Return the costs that follow from a figure, by name, each [1]."""
        values = np.array([value], np.float64)
        return self._sums.speed(values) if figure == "cycles" else {figure: values}

    def _find_extra(self) -> np.ndarray:
        """Return the feasible architectures that are not counted because their predicted costs are wrong."""
        exceptions = sorted(self._sums.exceptions)
        genes = np.array(exceptions, np.uint8).reshape(len(exceptions), len(self._subspace.options))
        return genes[self.contains(genes) & (self._rank(genes) < 0)]

    def _examine(self) -> np.ndarray:
        """Return the feasible ones of a sample of the counted architectures, uint8 [N, genes]."""
        count, integers = min(_SAMPLE, self.size), choose_integers(self._subspace.size)
        genes = self.genes_at(np.array([number * self.size // count for number in range(count)], integers))
        return genes[self.contains(genes)]

    def _rank(self, genes: np.ndarray) -> np.ndarray:
        """Return the ranks of architectures [N, genes] among the counted ones, -1 if they are not counted: [N]."""
        if self._ways is None:
            return np.full(len(genes), -1)
        counted, chosen = np.ones(len(genes), bool), np.zeros((len(genes), len(self._choices)), int)
        for place, choices in enumerate(self._choices):
            numbers = choices.part.combinations(genes)
            chosen[:, place] = np.minimum(np.searchsorted(choices.numbers, numbers), len(choices.numbers) - 1)
            counted &= choices.numbers[chosen[:, place]] == numbers
        return np.where(counted, self._ways.rank(chosen), -1)

    def _combine(self, chosen: np.ndarray) -> np.ndarray:
        """Return the architectures with the given choices [N, parts], uint8 [N, genes]."""
        genes = np.zeros((len(chosen), len(self._subspace.options)), np.uint8)
        for place, choices in enumerate(self._choices):
            genes[:, choices.part.genes] = choices.genes[chosen[:, place]]
        return genes

    def _find_extreme(self, name: str, sign: int) -> Tuple[Optional[Architecture], float]:
        """Find the feasible architecture with the lowest (sign 1) or highest (-1) figure that a cost follows from.

        Returns:
            The first such architecture with its figure; without an architecture, a bound of the figure.
        """
        figure = _FIGURES[name]
        found: List[Tuple[float, Architecture]] = [
            (sign * float(getattr(figures, figure)), architecture)
            for architecture, figures in self._sums.exceptions.items()
            if self.contains(np.array([architecture], np.uint8))[0]
        ]

        def accept(chosen: Chosen) -> bool:
            genes = self._combine(np.array([chosen]))
            return bool(self.contains(genes)[0]) and tuple(genes[0].tolist()) not in self._sums.exceptions

        bound = math.inf
        for part in self._split(figure, sign):
            value, chosen = (math.inf, None) if self._ways is None else self._ways.find_lowest(part, accept)
            if chosen is not None:
                found.append((value, tuple(self._combine(np.array([chosen]))[0].tolist())))
            else:
                bound = min(bound, value)
        lowest, architecture = min(found, default=(math.inf, None))
        return (architecture, sign * lowest) if lowest <= bound else (None, sign * bound)

    def _split(self, figure: str, sign: int) -> Iterator[Figure]:
        """Yield a figure, with the given sign, for sets of architectures that together are all of them."""
        values = [sign * choices.values(figure).astype(np.float64) for choices in self._choices]
        lightest = sign * float(getattr(self._sums.lightest, figure))
        if figure != "sram_kib":
            yield Figure(values, 0.0, np.add, lightest)
            return
        # Architectures without a peak have that of the lightest one; the others have one in some part.
        is_peak = [np.isfinite(peaks) for peaks in values]
        without = [np.where(peak, np.inf, lightest) for peak in is_peak]
        yield Figure(without, lightest, np.maximum, lightest)
        none = sign * _NO_PEAK
        combine: np.ufunc = (np.minimum, np.maximum)[sign > 0]
        peaks = [np.where(peak, part_peaks, none) for peak, part_peaks in zip(is_peak, values)]
        for place, peak in enumerate(is_peak):
            if peak.any():
                with_peak = np.where(peak, peaks[place], np.inf)
                yield Figure([*peaks[:place], with_peak, *peaks[place + 1 :]], none, combine, none)


def _find_first(start: int, end: int, is_true: Callable[[int], bool]) -> int:
    """Return the first integer from ``start`` on for which a function is true, or ``end``; it then stays true."""
    while start < end:
        middle = (start + end) // 2
        if is_true(middle):
            end = middle
        else:
            start = middle + 1
    return start
