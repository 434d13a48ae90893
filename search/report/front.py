"""The front in EPE and FPS, with all that was scored behind it."""

from typing import List, Sequence, Tuple

import numpy as np

from search.report.chart import Chart, Section, Series, Table, option_role, plain
from search.report.contents import Contents
from search.report.points import Points

TITLE = "Front"
NOTHING = "Nothing is scored yet: `evolve` searches, `enumerate` scores everything."


def front_section(runs: Sequence[Contents], found: Sequence[Points]) -> Section:
    """The section; ``found`` are the points of those runs, and only those, that have some."""
    having = [each for each in runs if each.archive is not None or each.exact is not None]
    if not having:
        return Section("front", TITLE, (NOTHING,))
    text: List[str] = []
    charts: List[Chart] = []
    for contents, points in zip(having, found):
        text.append(_sentence(contents, points, len(runs) > 1))
        charts.append(_chart(contents.name if len(runs) > 1 else "EPE and FPS", runs.index(contents), points))
    return Section("front", TITLE, tuple(text), tuple(charts), data=_data(having, found))


def _sentence(contents: Contents, points: Points, several: bool) -> str:
    epe, fps = points.columns["epe"], points.columns["fps"]
    front = points.along(np.flatnonzero(points.front))
    name = f"{contents.name}: " if several else ""
    text = f"{name}{len(points):,} of {points.space.size:,} architectures scored"
    if len(front):
        ends = [f"{epe[row]:.3f} px at {fps[row]:.0f} FPS" for row in (front[0], front[-1])]
        text += f"; {len(front)} on the front, {f'from {ends[0]} to {ends[1]}' if len(front) > 1 else ends[0]}"
    if contents.archive is not None and contents.exact is not None:
        share = contents.hypervolume(contents.archive) / contents.hypervolume(contents.exact)
        text += f". That is {share:.3%} of the hypervolume of the exact front, which has {points.exact.sum()}"
    return text + "."


def _chart(title: str, run: int, points: Points) -> Chart:
    """All points by the option of the gene that tells most, and the fronts."""
    epe, fps = points.columns["epe"], points.columns["fps"]
    index = points.telling_gene()
    gene = points.space.genes[index]
    series = [
        Series(
            f"{gene.name}: {option}",
            plain(fps[points.genes[:, index] == number]),
            plain(epe[points.genes[:, index] == number]),
            option_role(number, len(gene.options)),
            "points",
        )
        for number, option in enumerate(gene.options)
    ]
    lines: List[Tuple[str, np.ndarray, str, bool]] = [("front", points.front, f"run {run}", False)]
    if points.exact.any() and (points.exact != points.front).any():
        lines.append(("exact front", points.exact, "exact", True))
    for name, mask, role, dashed in lines:
        rows = points.along(np.flatnonzero(mask))
        names = [points.name(row) for row in rows]
        series.append(Series(name, plain(fps[rows]), plain(epe[rows]), role, "front", dashed, names))
    return Chart(title, "FPS (more is better)", "EPE, px (less is better)", tuple(series))


def _data(runs: Sequence[Contents], found: Sequence[Points]) -> Table:
    tables = [points.table() for points in found]
    rows = tuple((run.name, *row) for run, table in zip(runs, tables) for row in table.rows)
    return Table(tables[0].title, ("run", *tables[0].headings), rows)
