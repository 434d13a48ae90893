"""Report of runs: the page, and beside it each section as PNG and CSV files."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

from edgeflownas.progress import progress
from edgeflownas.storage.files import replacing, write_csv, write_text
from search.report import images
from search.report.chart import ReportSection
from search.report.contents import Contents, share_reference_point
from search.report.course import hypervolume_section, work_section
from search.report.explorer import explorer_data
from search.report.final import final_section
from search.report.front import front_section
from search.report.genes import genes_section
from search.report.origin import origin_section
from search.report.page import render_page
from search.report.parts import PartCycles
from search.report.points import Points, collect_points
from search.report.ranking import ranking_section
from search.report.retraining import retraining_section
from search.report.summary import describe_run, make_key_figures, make_overview
from search.report.tables import combine_tables, section_rows
from search.report.training import fairness_section, training_section

CompileParts = Callable[[Contents], Optional[PartCycles]]
DrawPictures = Callable[[Sequence[Contents], Sequence[Optional[Points]]], ReportSection]


def write_report(runs: Sequence[Contents], output: Path, parts: CompileParts, pictures: DrawPictures) -> None:
    """Write the page, and the files of its sections into a folder of the same name beside it.

    Args:
        runs: Runs to report, of one space or of several.
        output: Path of the page.
        parts: Function that returns the cycles by part of a run's networks.
        pictures: Function that makes the section of flow pictures.
    """
    folder = output.with_suffix("")
    text, sections = make_page(runs, parts, pictures, files=folder.name)
    with progress("drawing", len(sections)) as bar:
        for section in sections:
            _write_section(folder, section)
            bar.advance(section.title)
    write_text(output, text)


def make_page(
    runs: Sequence[Contents],
    parts: CompileParts,
    pictures: DrawPictures,
    files: Optional[str] = None,
    version: Optional[str] = None,
) -> Tuple[str, List[ReportSection]]:
    """Return the page and its sections.

    Args:
        runs: Runs to report, of one space or of several.
        parts: Function that returns the cycles by part of a run's networks.
        pictures: Function that makes the section of flow pictures.
        files: Name of the folder with the files of the sections; None if there are no such files.
        version: Version of a page that is served and reloads itself when its version changes; None for a file.
    """
    runs = share_reference_point(runs)
    points = [collect_points(run) if run.has_scores else None for run in runs]
    cycles = [parts(run) if run.has_scores else None for run in runs]
    sections = _make_sections(runs, points, pictures)
    several = len(runs) > 1
    text = render_page(
        title=", ".join(run.name for run in runs),
        subtitle="Comparison of several runs." if several else describe_run(runs[0]),
        key_figures=() if several else make_key_figures(runs[0], points[0]),
        overview=make_overview(runs, points) if several else None,
        sections=sections,
        explorer=explorer_data(runs, points, cycles),
        files=files,
        version=version,
    )
    return text, sections


def _make_sections(
    runs: Sequence[Contents], points: Sequence[Optional[Points]], pictures: DrawPictures
) -> List[ReportSection]:
    ranking = ranking_section(runs)
    sections = [
        front_section(runs, [run_points for run_points in points if run_points is not None]),
        pictures(runs, points),
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
    return [replace(section, text=tuple(_complete(text, runs) for text in section.text)) for section in sections]


def _complete(text: str, runs: Sequence[Contents]) -> str:
    """Return a text with whole commands for the run that it is about; a text about all of several runs is unchanged."""
    for contents in runs:
        if len(runs) == 1 or text.startswith(f"{contents.name}: "):
            return contents.run.complete(text)
    return text


def _write_section(folder: Path, section: ReportSection) -> None:
    write_csv(folder / f"{section.key}.csv", section_rows(section))
    if section.has_both:
        write_csv(folder / f"{section.key}_table.csv", combine_tables(section))
    with replacing(folder / f"{section.key}.png") as temporary:
        temporary.write_bytes(images.section_png(section))
