"""Latencies measured on a real board: how far compiled ones are off, and a line that corrects those not measured."""

import csv
import dataclasses
import io
import math
import statistics
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

import numpy as np
from pydantic import Field, PositiveFloat
from typing_extensions import Literal

from edgeflownas.config import Section, validate
from edgeflownas.errors import InputError, find_reason
from edgeflownas.hardware.cost import Cost, Network
from edgeflownas.network.space import Space
from edgeflownas.storage import record

LINE_POINTS = 3  # architectures that a line with a residual needs

_ARCHITECTURE, _LATENCY, _FPS = "architecture", "latency_ms", "fps"  # columns of the CSV file
_EXPECTED = f"a column {_ARCHITECTURE}, and a column {_LATENCY} or {_FPS}"


class Measurement(Section):
    """The latency of an architecture on a board."""

    latency_ms: List[PositiveFloat] = Field(min_length=1, description="measured latency, once per repeat, ms")
    known_ms: float = Field(gt=0, allow_inf_nan=False, description="latency without the board, ms")
    known_source: Literal["compiled", "predicted"] = Field(description="source of known_ms")

    @property
    def median_ms(self) -> float:
        """Median of the repeats, in ms."""
        return statistics.median(self.latency_ms)

    @property
    def spread_percent(self) -> float:
        """Difference between the largest and the smallest repeat, in percent of the median."""
        return 100 * (max(self.latency_ms) - min(self.latency_ms)) / self.median_ms

    @property
    def error_percent(self) -> float:
        """Error of the latency without the board, in percent of the measured one."""
        return 100 * (self.known_ms / self.median_ms - 1)


class Line(NamedTuple):
    """Measured latency as a linear function of the latency without the board.

    Attributes:
        slope: Slope of the line.
        offset_ms: Value of the line at 0, in ms.
        residual_ms: Standard deviation of the measured latencies from the line, in ms.
        points: Number of architectures that the line is fitted to.
    """

    slope: float
    offset_ms: float
    residual_ms: float
    points: int

    @classmethod
    def fit(cls, measurements: Mapping[str, Measurement]) -> Optional["Line"]:
        """Fit a line by least squares; return None if there are fewer than three different latencies to fit it to."""
        known = np.array([measurement.known_ms for measurement in measurements.values()])
        measured = np.array([measurement.median_ms for measurement in measurements.values()])
        if len(set(known.tolist())) < LINE_POINTS:
            return None
        slope, offset = np.polynomial.Polynomial.fit(known, measured, 1).convert().coef[::-1].tolist()
        squares = float(((measured - slope * known - offset) ** 2).sum())
        return cls(slope, offset, math.sqrt(squares / (len(known) - 2)), len(known))

    def correct(self, latency_ms: float) -> float:
        """Return the latency to expect on the board, in ms."""
        return self.slope * latency_ms + self.offset_ms


class MeasuredFile(Section):
    """The content of a file of measurements."""

    format: Literal["edgeflownas-measured"] = "edgeflownas-measured"
    format_version: Literal[1] = 1
    board: Dict[str, Any] = Field(description="description of the board that the networks were compiled for")
    network: Network
    correct: bool = Field(description="whether the line corrects the latency of all other architectures")
    architectures: Dict[str, Measurement]


class Measurements:
    """Measured latencies by architecture.

    Attributes:
        content: Content of the file; None if nothing was measured.
        line: Line through the measurements; None if there are too few.
    """

    def __init__(self, content: Optional[MeasuredFile] = None) -> None:
        self.content = content
        self.line = None if content is None else Line.fit(content.architectures)

    @classmethod
    def load(cls, path: Path) -> "Measurements":
        """Read a file of measurements.

        Raises:
            InputError: The file is missing or damaged.
        """
        content: MeasuredFile = validate(record.read(path), MeasuredFile, str(path))
        return cls(content)

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        assert self.content is not None
        record.write(path, self.content.model_dump())

    def prefer(self, architecture: str, cost: Cost) -> Cost:
        """Return the best known cost of an architecture.

        Args:
            architecture: Digits of the architecture.
            cost: Compiled or predicted cost.

        Returns:
            The cost with the measured latency if there is one. Otherwise, the cost as it is or, if that was asked for,
            with the latency corrected: next to measured latencies, uncorrected ones would compete unfairly.
        """
        if self.content is None:
            return cost
        measurement = self.content.architectures.get(architecture)
        if measurement is not None:
            return _with_latency(cost, measurement.median_ms, "measured")
        if self.content.correct and self.line is not None and cost.source in ("compiled", "predicted"):
            return _with_latency(cost, self.line.correct(cost.latency_ms), "corrected")
        return cost


NO_MEASUREMENTS = Measurements()


def read_latencies(path: Path, space: Space) -> Dict[str, List[float]]:
    """Read measured latencies from a CSV file with a column ``architecture`` and a column ``latency_ms`` or ``fps``.

    Args:
        path: Path of the file.
        space: Space of the architectures.

    Returns:
        Latencies in ms by the digits of the architecture, one per row.

    Raises:
        InputError: The file cannot be read, a column is missing, or a row has no valid architecture or value.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {find_reason(error)}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    latencies: Dict[str, List[float]] = {}
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        column = next((name for name in (_LATENCY, _FPS) if name in header), None)
        if _ARCHITECTURE not in header or column is None:
            raise InputError(f"{path}: needs {_EXPECTED}, separated by commas; its first line is {','.join(header)!r}")
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            cells = dict(zip(header, row))
            place = f"{path}, line {reader.line_num}"
            name = _parse_architecture(cells[_ARCHITECTURE].strip(), space, place)
            value = _parse_positive(cells.get(column, "").strip(), column, place)
            latencies.setdefault(name, []).append(value if column == _LATENCY else 1e3 / value)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: is not CSV: {error}") from None
    if not latencies:
        raise InputError(f"{path}: contains no measurements; add a line for each, below the names of the columns")
    return latencies


def _parse_architecture(text: str, space: Space, place: str) -> str:
    try:
        return space.format(space.parse(text))
    except InputError as error:
        hint = "; a spreadsheet may have removed leading zeros: format the column as text"
        raise InputError(f"{place}: {error}{hint if len(text) < len(space.genes) else ''}") from None


def _parse_positive(text: str, column: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0 and math.isfinite(1e3 / value)):
        raise InputError(f"{place}: {column} is {text!r}; it must be a positive number")
    return value


def _with_latency(cost: Cost, latency_ms: float, source: str) -> Cost:
    return dataclasses.replace(cost, latency_ms=latency_ms, fps=1e3 / latency_ms, source=source)
