"""Head of the page: a description of the run and its key figures."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.progress import format_duration
from edgeflownas.wording import format_count
from search.report.chart import Table
from search.report.contents import Contents
from search.report.points import Points


class KeyFigure(NamedTuple):
    """A key figure."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


def describe_run(contents: Contents) -> str:
    """Describe a run in one line."""
    config = contents.run.config
    size = "{}x{}".format(*config.data.size)
    text = f"{contents.board.settings.name}, base width {config.network.width}, {size} pixels, {config.data.kind} data"
    return f"{text}. {_describe_state(contents)}"


def _describe_state(contents: Contents) -> str:
    if contents.searching:
        return "The search is running; the page shows its progress so far."
    if contents.generations is not None:
        return f"{format_count(len(contents.generations.hypervolume), 'generation')} searched."
    return "The whole space is scored by `enumerate`." if contents.exact is not None else "There is no search yet."


def make_key_figures(contents: Contents, points: Optional[Points]) -> Tuple[KeyFigure, ...]:
    """Return the key figures of a run."""
    figures: List[KeyFigure] = []
    if points is not None and points.front.any():
        zero = float(contents.attributes.get("zero_flow_epe", np.nan))
        epe, fps = points.columns["epe"][points.front], points.columns["fps"][points.front]
        best, fast = int(epe.argmin()), int(fps.argmax())
        share = f"{100 * epe[best] / zero:.1f} % of zero-flow EPE, " if zero > 0 else ""
        figures.append(KeyFigure("Best EPE", f"{epe[best]:.3f}", "px", f"{share}{fps[best]:.0f} FPS"))
        figures.append(KeyFigure("Fastest on the front", f"{fps[fast]:.0f}", "FPS", f"{epe[fast]:.3f} px"))
    if contents.archive is not None and contents.exact is not None:
        reached = contents.hypervolume(contents.archive) / contents.hypervolume(contents.exact)
        figures.append(KeyFigure("Hypervolume", f"{100 * reached:.2f}", "%", "of that of the exact front"))
    if contents.archive is not None and contents.generations is not None:
        note = f"of {contents.run.space.size:,}; {contents.archive.evaluations:,} requested"
        figures.append(KeyFigure("Scored by the search", f"{len(contents.archive):,}", "", note))
        times = contents.generations.wall_s
        note = format_count(len(times), "generation")
        figures.append(KeyFigure("Search time", format_duration(times[-1]), note=note))
    if not figures and contents.trainings and contents.trainings[-1].log:
        line = contents.trainings[-1].log[-1]
        figures.append(KeyFigure("EPE of the pool", f"{line['epe']:.3f}", "px", f"epoch {line['epoch']:.0f}"))
    return tuple(figures)


def make_overview(runs: Sequence[Contents], points: Sequence[Optional[Points]]) -> Table:
    """Return a table of several runs with the key figures of each in a row."""
    figures: List[Dict[str, str]] = [
        {figure.name: f"{figure.value} {figure.unit}".strip() for figure in make_key_figures(run, run_points)}
        for run, run_points in zip(runs, points)
    ]
    names = list(dict.fromkeys(name for row in figures for name in row))
    rows = tuple((run.name, *(row.get(name, "") for name in names)) for run, row in zip(runs, figures))
    return Table("", ("run", *names), rows)
