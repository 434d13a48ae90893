"""The page: sections, data, plotly.js and own scripts in one HTML file. Everything from files is escaped."""

import base64
import functools
import json
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from edgeflownas import __version__
from search.report.chart import Section, Table
from search.report.palette import colours
from search.report.summary import Tile
from search.report.tables import shown

_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("charts.js", "explorer.js")


def page(
    title: str,
    subtitle: str,
    tiles: Sequence[Tile],
    overview: Optional[Table],
    sections: Sequence[Section],
    explorer: Optional[Mapping[str, Any]],
    files: str,
) -> str:
    """The file's content.

    Args:
        title: the names of the runs.
        subtitle: what they are about.
        tiles: figures of one run.
        overview: of several runs.
        sections: in their order.
        explorer: see ``explorer.explorer_data``.
        files: name of the folder beside the page.
    """
    charts = {
        f"{section.key}-{number}": _plain(chart)
        for section in sections
        if section.key != "front"
        for number, chart in enumerate(section.charts)
    }
    roles = [series.role for section in sections for chart in section.charts for series in chart.series]
    roles += [f"run {number}" for number in range(len(roles) and 8)]
    for gene in explorer["genes"] if explorer else ():
        count = len(gene["options"])
        roles += [f"option {option}/{count}" for option in range(count)]
    data = {"charts": charts, "front": explorer, "colours": colours([*roles, "exact", "muted"])}
    return _environment().get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        tiles=tiles,
        overview=[] if overview is None else [overview],
        sections=sections,
        explorer=explorer is not None,
        legend={section.key: _legend(section) for section in sections},
        files=files,
        made=time.strftime("%Y-%m-%d %H:%M"),
        version=__version__,
        style=Markup(_text("report.css")),
        data=_embedded(data),
        plotly=Markup(get_plotlyjs()),
        script=Markup("\n".join(_text(name) for name in _SCRIPTS)),
        shown_table=_shown_table,
        with_code=_with_code,
        encoded=lambda content: base64.b64encode(content).decode(),
    )


def _plain(chart: Any) -> Dict[str, Any]:
    series = [vars(each) for each in chart.series]
    return {"x": chart.x, "y": chart.y, "share": chart.share, "series": series}


def _embedded(content: Any) -> Markup:
    """JSON that no text in it can end early."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _legend(section: Section) -> str:
    """What the colours of many small charts with one legend mean."""
    if len(section.charts) <= 4:
        return ""
    names: List[str] = []
    for chart in section.charts:
        names.append(" / ".join(series.name for series in chart.series))
    return "; ".join(dict.fromkeys(names))


def _shown_table(table: Table) -> Markup:
    rows = [[shown(cell) for cell in row] for row in table.rows]
    numeric = [all(_is_number(row[column]) for row in table.rows) for column in range(len(table.headings))]
    return Markup(_environment().get_template("table.html").render(table=table, rows=rows, numeric=numeric))


def _is_number(cell: Any) -> bool:
    return cell is None or isinstance(cell, (int, float))


def _with_code(text: str) -> Markup:
    """What stands between backticks is set as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup().join(Markup("<code>{}</code>").format(part) if number % 2 else part
                         for number, part in enumerate(parts))


@functools.lru_cache(maxsize=None)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(str(_FOLDER)), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
