"""Sections on the course of a search: the hypervolume that it reached, and the computation that it took."""

from typing import Dict, List, Sequence, Tuple

import numpy as np

from edgeflownas.progress import format_duration
from edgeflownas.wording import format_count
from search.report.chart import Chart, ReportSection, Series, horizontal_line
from search.report.contents import Contents, Generations

_NOT_YET = "There is no search yet: `evolve` starts one."
_REQUESTED = "requested architectures"


def hypervolume_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with the hypervolume by generation and by computation, and the exact one as a line."""
    title = "Hypervolume"
    searched = [(number, run, run.generations) for number, run in enumerate(runs) if run.generations is not None]
    if not searched:
        return ReportSection("hypervolume", title, (_NOT_YET,))
    charts = []
    volumes = {number: contents.measure_course() for number, contents, _ in searched}
    for name, unit in (("generation", ""), (_REQUESTED, ""), ("time", ", seconds")):
        series: List[Series] = []
        for number, contents, course in searched:
            series.append(Series(contents.name, _x_values(course, name), volumes[number], f"run {number}", "steps"))
        extent = [x for line in series for x in line.x]
        for value, label in _exact_hypervolumes([contents for _, contents, _ in searched]).items():
            series.append(horizontal_line(label, value, extent, "exact"))
        charts.append(Chart(f"By {name}", name + unit, "hypervolume", tuple(series)))
    text = tuple(_summarise(contents) for _, contents, _ in searched)
    return ReportSection("hypervolume", title, text, tuple(charts))


def _x_values(course: Generations, name: str) -> List[float]:
    if name == "generation":
        return list(range(len(course.hypervolume)))
    return [*course.evaluations] if name == _REQUESTED else course.wall_s


def _exact_hypervolumes(runs: Sequence[Contents]) -> Dict[float, str]:
    """Return the labels of the distinct exact hypervolumes."""
    names = {}
    for contents in runs:
        if contents.exact is not None:
            names[contents.hypervolume(contents.exact)] = contents.name
    return {value: "exact" if len(names) == 1 else f"exact, {name}" for value, name in names.items()}


def _summarise(contents: Contents) -> str:
    course = contents.generations
    assert course is not None
    volumes = contents.measure_course()
    last, point = volumes[-1], contents.objectives.describe_reference()
    text = f"{contents.name}: {last:.6g} after {format_count(len(volumes), 'generation')}, from {point}"
    if contents.exact is None:
        return f"{text}. The exact hypervolume is not known: `enumerate` computes it."
    exact = contents.hypervolume(contents.exact)
    first = next((number for number, value in enumerate(volumes) if value >= exact * (1 - 1e-12)), None)
    text += f"; {100 * last / exact:.3f} % of the exact {exact:.6g}"
    if first is not None:
        text += f", reached in generation {first} after {format_duration(course.wall_s[first])}"
    return f"{text}."


def work_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with the numbers of requested and scored architectures and of avoided duplicates."""
    title = "Work and duplicates"
    text, work, avoided = [], [], []
    for number, contents in enumerate(runs):
        course, archive = contents.generations, contents.archive
        if course is None or archive is None:
            continue
        numbers = list(range(len(course.evaluations)))
        counts = np.bincount(archive.column("generation"), minlength=len(numbers))
        name = f"{contents.name}: " if len(runs) > 1 else ""
        work.append(Series(f"{name}scored", numbers, np.cumsum(counts).tolist(), f"run {number}", "steps"))
        work.append(Series(f"{name}requested", numbers, course.evaluations, f"run {number}", "steps", dashed=True))
        per_generation = np.diff([0, *course.duplicates]).tolist()
        avoided.append(Series(contents.name, numbers, per_generation, f"run {number}", "bars"))
        requested = format_count(course.evaluations[-1], "architecture")
        redrawn = format_count(course.duplicates[-1], "duplicate child was", "duplicate children were")
        text.append(
            f"{contents.name}: {requested} requested and {len(archive):,} scored in "
            f"{format_duration(course.wall_s[-1])}; {redrawn} redrawn instead of being scored twice."
        )
    if not text:
        return ReportSection("work", title, (_NOT_YET,))
    charts: Tuple[Chart, ...] = (
        Chart("Architectures so far", "generation", "architectures", tuple(work)),
        Chart("Duplicates avoided", "generation", "children redrawn", tuple(avoided)),
    )
    return ReportSection("work", title, tuple(text), charts)
