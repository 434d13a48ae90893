"""What an architecture costs, and the table that tells it for a whole space from a few compiles.

Every number in a table is the compiler's word for one architecture. In between, cycles are a sum over genes: the cost
of the lightest architecture, plus what each gene's option adds, plus what options of several genes add together where
the table holds such architectures. The SRAM peak is that of the part that needs most, which hangs on few genes. How
well this holds is measured on architectures that the table was not made from, and stands in the table.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np
import yaml
from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.storage.files import keep, previous, replacing

_ROUNDED = 1e-4  # percent; recorded errors are rounded
_LARGEST = 1 << 50  # cycles; sums of more could overflow

BUILD_HINT = "make it with 'edgeflownas-search cost build'"
REBUILD_HINT = BUILD_HINT.replace("it", "it again", 1)


@dataclass(frozen=True)
class Cost:
    """What one architecture costs on a board.

    Attributes:
        fps: inferences per second.
        latency_ms: of one inference, waiting for memory included.
        sram_kib: peak of the arena.
        npu_cycles: of the NPU's own work.
        source: "compiled", or "predicted" from other architectures' compiles.
    """

    fps: float
    latency_ms: float
    sram_kib: float
    npu_cycles: float
    source: str


class Figures(Section):
    """The compiler's figures of one architecture."""

    npu_cycles: int = Field(gt=0, le=_LARGEST, description="of the NPU's own work")
    cycles: int = Field(gt=0, le=_LARGEST, description="from first to last, waiting for memory included")
    sram_kib: float = Field(gt=0, allow_inf_nan=False, description="peak of the arena")

    def cost(self, clock_hz: float, source: str) -> Cost:
        """The cost at a clock rate."""
        seconds = self.cycles / clock_hz
        return Cost(1 / seconds, seconds * 1e3, self.sram_kib, self.npu_cycles, source)


class Network(Section):
    """The networks that a table is for."""

    width: int = Field(description="base width c, in channels")
    height_px: int = Field(description="of the images")
    width_px: int = Field(description="of the images")
    genes: Dict[str, List[str]] = Field(description="options of each gene, from light to heavy")
    skeleton_sha256: str

    @classmethod
    def of(cls, skeleton: Skeleton, height: int, width: int) -> "Network":
        """The networks of a skeleton on images of height x width pixels."""
        genes = {gene.name: list(gene.options) for gene in Space.of(skeleton).genes}
        return cls(
            width=skeleton.width, height_px=height, width_px=width, genes=genes, skeleton_sha256=skeleton.digest()
        )


class Origin(Section):
    """How a table was made."""

    command: str
    date: str
    seconds: float
    vela: str = Field(description="version")
    tensorflow: str = Field(description="version")
    weights: str = Field("random", description="SHA-256 of the supernet's weights that were compiled, or random")


class PredictionError(Section):
    """How far predictions were off on the held-out architectures, percent of the compiled figure."""

    mean: float
    max: float


class Interaction(Section):
    """Genes whose costs do not simply add up."""

    genes: List[str]
    why: List[str] = Field(description="parts of the network whose cost hangs on several of them")


class TableFile(Section):
    """The content of a table's file."""

    format: Literal["edgeflownas-cost-table"] = "edgeflownas-cost-table"
    format_version: Literal[1] = 1
    origin: Origin
    board: Dict[str, Any]
    network: Network
    together: List[Interaction] = Field([], description="genes that are compiled in all combinations, and why")
    error_percent: Dict[str, PredictionError]
    compiled: Dict[str, Figures] = Field(description="figures that the table predicts from")
    held_out: Dict[str, Figures] = Field(description="figures that it was checked on")


class CostPredictor:
    """Figures of any architecture from those of a few.

    The lightest architecture and every change of one of its genes must be among them. A compiled architecture adds
    what its own genes do *together*: the difference between its cycles and what is predicted without it.

    The SRAM peak is read off: of all genes that move it, the architecture's options are looked up, together where they
    were compiled together; of several that were not, the one with the highest peak counts.
    """

    def __init__(self, counts: Sequence[int], compiled: Mapping[Architecture, Figures]) -> None:
        """Takes the figures apart.

        Args:
            counts: number of options of each gene.
            compiled: the compiler's figures.

        Raises:
            ValueError: an architecture that is needed is missing.
        """
        for architecture in single_changes(counts):
            if architecture not in compiled:
                raise ValueError(f"architecture {''.join(map(str, architecture))} is missing")
        ordered = sorted(compiled, key=lambda architecture: (_changes(architecture), architecture))
        self._genes = np.array(ordered)
        self._sram = {architecture: compiled[architecture].sram_kib for architecture in ordered}
        self._moving = [self._moves_sram(gene) for gene in range(len(counts))]
        self._peaks: Dict[Architecture, float] = {}  # by the options of the genes that move the peak
        self._terms = np.zeros((len(ordered), 2), np.int64)
        for i, architecture in enumerate(ordered):
            figures = compiled[architecture]
            self._terms[i] = np.array([figures.npu_cycles, figures.cycles]) - self._sum(architecture)

    def figures(self, architecture: Architecture) -> Figures:
        """Predicts an architecture's figures."""
        npu_cycles, cycles = self._sum(architecture).tolist()
        return Figures(npu_cycles=npu_cycles, cycles=cycles, sram_kib=self._sram_kib(architecture))

    def _moves_sram(self, gene: int) -> bool:
        """Whether the peak of some compiled architecture is another without its change of a gene."""
        for architecture, peak in self._sram.items():
            without = architecture[:gene] + (0,) + architecture[gene + 1 :]
            if self._sram.get(without, peak) != peak:
                return True
        return False

    def _sram_kib(self, architecture: Architecture) -> float:
        moving = tuple(option if moves else 0 for option, moves in zip(architecture, self._moving))
        if moving not in self._peaks:
            within = self._genes[self._within(moving)]
            # Of those that were compiled, the ones that no other contains.
            contained = ((within[:, None] == within) | (within[:, None] == 0)).all(axis=2).sum(axis=1) > 1
            self._peaks[moving] = max(self._sram[tuple(each)] for each in within[~contained].tolist())
        return self._peaks[moving]

    def _sum(self, architecture: Architecture) -> np.ndarray:
        return np.asarray(self._terms[self._within(architecture)].sum(axis=0))

    def _within(self, architecture: Architecture) -> np.ndarray:
        """Which of the compiled architectures arise from this one by making genes lightest."""
        return np.asarray(((self._genes == architecture) | (self._genes == 0)).all(axis=1))


def single_changes(counts: Sequence[int]) -> List[Architecture]:
    """The lightest architecture, and all that differ from it in one gene."""
    base = (0,) * len(counts)
    changed = [
        base[:gene] + (option,) + base[gene + 1 :] for gene, count in enumerate(counts) for option in range(1, count)
    ]
    return [base, *changed]


def prediction_errors(predictor: CostPredictor, compiled: Mapping[Architecture, Figures]) -> Dict[str, PredictionError]:
    """Mean and largest error of the predictions, in percent of the compiled figure."""
    errors = {}
    for name in ("npu_cycles", "cycles", "sram_kib"):
        relative = [
            100 * abs(getattr(predictor.figures(architecture), name) / getattr(figures, name) - 1)
            for architecture, figures in compiled.items()
        ]
        errors[name] = PredictionError(mean=round(float(np.mean(relative)), 6), max=round(float(np.max(relative)), 6))
    return errors


class CostTable:
    """The costs of a space on a board.

    Attributes:
        content: of the file.
    """

    def __init__(self, content: TableFile) -> None:
        """Takes a checked content.

        Raises:
            ValueError: an architecture is missing, or is none.
        """
        self.content = content
        counts = [len(options) for options in content.network.genes.values()]
        compiled = {_architecture(text, counts): figures for text, figures in content.compiled.items()}
        held_out = {_architecture(text, counts): figures for text, figures in content.held_out.items()}
        self._known = {**held_out, **compiled}
        self._source = "compiled"
        self._predictor = CostPredictor(counts, compiled)
        system = content.board["vela_config"][f"System_Config.{content.board['system_config']}"]
        self._clock_hz = float(system["core_clock"])

    @classmethod
    def load(cls, path: Path) -> "CostTable":
        """Reads a table.

        Raises:
            InputError: the file is missing, damaged, or no cost table.
        """
        try:
            return cls._load(path)
        except InputError as error:
            if not previous(path).exists():
                raise
            raise InputError(
                f"{error}; or put the one before ({previous(path).name}) in its place with `cost build --from-previous`"
            ) from None

    @classmethod
    def _load(cls, path: Path) -> "CostTable":
        if not path.is_file():
            raise InputError(f"cost table {path}: no such file; {BUILD_HINT}, or set hardware.table")
        content = read_yaml(path, "cost table")
        if content.get("format") != TableFile.model_fields["format"].default:
            raise InputError(f"cost table {path}: is not a cost table; {REBUILD_HINT}")
        try:
            whole = content.get("sha256") == _digest(content) and path.read_text(encoding="utf-8") == _text(content)
        except (TypeError, ValueError, RecursionError):
            whole = False
        if not whole:  # by its checksum, or by a change that YAML does not see
            raise InputError(f"cost table {path}: is damaged (checksum); restore it, or {REBUILD_HINT}")
        del content["sha256"]
        table_file: TableFile = validate(content, TableFile, f"cost table {path}")
        try:
            return cls(table_file)
        except (ValueError, LookupError, TypeError) as error:  # a board of which anything can be missing
            raise InputError(f"cost table {path}: cannot be used: {error}; {REBUILD_HINT}") from None

    def save(self, path: Path) -> None:
        """Writes the table, whole or not at all."""
        content = self.content.model_dump()
        content["sha256"] = _digest(content)
        with replacing(path) as temporary:
            temporary.write_text(_text(content), encoding="utf-8")
            if path.exists():
                keep(path)

    @property
    def sram_cap_kib(self) -> float:
        """The board's arena, KiB."""
        return float(self.content.board["arena_bytes"]) / 1024

    def cost(self, architecture: Sequence[int]) -> Cost:
        """An architecture's cost: compiled where the table holds it, otherwise predicted."""
        key = tuple(int(option) for option in architecture)
        if key in self._known:
            return self._known[key].cost(self._clock_hz, self._source)
        return self._predictor.figures(key).cost(self._clock_hz, "predicted")

    def for_weights(self, weights_sha256: str, vela: str) -> "CostTable":
        """The table for these weights: of others' compiled figures it makes predictions."""
        origin = self.content.origin
        table = copy.copy(self)
        if (origin.weights, origin.vela) != (weights_sha256, vela):
            table._source = "predicted"
        return table

    def excess_errors(self, architecture: Architecture, compiled: Cost) -> Dict[str, float]:
        """By how much predictions are off, in percent of the compiled figure: those by more than the table's error."""
        predicted, off = self.cost(architecture), {}
        for name, recorded in (("npu_cycles", "npu_cycles"), ("latency_ms", "cycles"), ("sram_kib", "sram_kib")):
            percent = 100 * abs(getattr(predicted, name) / getattr(compiled, name) - 1)
            if percent > self.content.error_percent[recorded].max + _ROUNDED:
                off[name] = percent
        return off

    def check(self, skeleton: Skeleton, height: int, width: int) -> None:
        """Makes sure that the table is for these networks.

        Raises:
            InputError: it is for others; the message names the difference.
        """
        self._compare("network", self.content.network.model_dump(), Network.of(skeleton, height, width).model_dump())

    def check_board(self, board: Board) -> None:
        """Makes sure that the table is for this board.

        Raises:
            InputError: it is for another; the message names the difference.
        """
        self._compare("board", self.content.board, board.description())

    def _compare(self, part: str, mine: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for key in {**mine, **wanted}:
            if mine.get(key) != wanted.get(key):
                raise InputError(
                    f"hardware.table: the cost table is for another {part}: {key} is {mine.get(key)!s:.200} there, and "
                    f"{wanted.get(key)} here; set hardware.table to one that fits, or {REBUILD_HINT}"
                )


def _architecture(text: str, counts: Sequence[int]) -> Architecture:
    if len(text) != len(counts) or not all("0" <= digit < str(count) for digit, count in zip(text, counts)):
        raise ValueError(f"{text!r} is no architecture of its space")
    return tuple(int(digit) for digit in text)


def _changes(architecture: Architecture) -> int:
    return sum(option != 0 for option in architecture)


def _text(content: Mapping[str, Any]) -> str:
    """What a table's file holds: this very text, and no other that YAML reads the same."""
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=116))


def _digest(content: Mapping[str, Any]) -> str:
    content = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
