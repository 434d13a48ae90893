"""Costs of architectures, and tables that predict the costs of a whole space from a few compiles.

A table holds the compiled figures of a few architectures. The cycles of all others are predicted as a sum over genes:
the cycles of the lightest architecture, plus the cycles added by the option of each gene, plus the cycles that options
of several genes add together if the table holds such architectures. The SRAM peak is that of the part with the
largest demand, which depends on few genes. The prediction error is measured on held-out architectures and recorded in
the table.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import yaml
from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost_sums import CostSums, TableFigures
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import ONLY, Architecture, Space
from edgeflownas.storage.files import choose_remedy, keep, replacing

# Figures depend on how well the weights compress: those of other weights differ by up to 0.5 %. This is the allowed
# error beyond the recorded one, in percentage points; a larger error has another cause than the weights.
TOLERANCE = 1.0
_MAX_CYCLES = 1 << 50  # sums of larger values could overflow

BUILD_HINT = "build it with `cost build`"
REBUILD_HINT = "build it again with `cost build`"


@dataclass(frozen=True)
class Cost:
    """The cost of an architecture on a board.

    Attributes:
        fps: Inferences per second.
        latency_ms: Duration of one inference including waiting for memory, in milliseconds.
        sram_kib: Peak use of the arena, in KiB.
        npu_cycles: Cycles in which the NPU computes.
        source: "measured" on the board, "corrected" by a line through measured latencies, "compiled", or "predicted"
            from compiled figures of other architectures.
    """

    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    source: str


class Figures(Section):
    """The compiled figures of an architecture."""

    npu_cycles: int = Field(gt=0, le=_MAX_CYCLES, description="cycles in which the NPU computes")
    cycles: int = Field(gt=0, le=_MAX_CYCLES, description="all cycles of an inference, including waiting for memory")
    sram_kib: float = Field(gt=0, allow_inf_nan=False, description="peak use of the arena, KiB")

    def cost(self, clock_hz: float, source: str) -> Cost:
        """Convert the figures to a cost at a clock rate."""
        seconds = self.cycles / clock_hz
        return Cost(1 / seconds, seconds * 1e3, self.sram_kib, self.npu_cycles, source)


class Network(Section):
    """The networks that a table applies to."""

    width: int = Field(description="base width c, in channels")
    height_px: int = Field(description="height of the images")
    width_px: int = Field(description="width of the images")
    genes: Dict[str, List[str]] = Field(description="options of each gene, from light to heavy")
    skeleton_sha256: str

    @classmethod
    def of(cls, skeleton: Skeleton, height: int, width: int) -> "Network":
        """Describe the networks of a skeleton on images of height x width pixels."""
        genes = {gene.name: list(gene.options) for gene in Space.from_skeleton(skeleton).genes}
        return cls(
            width=skeleton.width, height_px=height, width_px=width, genes=genes, skeleton_sha256=skeleton.digest()
        )


class Origin(Section):
    """The provenance of a table."""

    command: str
    date: str
    seconds: float
    vela: str = Field(description="version of Vela")
    tensorflow: str = Field(description="version of TensorFlow")
    weights: str = Field("random", description="SHA-256 of the supernet's weights that were compiled, or random")


class PredictionError(Section):
    """The prediction error on the held-out architectures, in percent of the compiled figure."""

    mean: float
    max: float


class Interaction(Section):
    """A group of genes whose costs are not additive."""

    genes: List[str]
    why: List[str] = Field(description="parts of the network whose cost depends on several of these genes")


class TableFile(Section):
    """The content of a table's file."""

    format: Literal["edgeflownas-cost-table"] = "edgeflownas-cost-table"
    format_version: Literal[1] = 1
    origin: Origin
    board: Dict[str, Any]
    network: Network
    together: List[Interaction] = Field([], description="genes compiled in all combinations, with the reasons")
    error_percent: Dict[str, PredictionError]
    compiled: Dict[str, Figures] = Field(description="figures from which the table predicts")
    held_out: Dict[str, Figures] = Field(description="figures on which the table was checked")


class CostPredictor:
    """A predictor of the figures of any architecture from those of a few compiled ones.

    The compiled architectures must include the lightest one and every architecture that differs from it in a single
    gene. Each further compiled architecture contributes the *joint* effect of its genes: the difference between its
    cycles and the prediction without it.

    The SRAM peak depends on the options that the architecture selects for the genes that affect the peak. If these
    options were compiled together, it is the peak of that compile, otherwise the highest of the peaks of compiled
    subsets.

    Attributes:
        affects_sram: Whether a gene affects the SRAM peak, for each gene.
    """

    def __init__(self, counts: Sequence[int], compiled: Mapping[Architecture, Figures]) -> None:
        """Split the figures into the terms of the sum.

        Args:
            counts: Number of options of each gene.
            compiled: Compiled figures by architecture.

        Raises:
            ValueError: A required architecture is missing.
        """
        for architecture in single_changes(counts):
            if architecture not in compiled:
                raise ValueError(f"architecture {''.join(map(str, architecture))} is missing")
        ordered = sorted(compiled, key=lambda architecture: (_count_changes(architecture), architecture))
        self._genes = np.array(ordered)
        self._sram = {architecture: compiled[architecture].sram_kib for architecture in ordered}
        self.affects_sram = [self._changes_sram(gene) for gene in range(len(counts))]
        self._peaks: Dict[Architecture, float] = {}  # by the options of the genes that change the peak
        self._terms = np.zeros((len(ordered), 2), np.int64)
        for i, architecture in enumerate(ordered):
            figures = compiled[architecture]
            self._terms[i] = np.array([figures.npu_cycles, figures.cycles]) - self._sum_terms(architecture)

    def figures(self, architecture: Architecture) -> Figures:
        """Predict an architecture's figures."""
        npu_cycles, cycles = self._sum_terms(architecture).tolist()
        return Figures(npu_cycles=npu_cycles, cycles=cycles, sram_kib=self._sram_kib(architecture))

    def _changes_sram(self, gene: int) -> bool:
        """Return whether resetting a gene to its lightest option changes the peak of some compiled architecture."""
        for architecture, peak in self._sram.items():
            without = architecture[:gene] + (0,) + architecture[gene + 1 :]
            if self._sram.get(without, peak) != peak:
                return True
        return False

    def _sram_kib(self, architecture: Architecture) -> float:
        key = tuple(option if affects else 0 for option, affects in zip(architecture, self.affects_sram))
        if key not in self._peaks:
            subsets = self._genes[self._is_subset_of(key)]
            # The maximal compiled architectures: those that are not a subset of another.
            contained = ((subsets[:, None] == subsets) | (subsets[:, None] == 0)).all(axis=2).sum(axis=1) > 1
            self._peaks[key] = max(self._sram[tuple(genes)] for genes in subsets[~contained].tolist())
        return self._peaks[key]

    def _sum_terms(self, architecture: Architecture) -> np.ndarray:
        return np.asarray(self._terms[self._is_subset_of(architecture)].sum(axis=0))

    def _is_subset_of(self, architecture: Architecture) -> np.ndarray:
        """Mark the compiled architectures that result from this one by resetting genes to their lightest option."""
        return np.asarray(((self._genes == architecture) | (self._genes == 0)).all(axis=1))


def single_changes(counts: Sequence[int]) -> List[Architecture]:
    """Return the lightest architecture, followed by all architectures that differ from it in one gene."""
    base = (0,) * len(counts)
    changed = [
        base[:gene] + (option,) + base[gene + 1 :] for gene, count in enumerate(counts) for option in range(1, count)
    ]
    return [base, *changed]


def prediction_errors(predictor: CostPredictor, compiled: Mapping[Architecture, Figures]) -> Dict[str, PredictionError]:
    """Return the mean and largest error of the predictions per figure, in percent of the compiled figure.

    Without predictions, the errors are 0.
    """
    errors = {}
    for name in ("npu_cycles", "cycles", "sram_kib"):
        relative = [
            100 * abs(getattr(predictor.figures(architecture), name) / getattr(figures, name) - 1)
            for architecture, figures in compiled.items()
        ]
        mean, largest = (float(np.mean(relative)), float(np.max(relative))) if relative else (0.0, 0.0)
        errors[name] = PredictionError(mean=round(mean, 6), max=round(largest, 6))
    return errors


class CostTable:
    """The costs of a space on a board.

    Attributes:
        content: Content of the table's file.
    """

    def __init__(self, content: TableFile) -> None:
        """Create a table from validated content.

        Raises:
            ValueError: An architecture is missing or invalid.
        """
        self.content = content
        counts = [len(options) for options in content.network.genes.values()]
        compiled = {_parse_architecture(text, counts): figures for text, figures in content.compiled.items()}
        held_out = {_parse_architecture(text, counts): figures for text, figures in content.held_out.items()}
        self._counts, self._compiled = counts, compiled
        self._known = {**held_out, **compiled}
        self._source = "compiled"
        self._predictor = CostPredictor(counts, compiled)
        system = content.board["vela_config"][f"System_Config.{content.board['system_config']}"]
        self._clock_hz = float(system["core_clock"])

    @classmethod
    def load(cls, path: Path) -> "CostTable":
        """Read a table.

        Raises:
            InputError: The file is missing, damaged, or not a cost table.
        """
        try:
            return cls._load(path)
        except InputError as error:
            remedy = choose_remedy(path, cls._load, "or restore {} with `cost build --from-previous`", "")
            raise InputError(f"{error}; {remedy}" if remedy else str(error)) from None

    @classmethod
    def _load(cls, path: Path) -> "CostTable":
        if not path.is_file():
            raise InputError(f"cost table {path}: no such file; {BUILD_HINT}, or set hardware.table")
        content = read_yaml(path, "cost table")
        if content.get("format") != TableFile.model_fields["format"].default:
            raise InputError(f"cost table {path}: is not a cost table; {REBUILD_HINT}")
        try:
            intact = content.get("sha256") == _digest(content) and path.read_text(encoding="utf-8") == _text(content)
        except (TypeError, ValueError, RecursionError, yaml.YAMLError):
            intact = False
        if not intact:  # the checksum does not match, or the text differs in a way that YAML ignores
            raise InputError(f"cost table {path}: is damaged (checksum); restore it, or {REBUILD_HINT}")
        del content["sha256"]
        table_file: TableFile = validate(content, TableFile, f"cost table {path}")
        try:
            return cls(table_file)
        except (ValueError, LookupError, TypeError) as error:  # any entry of the board can be missing
            raise InputError(f"cost table {path}: cannot be used: {error}; {REBUILD_HINT}") from None

    def save(self, path: Path) -> None:
        """Write the table atomically."""
        content = self.content.model_dump()
        content["sha256"] = _digest(content)
        with replacing(path) as temporary:
            temporary.write_text(_text(content), encoding="utf-8")
            if path.exists():
                keep(path)

    @property
    def sram_cap_kib(self) -> float:
        """SRAM that the board leaves to the network, in KiB."""
        return float(self.content.board["arena_bytes"]) / 1024

    def cost(self, architecture: Sequence[int]) -> Cost:
        """Return an architecture's cost: compiled if the table holds it, otherwise predicted."""
        key = tuple(int(option) for option in architecture)
        if key in self._known:
            return self._known[key].cost(self._clock_hz, self._source)
        return self._predictor.figures(key).cost(self._clock_hz, "predicted")

    def sums(self) -> CostSums:
        """Return the costs of this table as sums, from which those of many architectures are computed at once."""

        def predict(architecture: Architecture) -> TableFigures:
            return TableFigures(**self._predictor.figures(architecture).model_dump())

        known = {architecture: TableFigures(**figures.model_dump()) for architecture, figures in self._known.items()}
        affects_sram = self._predictor.affects_sram
        return CostSums(self._counts, predict, self._compiled, known, affects_sram, self._clock_hz)

    def for_weights(self, weights_sha256: str, vela: str) -> "CostTable":
        """Return this table, with all figures as predictions if it was made for different weights or another Vela."""
        origin = self.content.origin
        table = copy.copy(self)
        if (origin.weights, origin.vela) != (weights_sha256, vela):
            table._source = "predicted"
        return table

    def excess_errors(self, architecture: Architecture, compiled: Cost) -> Dict[str, float]:
        """Return the prediction errors that exceed ``largest_error``, in percent of the compiled figure."""
        predicted, excess = self.cost(architecture), {}
        for name, recorded in (("npu_cycles", "npu_cycles"), ("latency_ms", "cycles"), ("sram_kib", "sram_kib")):
            percent = 100 * abs(getattr(predicted, name) / getattr(compiled, name) - 1)
            if percent > self.largest_error(recorded):
                excess[name] = percent
        return excess

    def largest_error(self, figure: str) -> float:
        """Return the largest acceptable prediction error of a figure, in percent: the recorded one plus a tolerance."""
        return self.content.error_percent[figure].max + TOLERANCE

    def check(self, skeleton: Skeleton, height: int, width: int) -> None:
        """Check that the table applies to these networks.

        Raises:
            InputError: The table is for other networks; the message names the difference.
        """
        self._compare("network", self.content.network.model_dump(), Network.of(skeleton, height, width).model_dump())

    def check_board(self, board: Board) -> None:
        """Check that the table applies to this board.

        Raises:
            InputError: The table is for another board; the message names the difference.
        """
        self._compare("board", self.content.board, board.description())

    def _compare(self, part: str, table: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        found = _find_difference(table, run)
        if found is not None:
            key, there, here = found
            raise InputError(
                f"hardware.table: the cost table is for a different {part}: {key} is {there!s:.200} in the table and "
                f"{here!s:.200} in this run; set hardware.table to a matching table, or {REBUILD_HINT}"
            )


def _find_difference(table: Mapping[str, Any], run: Mapping[str, Any]) -> Optional[Tuple[str, Any, Any]]:
    """Return the first key that differs, also inside sections, and its two values; None if all are equal."""
    for key in {**table, **run}:
        there, here = table.get(key), run.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            inner = _find_difference(there, here)
            if inner is not None:
                return f"{key}.{inner[0]}", inner[1], inner[2]
        elif there != here:
            return key, there, here
    return None


def _parse_architecture(text: str, counts: Sequence[int]) -> Architecture:
    if not counts and text == ONLY:
        return ()
    is_valid = len(text) == len(counts) and text.isascii() and text.isdigit()
    if not is_valid or any(int(digit) >= count for digit, count in zip(text, counts)):
        raise ValueError(f"{text!r} is not an architecture of the table's space")
    return tuple(int(digit) for digit in text)


def _count_changes(architecture: Architecture) -> int:
    return sum(option != 0 for option in architecture)


def _text(content: Mapping[str, Any]) -> str:
    """Return the exact text of a table's file; other texts with the same YAML content count as damaged."""
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=116))


def _digest(content: Mapping[str, Any]) -> str:
    content = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
