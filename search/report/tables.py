"""Sections as CSV files, and the format of numbers in tables."""

import csv
import io
from typing import Any, Iterator, Tuple

from search.report.chart import Section


def format_cell(value: Any) -> str:
    """Format a cell for display; floats below 100 get four decimal places."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"
    return str(value)


def section_csv(section: Section) -> str:
    """Return the data of a section as CSV, with all digits of floats.

    The data is the section's own data if it has any, otherwise its charts with one row per value, otherwise its tables.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_data_rows(section))
    return text.getvalue()


def tables_csv(section: Section) -> str:
    """Return the tables of a section as one CSV, with a column for every heading; the first column names the table."""
    text = io.StringIO()
    headings = dict.fromkeys(heading for table in section.tables for heading in table.headings)
    writer = csv.DictWriter(text, ["table", *headings], lineterminator="\n")
    writer.writeheader()
    for table in section.tables:
        writer.writerows({"table": table.title, **dict(zip(table.headings, row))} for row in table.rows)
    return text.getvalue()


def _data_rows(section: Section) -> Iterator[Tuple[Any, ...]]:
    if section.data is not None:
        yield section.data.headings
        yield from section.data.rows
    elif section.charts:
        yield ("chart", "series", "x_axis", "x", "y_axis", "y", "label", "low", "high")
        for chart in section.charts:
            for series in chart.series:
                none = [""] * len(series.x)
                optional = (values or none for values in (series.labels, series.low, series.high))
                for x, y, *others in zip(series.x, series.y, *optional):
                    yield (chart.title, series.name, chart.x, x, chart.y, y, *others)
    for table in section.tables if section.data is None and not section.charts else ():
        yield table.headings
        yield from table.rows
    if section.data is None and not section.charts and not section.tables:
        yield ("what",)
        for line in section.text:
            yield (line,)
