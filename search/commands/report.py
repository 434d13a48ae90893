"""``report``: the results of runs as one HTML page that works offline, with its figures and data as files."""

from pathlib import Path
from typing import Optional, Sequence

import click

from edgeflownas.errors import InputError
from edgeflownas.progress import progress, say
from search.commands.options import PathOption, check_output_folder, complete_errors
from search.hints import folder_options

_EPILOG = """\b
Examples:
  edgeflownas-search report results/demo
  edgeflownas-search report results/demo results/other --output results/both.html"""


@click.command(epilog=_EPILOG)
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=PathOption())
@click.option(
    "--output",
    type=PathOption(),
    help="File of the page. Default: RUN/report.html; for several runs, report.html next to the first.",
)
@click.option(
    "--flow",
    "wanted",
    multiple=True,
    metavar="ARCH",
    help="Architecture whose flow is drawn. Default: the ends and the knee of the front.",
)
@click.option(
    "--pairs",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="Number of validation pairs to draw; 0 draws none.",
)
@click.option(
    "--parts/--no-parts",
    default=True,
    show_default=True,
    help="Compile what is needed to show the cycles of each part of the network.",
)
def command(folders: Sequence[Path], output: Optional[Path], wanted: Sequence[str], pairs: int, parts: bool) -> None:
    """Show runs, finished or not, on one HTML page.

    The page, report.html, works offline and lists the results that a run does not have yet. A folder next to it
    contains all charts and tables as PNG and CSV files.
    """
    from search.report.contents import name_runs, read
    from search.report.flow import flow_section
    from search.report.parts import compile_part_cycles
    from search.report.report import write_report

    path = output or _default_path(folders)
    if path.suffix != ".html":
        raise InputError(f"--output {path}: must end in .html; figures go into a folder of the same name without it")
    check_output_folder("--output", output.parent if output is not None else None)
    runs = []
    with progress("reading", len(folders)) as bar:
        for folder, name in zip(folders, name_runs(folders)):
            with complete_errors(folder_options(folder)):
                runs.append(read(folder, name))
            bar.advance(str(folder))
    write_report(
        runs,
        path,
        parts=lambda contents: compile_part_cycles(contents.run) if parts else None,
        pictures=lambda runs, points: flow_section(runs, points, wanted, pairs),
    )
    say(f"open {path} in a browser; the PNG and CSV files are in {path.with_suffix('')}")


def _default_path(folders: Sequence[Path]) -> Path:
    return (folders[0] if len(folders) == 1 else folders[0].parent) / "report.html"
