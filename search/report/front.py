"""Section on the front in EPE and FPS, with all scored architectures in the background."""

from typing import List, Sequence, Tuple

import numpy as np

from edgeflownas.wording import format_count
from search.nsga2.scoring import COST_SOURCES
from search.report.chart import Chart, ReportSection, Series, Table, option_role, to_python
from search.report.contents import Contents
from search.report.points import Points

TITLE = "Front"
NOTHING = "Nothing is scored yet: `evolve` searches, `enumerate` scores the whole space."


def front_section(runs: Sequence[Contents], points: Sequence[Points]) -> ReportSection:
    """Return the section on the front.

    Args:
        runs: Runs of the report.
        points: Points of the runs that have any.
    """
    scored = [run for run in runs if run.has_scores]
    if not scored:
        return ReportSection("front", TITLE, (NOTHING,))
    text: List[str] = []
    charts: List[Chart] = []
    for contents, run_points in zip(scored, points):
        text.append(_summarise(contents, run_points, len(runs) > 1))
        title = contents.name if len(runs) > 1 else "EPE and FPS"
        charts.append(_make_chart(title, runs.index(contents), run_points))
    return ReportSection("front", TITLE, tuple(text), tuple(charts), data=_make_data(scored, points))


def _summarise(contents: Contents, points: Points, several: bool) -> str:
    epe, fps = points.columns["epe"], points.columns["fps"]
    front = points.sort_by_fps(np.flatnonzero(points.front))
    name = f"{contents.name}: " if several else ""
    text = f"{name}{_summarise_scores(contents, points)}"
    if len(front):
        ends = [f"{epe[row]:.3f} px at {fps[row]:.0f} FPS" for row in (front[0], front[-1])]
        place = f"from {ends[0]} to {ends[1]}" if len(front) > 1 else ends[0]
        text += f". {format_count(len(front), 'architecture is', 'architectures are')} on the front, {place}"
    if contents.archive is not None and contents.exact is not None:
        share = contents.hypervolume(contents.archive) / contents.hypervolume(contents.exact)
        exact = format_count(int(points.exact.sum()), "architecture")
        text += f". The front reaches {100 * share:.3f} % of the hypervolume of the exact front, which has {exact}"
    return text + "."


def _summarise_scores(contents: Contents, points: Points) -> str:
    """Return how many architectures were requested, scored and enumerated, as on the rest of the page."""
    size = f"{points.space.size:,}"
    enumerated = "the EPE of all others is known from `enumerate`"
    if contents.archive is None:
        text = f"all {size} architectures are scored by `enumerate`"
    else:
        archive = contents.archive
        requested = format_count(archive.evaluations, "architecture")
        text = f"{requested} requested and {len(archive):,} of {size} scored by the search"
        text += f"; {enumerated}" if contents.exact is not None and len(points) > len(archive) else ""
    sources = [COST_SOURCES[source] for source in points.columns["cost_source"]]
    counts = {source: sources.count(source) for source in ("measured", "compiled", "corrected")}
    known = " and ".join(f"{count:,} are {source}" for source, count in counts.items() if count or source == "compiled")
    return f"{text}. Of the costs shown, {known}, the others predicted"


def _make_chart(title: str, run: int, points: Points) -> Chart:
    """Return all points, coloured by the most informative gene, and the fronts."""
    epe, fps = points.columns["epe"], points.columns["fps"]
    index = points.most_informative_gene()
    gene = points.space.genes[index]
    series = [
        Series(
            f"{gene.name}: {option}",
            to_python(fps[points.genes[:, index] == number]),
            to_python(epe[points.genes[:, index] == number]),
            option_role(number, len(gene.options)),
            "points",
        )
        for number, option in enumerate(gene.options)
    ]
    lines: List[Tuple[str, np.ndarray, str, bool]] = [("front", points.front, f"run {run}", False)]
    if points.exact.any() and (points.exact != points.front).any():
        lines.append(("exact front", points.exact, "exact", True))
    for name, mask, role, dashed in lines:
        rows = points.sort_by_fps(np.flatnonzero(mask))
        names = [points.name(row) for row in rows]
        series.append(Series(name, to_python(fps[rows]), to_python(epe[rows]), role, "front", dashed, names))
    return Chart(title, "FPS (higher is better)", "EPE, px (lower is better)", tuple(series))


def _make_data(runs: Sequence[Contents], points: Sequence[Points]) -> Table:
    tables = [run_points.table() for run_points in points]
    rows = tuple((run.name, *row) for run, table in zip(runs, tables) for row in table.rows)
    return Table(tables[0].title, ("run", *tables[0].headings), rows)
