"""Charts, tables and sections as data: what is shown, and nothing of how."""

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from typing_extensions import Literal

Mark = Literal["line", "steps", "front", "points", "bars", "area"]


@dataclass(frozen=True)
class Series:
    """Values that belong together.

    Attributes:
        name: for the legend.
        x: numbers, or names.
        y: numbers, as many.
        role: what its colour stands for: "run 0" to "run N"; "option 1/3", the second of three; "exact"; "muted".
        mark: how it is drawn. Steps hold a value until the next; a front holds it since the one before; areas are
            stacked.
        dashed: a line that is a bound, not a course.
        labels: what each value is, to be shown when it is pointed at; none, or as many.
        low: where each value's interval begins, of bars and lines; none, or as many.
        high: where it ends.
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
    """A coordinate system with series in it.

    Attributes:
        title: what is seen.
        x: what the horizontal axis is, with its unit.
        y: likewise.
        series: from back to front.
        share: the vertical axis runs from 0 to 1, and is shown in percent.
    """

    title: str
    x: str
    y: str
    series: Tuple[Series, ...]
    share: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings; a number is set right, a text left."""

    title: str
    headings: Tuple[str, ...]
    rows: Tuple[Tuple[Any, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An image.

    Attributes:
        title: what is seen.
        png: the file's content.
        labels: of the parts that stand side by side in it, from left to right.
    """

    title: str
    png: bytes
    labels: Tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        key: names its files.
        title: what is asked.
        text: what is found, in sentences.
        charts: that show it.
        tables: likewise.
        pictures: likewise.
        data: for the CSV, where charts and tables are not all of it.
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
        """Whether there are tables beside charts, which the CSV of the charts does not hold."""
        return bool(self.charts and self.tables and self.data is None)


def level(name: str, value: float, along: Sequence[float], role: str) -> Series:
    """A horizontal line over the extent of an axis."""
    ends = [min(along), max(along)] if len(along) else [0.0, 1.0]
    return Series(name, ends, [value, value], role, "line", dashed=True)


def option_role(option: int, count: int) -> str:
    """The colour of a gene's option: from light to heavy."""
    return f"option {option}/{count}"


def counted(number: int, what: str, several: str = "") -> str:
    """A number with its noun: 1 epoch, 2 epochs."""
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def plain(values: Sequence[Any]) -> List[Any]:
    """Values in Python's own types."""
    return list(np.asarray(values).tolist())
