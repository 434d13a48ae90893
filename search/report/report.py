"""Makes a report of runs: the page, and beside it each section as PNG and CSV."""

from pathlib import Path
from typing import Callable, List, Optional, Sequence

from edgeflownas.errors import InputError
from edgeflownas.progress import progress
from edgeflownas.storage.files import replacing, write_text
from search.report import images
from search.report.chart import Section
from search.report.contents import Contents
from search.report.course import hypervolume_section, work_section
from search.report.explorer import explorer_data
from search.report.final import final_section
from search.report.front import front_section
from search.report.genes import genes_section
from search.report.origin import origin_section
from search.report.page import page
from search.report.parts import PartCycles
from search.report.points import Points, points
from search.report.ranking import ranking_section
from search.report.retraining import retraining_section
from search.report.summary import overview, subtitle, tiles
from search.report.tables import section_csv, tables_csv
from search.report.training import fairness_section, training_section


def write_report(
    runs: Sequence[Contents],
    output: Path,
    parts: Callable[[Contents], Optional[PartCycles]],
    pictures: Callable[[Sequence[Contents], Sequence[Optional[Points]]], Section],
) -> None:
    """Writes the page, and the files of its sections into a folder of its name beside it.

    Args:
        runs: to report, with one space.
        output: file of the page.
        parts: gives the cycles by part of a run's networks.
        pictures: makes the section of flow pictures.

    Raises:
        InputError: the runs are of different spaces.
    """
    spaces = {contents.run.space.genes for contents in runs}
    if len(spaces) > 1:
        raise InputError("report: the runs have different genes, and cannot be shown side by side; report each alone")
    found = [points(each) if each.archive is not None or each.exact is not None else None for each in runs]
    cycles = [None if each is None else parts(contents) for contents, each in zip(runs, found)]
    ranking = ranking_section(runs)
    sections = [
        front_section(runs, [each for each in found if each is not None]),
        pictures(runs, found),
        hypervolume_section(runs),
        work_section(runs),
        genes_section(runs),
        training_section(runs),
        fairness_section(runs),
        *([] if ranking is None else [ranking]),
        retraining_section(runs),
        final_section(runs),
        origin_section(runs),
    ]
    folder = output.with_suffix("")
    with progress("drawing", len(sections)) as bar:
        for section in sections:
            _write_section(folder, section)
            bar.advance(section.title)
    several = len(runs) > 1
    text = page(
        title=", ".join(_names(runs)),
        subtitle="Several runs side by side." if several else subtitle(runs[0]),
        tiles=() if several else tiles(runs[0], found[0]),
        overview=overview(runs, found) if several else None,
        sections=sections,
        explorer=explorer_data(runs, found, cycles),
        files=folder.name,
    )
    write_text(output, text)


def _names(runs: Sequence[Contents]) -> List[str]:
    return [contents.name for contents in runs]


def _write_section(folder: Path, section: Section) -> None:
    write_text(folder / f"{section.key}.csv", section_csv(section))
    if section.has_both:
        write_text(folder / f"{section.key}_table.csv", tables_csv(section))
    with replacing(folder / f"{section.key}.png") as temporary:
        temporary.write_bytes(images.section_png(section))
