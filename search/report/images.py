"""Sections as PNG files, drawn by matplotlib from the same data as the page."""

import io
import math
import textwrap
from typing import Any, Dict, List, Optional

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from search.report.chart import COUNTED, Chart, Picture, ReportSection, Series, Table
from search.report.palette import colour
from search.report.tables import format_cell

_INK, _QUIET, _GRID = "#1f2328", "#59636e", "#e4e8ec"
_STYLE: Any = {
    "font.family": ["DejaVu Sans"], "font.size": 9, "axes.edgecolor": _QUIET, "axes.labelcolor": _QUIET,
    "xtick.color": _QUIET, "ytick.color": _QUIET, "text.color": _INK, "axes.titlesize": 10,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.grid": True, "grid.color": _GRID,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
}  # fmt: skip
_DRAW_STYLES = {"line": "default", "steps": "steps-post", "front": "steps-pre"}
_MANY_POINTS = 500  # larger numbers of points are drawn small
_MAX_LEGEND = 12  # number of series that fit into a legend
_LINE_LENGTH = 112  # characters per line of text
_BAR_WIDTH = 0.8  # fraction of the space of a group of bars


def section_png(section: ReportSection) -> bytes:
    """Render a section as the content of a PNG file."""
    with matplotlib.rc_context(_STYLE):
        figure = section_figure(section)
        FigureCanvasAgg(figure)
        output = io.BytesIO()
        figure.savefig(output, format="png", dpi=150, facecolor="white")
    return output.getvalue()


def section_figure(section: ReportSection) -> Figure:
    """Draw the charts of a section side by side; if it has none, draw its pictures or its text."""
    if section.pictures:
        return _draw_pictures(section)
    if not section.charts:
        return _draw_text(section)
    count = len(section.charts)
    columns = 1 if count == 1 else 2 if count in (2, 4) else 3
    lines = math.ceil(count / columns)
    size = (8.0, 5.0) if count == 1 else (4.2 * columns, 3.0 * lines + 0.5)
    figure = Figure(figsize=size, constrained_layout=True)
    figure.suptitle(section.title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=_INK)
    for number, chart in enumerate(section.charts):
        _draw_chart(figure.add_subplot(lines, columns, number + 1), chart)
    return figure


def _draw_text(section: ReportSection) -> Figure:
    """Draw the sentences and tables of a section without charts."""
    lines = [line for text in section.text for line in textwrap.wrap(text.replace("`", ""), _LINE_LENGTH)]
    for table in section.tables:
        lines += ["", *([table.title] if table.title else []), *_align(table)]
    width = max(8.0, 0.068 * max(map(len, lines), default=0) + 0.3)
    height = 0.14 * len(lines) + 0.7  # inches
    figure = Figure(figsize=(width, height))
    position: Dict[str, Any] = {"x": 0.15 / width, "va": "top"}
    figure.text(y=1 - 0.15 / height, s=section.title, fontsize=13, fontweight="bold", color=_INK, **position)
    text = "\n".join(lines)
    figure.text(y=1 - 0.5 / height, s=text, family="DejaVu Sans Mono", fontsize=8, parse_math=False, **position)
    return figure


def _align(table: Table) -> List[str]:
    """Format a table as lines with aligned columns."""
    rows = [[format_cell(cell) for cell in row] for row in (table.headings, *table.rows) if row]
    if not table.headings:  # the table is a single text
        return rows[0][0].splitlines()
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _draw_pictures(section: ReportSection) -> Figure:
    """Draw the pictures of a section below one another."""
    shapes = [_decode(picture).shape for picture in section.pictures]
    width = 8.0
    heights = [width * shape[0] / shape[1] + 0.5 for shape in shapes]
    figure = Figure(figsize=(width, sum(heights)), constrained_layout=True)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    for number, picture in enumerate(section.pictures):
        axes = figure.add_subplot(grid[number])
        axes.imshow(_decode(picture), interpolation="nearest", aspect="equal")
        axes.set_title(f"{picture.title}\n{', '.join(picture.labels)}", fontsize=8, fontweight="normal")
        axes.axis("off")
    return figure


def _decode(picture: Picture) -> np.ndarray:
    """Return the pixels of a picture, shape [H, W, channels]."""
    pixels: np.ndarray = imread(io.BytesIO(picture.png), format="png")
    return pixels


def _draw_chart(axes: Axes, chart: Chart) -> None:
    axes.set_title(chart.title)
    axes.set_xlabel(chart.axis_title("x"))
    axes.set_ylabel(chart.axis_title("y"))
    bars = [series for series in chart.series if series.mark == "bars"]
    areas = [series for series in chart.series if series.mark == "area"]
    if areas:
        axes.stackplot(
            areas[0].x, [series.y for series in areas], labels=[series.name for series in areas],
            colors=[colour(series.role) for series in areas],
        )  # fmt: skip
        axes.set_xlim(min(areas[0].x), max(areas[0].x) or 1)
    for number, series in enumerate(bars):
        _draw_bars(axes, series, number, len(bars))
    for series in chart.series:
        if series.mark in _DRAW_STYLES:
            _draw_line(axes, series)
        elif series.mark == "points":
            many = len(series.x) > _MANY_POINTS
            axes.plot(
                series.x, series.y, "o", label=series.name, color=colour(series.role), mew=0,
                markersize=1.6 if many else 6, alpha=0.55 if many else 1.0, rasterized=many,
            )  # fmt: skip
    if chart.starts_at_zero("x") and not chart.x.startswith(COUNTED):
        axes.set_xlim(left=0)
    if chart.starts_at_zero("y"):
        axes.set_ylim(bottom=0)
    if chart.share:
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if chart.x.startswith(("generation", "epoch")):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles: List[Any] = axes.get_legend_handles_labels()[0]
    if 1 < len(handles) <= _MAX_LEGEND:
        legend = axes.legend(fontsize=7)
        for handle in legend.get_lines():
            if isinstance(handle, Line2D) and handle.get_linestyle() == "None":
                handle.set_markersize(5)


def _draw_line(axes: Axes, series: Series) -> None:
    axes.errorbar(
        series.x, series.y, _errors(series), label=series.name, color=colour(series.role), linewidth=1.6,
        elinewidth=0.8, linestyle="--" if series.dashed else "-", drawstyle=_DRAW_STYLES[series.mark],
        marker="o" if len(series.x) < 60 and not series.dashed else "", markersize=3.5,
    )  # fmt: skip


def _draw_bars(axes: Axes, series: Series, number: int, count: int) -> None:
    """Draw series ``number`` of ``count``: one bar in each group."""
    names = not all(isinstance(x, (int, float)) for x in series.x)
    places = np.arange(len(series.x)) if names else np.asarray(series.x, float)
    width = _BAR_WIDTH / count
    offset = (number - (count - 1) / 2) * width
    axes.bar(
        places + offset, series.y, width, label=series.name, color=colour(series.role), yerr=_errors(series),
        ecolor=_QUIET, error_kw={"elinewidth": 0.8},
    )  # fmt: skip
    if names:
        axes.set_xticks(places)
        axes.set_xticklabels(series.x)


def _errors(series: Series) -> Optional[np.ndarray]:
    """Return the distances from the values to the lower and upper ends of their intervals, shape [2, n]."""
    if not series.low:
        return None
    errors: np.ndarray = np.maximum(0, [np.subtract(series.y, series.low), np.subtract(series.high, series.y)])
    return errors
