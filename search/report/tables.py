"""Rows of the CSV files of sections, and the format of numbers in tables."""

from typing import Any, Dict, List

from search.report.chart import ReportSection, Table

Rows = List[Dict[str, Any]]  # rows of a CSV file by heading


def format_cell(value: Any) -> str:
    """Format a cell for display; floats below 100 get four decimal places."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"
    return str(value)


def section_rows(section: ReportSection) -> Rows:
    """Return the data of a section.

    The data is the section's own data if it has any, otherwise its charts with one row per value, otherwise its tables,
    otherwise its sentences.
    """
    if section.data is not None:
        return _table_rows(section.data)
    if section.charts:
        return _chart_rows(section)
    return [row for table in section.tables for row in _table_rows(table)] or [{"what": line} for line in section.text]


def combine_tables(section: ReportSection) -> Rows:
    """Return the rows of all tables of a section; the column "table" contains the title of the table."""
    return [{"table": table.title, **row} for table in section.tables for row in _table_rows(table)]


def _table_rows(table: Table) -> Rows:
    return [dict(zip(table.headings, row)) for row in table.rows]


def _chart_rows(section: ReportSection) -> Rows:
    rows = []
    for chart in section.charts:
        for series in chart.series:
            none = [""] * len(series.x)
            columns = (series.x, series.y, series.labels or none, series.low or none, series.high or none)
            for x, y, label, low, high in zip(*columns):
                rows.append({
                    "chart": chart.title, "series": series.name, "x_axis": chart.x, "x": x, "y_axis": chart.y, "y": y,
                    "label": label, "low": low, "high": high,
                })  # fmt: skip
    return rows
