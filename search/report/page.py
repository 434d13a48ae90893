"""The HTML page: sections, data, plotly.js and the project's scripts in one file. Text from files is escaped."""

import base64
import functools
import gzip
import json
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from edgeflownas import __version__
from search.report.chart import COUNTED, Chart, ReportSection, Table
from search.report.palette import colours
from search.report.summary import KeyFigure
from search.report.tables import format_cell

_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("charts.js", "explorer.js")


def render_page(
    title: str,
    subtitle: str,
    key_figures: Sequence[KeyFigure],
    overview: Optional[Table],
    sections: Sequence[ReportSection],
    explorer: Optional[Mapping[str, Any]],
    files: Optional[str],
    version: Optional[str] = None,
) -> str:
    """Render the page.

    Args:
        title: Names of the runs.
        subtitle: Description of the runs.
        key_figures: Key figures of a single run.
        overview: Table of the key figures of several runs.
        sections: Sections in order.
        explorer: Data of the explorer; see ``explorer.explorer_data``.
        files: Name of the folder beside the page that contains the files of the sections; None if there is none.
        version: Version of a page that is served and reloads itself when its version changes; None for a file.

    Returns:
        The content of the HTML file.
    """
    charts = {
        f"{section.key}-{number}": _chart_record(chart)
        for section in sections
        if section.key != "front"
        for number, chart in enumerate(section.charts)
    }
    roles = [series.role for section in sections for chart in section.charts for series in chart.series]
    roles += [f"run {number}" for number in range(len(roles) and 8)]
    spaces = [run["space"] for run in explorer["runs"]] if explorer else []
    for count in sorted({len(gene["options"]) for space in spaces for gene in space}):
        roles += [f"option {option}/{count}" for option in range(count)]
    data = {"charts": charts, "front": explorer, "colours": colours([*roles, "exact", "muted"])}
    return _environment().get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        key_figures=key_figures,
        overview=[] if overview is None else [overview],
        sections=sections,
        explorer=explorer is not None,
        legend={section.key: _make_legend(section) for section in sections},
        files=files,
        made=time.strftime("%Y-%m-%d %H:%M"),
        program_version=__version__,
        version=version,
        live=Markup(_read_page_file("live.js")),
        style=Markup(_read_page_file("report.css")),
        data=_compress(json.dumps(data, allow_nan=False, separators=(",", ":"))),
        plotly=_compress_plotly(),
        load=Markup(_read_page_file("load.js")),
        script=Markup("\n".join(_read_page_file(name) for name in _SCRIPTS)),
        render_table=_render_table,
        mark_code=_mark_code,
        encode_base64=lambda content: base64.b64encode(content).decode(),
    )


def render_notice(text: str, version: str) -> str:
    """Render a page with a single sentence, which reloads itself like a report that is served."""
    return _environment().get_template("notice.html").render(
        text=text, version=version, live=Markup(_read_page_file("live.js"))
    )


def _chart_record(chart: Chart) -> Dict[str, Any]:
    titles = {"x_title": chart.axis_title("x"), "y_title": chart.axis_title("y")}
    x_zero = chart.starts_at_zero("x") and not chart.x.startswith(COUNTED)
    zeros = {"x_zero": x_zero, "y_zero": chart.starts_at_zero("y")}
    series = [vars(series) for series in chart.series]
    return {"x": chart.x, "y": chart.y, **titles, **zeros, "share": chart.share, "series": series}


def _compress(text: str) -> str:
    """Return text compressed by gzip, in base64, which the page decompresses."""
    return base64.b64encode(gzip.compress(text.encode(), 6)).decode()


@functools.lru_cache(maxsize=None)
def _compress_plotly() -> str:
    return _compress(get_plotlyjs())


def _make_legend(section: ReportSection) -> str:
    """Return the meaning of the colours of many small charts that share one legend."""
    if len(section.charts) <= 4:
        return ""
    names: List[str] = []
    for chart in section.charts:
        names.append(" / ".join(series.name for series in chart.series))
    return "; ".join(dict.fromkeys(names))


def _render_table(table: Table) -> Markup:
    rows = [[format_cell(cell) for cell in row] for row in table.rows]
    numeric = [all(_is_number(row[column]) for row in table.rows) for column in range(len(table.headings))]
    return Markup(_environment().get_template("table.html").render(table=table, rows=rows, numeric=numeric))


def _is_number(cell: Any) -> bool:
    return cell is None or isinstance(cell, (int, float))


def _mark_code(text: str) -> Markup:
    """Mark text between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup().join(Markup("<code>{}</code>").format(part) if number % 2 else part
                         for number, part in enumerate(parts))


@functools.lru_cache(maxsize=None)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(str(_FOLDER)), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _read_page_file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
