"""The course of a search: what it reached, and for how much computation."""

from typing import Dict, List, Sequence, Tuple

import numpy as np

from search.report.chart import Chart, Section, Series, counted, level
from search.report.contents import Contents, Generations

_NOT_YET = "There is no search yet: `evolve` begins one."


def hypervolume_section(runs: Sequence[Contents]) -> Section:
    """Hypervolume over generations and over computation, the exact one as a line."""
    title = "Hypervolume"
    having = [(number, each, each.generations) for number, each in enumerate(runs) if each.generations is not None]
    if not having:
        return Section("hypervolume", title, (_NOT_YET,))
    charts = []
    for name, unit in (("generation", ""), ("architectures asked for", ""), ("time", ", seconds")):
        series: List[Series] = []
        for number, contents, course in having:
            along = _along(course, name)
            series.append(Series(contents.name, along, course.hypervolume, f"run {number}", "steps"))
        for value, label in _exact([contents for _, contents, _ in having]).items():
            extent = [x for each in series for x in each.x]
            series.append(level(label, value, extent, "exact"))
        charts.append(Chart(f"Over {name}", name + unit, "hypervolume", tuple(series)))
    return Section("hypervolume", title, tuple(_reached(contents) for _, contents, _ in having), tuple(charts))


def _along(course: Generations, name: str) -> List[float]:
    if name == "generation":
        return list(range(len(course.hypervolume)))
    return [*course.evaluations] if name == "architectures asked for" else course.wall_s


def _exact(runs: Sequence[Contents]) -> Dict[float, str]:
    """The exact hypervolumes, each once, with a name."""
    found = {}
    for contents in runs:
        if contents.exact is not None:
            found[contents.hypervolume(contents.exact)] = contents.name
    return {value: "exact" if len(found) == 1 else f"exact, {name}" for value, name in found.items()}


def _reached(contents: Contents) -> str:
    course = contents.generations
    assert course is not None
    last = course.hypervolume[-1]
    text = f"{contents.name}: {last:.6g} after {counted(len(course.hypervolume), 'generation')}"
    if contents.exact is None:
        return f"{text}. The exact one is not known: `enumerate` finds it."
    exact = contents.hypervolume(contents.exact)
    first = next((number for number, value in enumerate(course.hypervolume) if value >= exact * (1 - 1e-12)), None)
    text += f"; {last / exact:.3%} of the exact {exact:.6g}"
    return text + ("." if first is None else f", reached in generation {first} after {course.wall_s[first]:.0f} s.")


def work_section(runs: Sequence[Contents]) -> Section:
    """Architectures asked for and scored, and duplicates avoided."""
    title = "Work and duplicates"
    text, asked, avoided = [], [], []
    for number, contents in enumerate(runs):
        course, archive = contents.generations, contents.archive
        if course is None or archive is None:
            continue
        numbers = list(range(len(course.evaluations)))
        counts = np.bincount(archive.column("generation"), minlength=len(numbers))
        name = f"{contents.name}: " if len(runs) > 1 else ""
        asked.append(Series(f"{name}scored", numbers, np.cumsum(counts).tolist(), f"run {number}", "steps"))
        asked.append(Series(f"{name}asked for", numbers, course.evaluations, f"run {number}", "steps", dashed=True))
        each = np.diff([0, *course.duplicates]).tolist()
        avoided.append(Series(contents.name, numbers, each, f"run {number}", "bars"))
        asked_for = counted(course.evaluations[-1], "architecture")
        again = counted(course.duplicates[-1], "child", "children")
        text.append(
            f"{contents.name}: {asked_for} asked for, and {len(archive):,} scored in {course.wall_s[-1]:.0f} s; "
            f"{again} known already, and drawn again instead of being scored twice."
        )
    if not text:
        return Section("work", title, (_NOT_YET,))
    charts: Tuple[Chart, ...] = (
        Chart("Architectures so far", "generation", "architectures", tuple(asked)),
        Chart("Duplicates avoided", "generation", "children drawn again", tuple(avoided)),
    )
    return Section("work", title, tuple(text), charts)
