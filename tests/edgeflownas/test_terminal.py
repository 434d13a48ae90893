import io
import os
import re
import subprocess
import sys

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.terminal import FittedTable, open_console, print_table
from tests.terminal import ROOT

FIGURES = ["2.8412", "1061.27", "942.3", "1,024.5", "predicted"]


def make_table():
    table = Table(title="Front", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", "FPS", "ms", "SRAM KiB", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold", min_width=8)
    table.add_row("000000000", *FIGURES, "a-folder-with-a-long-name on a-machine-with-a-long-name")
    return table


@pytest.mark.parametrize("width", [*range(40, 201, 5)])
def test_table_is_never_cut_on_terminals(width):
    text = io.StringIO()
    environment = {"TERM": "xterm-256color"}
    console = Console(file=text, force_terminal=True, width=width, color_system=None, _environ=environment)
    console.print(FittedTable(make_table()))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width and text.getvalue().count("Front") == 1
    printed = text.getvalue().split()
    assert "…" not in text.getvalue() and all(printed.count(figure) == 1 for figure in FIGURES)
    parts = sum("architecture" in line for line in lines)
    assert printed.count("000000000") == parts and (parts > 1 if width < 65 else parts == 1 if width >= 80 else True)


PROGRAM = """
from edgeflownas.progress import console, progress
from edgeflownas.terminal import open_console, print_table
from tests.edgeflownas.test_terminal import make_table
print_table(make_table(), open_console())
with progress("scoring", 1) as bar:
    bar.advance()
"""


@pytest.mark.parametrize(
    "environment",
    [{}, {"COLUMNS": "60"}, {"COLUMNS": "0"}, {"COLUMNS": "wide"}, {"TERM": "dumb"}, {"FORCE_COLOR": "1"}],
)
def test_files_hold_whole_lines_and_no_live_displays(environment):
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=variables, check=True, stdout=-1, stderr=-1, encoding="utf-8"
    )
    printed = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    assert any(line.split()[:6] == ["000000000", *FIGURES] for line in printed.splitlines())
    assert done.stderr.replace("\x1b[0m", "") == "scoring: 1/1 in 0:00:00\n"


def test_title_and_caption_of_a_narrow_table_are_whole_lines_in_files(capsys):
    title, caption = "figures of [all] boards", "compiled by Vela, for the boards of this folder"
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    table.add_column("ms")
    table.add_row("1.0")
    print_table(table, open_console())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert (lines[0], lines[-1]) == (title, caption)


def test_markup_and_emoji_codes_in_names_are_printed_as_they_are(capsys):
    table = Table("file")
    table.add_row("[red]a:smile:.png")
    print_table(table, open_console())
    assert "[red]a:smile:.png" in capsys.readouterr().out
