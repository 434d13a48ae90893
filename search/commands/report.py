"""``report``: the results of runs as one HTML page that works offline, with its figures and data as files."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence

import click

from edgeflownas.errors import InputError
from edgeflownas.progress import progress, say
from search.commands.options import PathOption, check_output_folder, complete_errors
from search.hints import folder_options

if TYPE_CHECKING:
    from search.report.contents import Contents

_EPILOG = """\b
Examples:
  edgeflownas-search report results/demo
  edgeflownas-search report results/demo results/other --output results/both.html
  edgeflownas-search report results/demo --serve"""


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
@click.option(
    "--serve",
    is_flag=True,
    help="Serve the page to a browser and keep it up to date, without flow pictures, instead of writing files.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Interface to serve the page on. Other computers need the token in the printed address.",
)
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes any free one."
)
def command(
    folders: Sequence[Path],
    output: Optional[Path],
    wanted: Sequence[str],
    pairs: int,
    parts: bool,
    serve: bool,
    host: str,
    port: int,
) -> None:
    """Show runs, finished or not, on one HTML page.

    The page, report.html, works offline and lists the results that a run does not have yet. A folder next to it
    contains all charts and tables as PNG and CSV files.
    """
    if serve:
        if output is not None or wanted:
            raise click.UsageError("--serve writes no files and draws no flow; leave out --output and --flow")
        _serve(folders, host, port)
        return
    from search.report.flow import flow_section
    from search.report.parts import compile_part_cycles
    from search.report.report import write_report

    path = output or _default_path(folders)
    if path.suffix != ".html":
        raise InputError(f"--output {path}: must end in .html; figures go into a folder of the same name without it")
    check_output_folder("--output", output.parent if output is not None else None)
    write_report(
        _read_runs(folders),
        path,
        parts=lambda contents: compile_part_cycles(contents.run) if parts else None,
        pictures=lambda runs, points: flow_section(runs, points, wanted, pairs),
    )
    say(f"open {path} in a browser; the PNG and CSV files are in {path.with_suffix('')}")


def _default_path(folders: Sequence[Path]) -> Path:
    return (folders[0] if len(folders) == 1 else folders[0].parent) / "report.html"


def _read_runs(folders: Sequence[Path]) -> "List[Contents]":
    from search.report.contents import name_runs, read

    runs = []
    with progress("reading", len(folders)) as bar:
        for folder, name in zip(folders, name_runs(folders)):
            with complete_errors(folder_options(folder)):
                runs.append(read(folder, name))
            bar.advance(str(folder))
    return runs


def _serve(folders: Sequence[Path], host: str, port: int) -> None:
    """Serve the page until the process is interrupted."""
    from search.report.flow import flow_section
    from search.report.report import make_page
    from search.report.serve import LivePage, ReportServer

    def render(version: str) -> str:
        text, _ = make_page(
            _read_runs(folders),
            parts=lambda contents: None,
            pictures=lambda runs, points: flow_section(runs, points, (), 0),
            version=version,
        )
        return text

    with ReportServer(LivePage(folders, render), host, port) as server:
        say(f"open {server.address} in a browser; press Ctrl-C to stop")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
