"""Charts, tables and sections as data, independent of how they are rendered."""

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from typing_extensions import Literal

# Horizontal axes that count, and along which values are not compared with each other.
COUNTED = ("generation", "epoch", "requested architectures", "time")

Mark = Literal["line", "steps", "front", "points", "bars", "area"]


@dataclass(frozen=True)
class Series:
    """A series of a chart.

    Attributes:
        name: Name in the legend.
        x: Numbers or names.
        y: Numbers, as many as in ``x``.
        role: Meaning of its colour: "run 0" to "run N"; "option 1/3", the second of three options; "exact"; "muted".
        mark: How the series is drawn. Steps hold each value until the next one; in a front, each value applies from the
            previous one on; areas are stacked.
        dashed: Whether the line is dashed, as for a bound.
        labels: Labels of the values, shown on hovering; none, or as many as in ``x``.
        low: Lower ends of the values' intervals, for bars and lines; none, or as many as in ``x``.
        high: Upper ends of the values' intervals, for bars and lines; none, or as many as in ``x``.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float]
    role: str
    mark: Mark = "line"
    dashed: bool = False
    labels: Sequence[str] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: Title of the chart.
        x: Label of the horizontal axis, with the unit.
        y: Label of the vertical axis, with the unit.
        series: Series from back to front.
        share: Whether the vertical axis runs from 0 to 1 and is shown in percent.
    """

    title: str
    x: str
    y: str
    series: Tuple[Series, ...]
    share: bool = False

    def axis_title(self, name: Literal["x", "y"]) -> str:
        """Return the label of an axis, which says so if the axis does not start at 0."""
        label: str = getattr(self, name)
        return f"{label}; the axis does not start at 0" if self.is_cut(name) else label

    def is_cut(self, name: Literal["x", "y"]) -> bool:
        """Return whether an axis with a quantity starts near its smallest value instead of 0.

        It does where the values would otherwise fill less than three quarters of it.
        """
        if name == "x" and self.x.startswith(COUNTED):
            return False
        if name == "y" and (self.share or any(series.mark in ("bars", "area") for series in self.series)):
            return False
        values = [value for series in self.series for value in getattr(series, name)]
        values = values + [low for series in self.series for low in (series.low if name == "y" else ())]
        if not values or any(isinstance(value, str) for value in values):
            return False
        return min(values) > max(values) / 4

    def starts_at_zero(self, name: Literal["x", "y"]) -> bool:
        """Return whether an axis has to start at 0 because nothing says otherwise."""
        values = [value for series in self.series for value in getattr(series, name)]
        numeric = bool(values) and not any(isinstance(value, str) for value in values)
        return numeric and not self.is_cut(name) and min(values) >= 0


@dataclass(frozen=True)
class Table:
    """A table of cells under headings; numbers are right-aligned, texts left-aligned."""

    title: str
    headings: Tuple[str, ...]
    rows: Tuple[Tuple[Any, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An image.

    Attributes:
        title: Title of the image.
        png: Content of the PNG file.
        labels: Labels of the parts of the image, from left to right.
    """

    title: str
    png: bytes
    labels: Tuple[str, ...]


@dataclass(frozen=True)
class ReportSection:
    """A section of the report.

    Attributes:
        key: Name of its files.
        title: Heading.
        text: Findings in sentences.
        charts: Charts of the section.
        tables: Tables of the section.
        pictures: Images of the section.
        data: Data for the CSV file if charts and tables do not contain all of it.
    """

    key: str
    title: str
    text: Tuple[str, ...] = ()
    charts: Tuple[Chart, ...] = ()
    tables: Tuple[Table, ...] = ()
    pictures: Tuple[Picture, ...] = ()
    data: Optional[Table] = None

    @property
    def has_both(self) -> bool:
        """Whether the section has tables that the CSV file of its charts does not contain."""
        return bool(self.charts and self.tables and self.data is None)


def horizontal_line(name: str, value: float, x: Sequence[float], role: str) -> Series:
    """Return a dashed horizontal line over the range of ``x``."""
    ends = [min(x), max(x)] if len(x) else [0.0, 1.0]
    return Series(name, ends, [value, value], role, "line", dashed=True)


def vertical_line(name: str, x: float, y: Sequence[float], role: str) -> Series:
    """Return a dashed vertical line over the range of ``y``."""
    return Series(name, [x, x], [min(y), max(y)], role, "line", dashed=True)


def option_role(option: int, count: int) -> str:
    """Return the colour role of a gene's option; options range from light to heavy."""
    return f"option {option}/{count}"


def to_python(values: Sequence[Any]) -> List[Any]:
    """Convert values to built-in types."""
    return list(np.asarray(values).tolist())
