"""Consoles and tables for files, pipes, and terminals of any width."""

import copy
import shutil
import sys
from typing import List, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table

_UNLIMITED = 100_000  # columns, where the output is not a terminal: nothing is wrapped or cut
_FOLDED = 12  # columns that a column of text needs, since it is wrapped


def open_console(stderr: bool = False) -> Console:
    """Return a console for standard output or standard error.

    Text is printed as it is: nothing is highlighted or read as markup. Where the output is not a terminal, lines may
    be of any length, and there are no live displays, even if FORCE_COLOR asks for colours.

    Args:
        stderr: Whether to print to standard error.
    """
    stream = sys.stderr if stderr else sys.stdout
    is_terminal = stream is not None and stream.isatty()
    console = Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        force_interactive=None if is_terminal else False,
        width=None if is_terminal else _UNLIMITED,
        force_jupyter=False,  # in a notebook, messages are lines of standard error, too
    )
    if console.is_dumb_terminal:  # rich assumes 80 columns
        console.width = shutil.get_terminal_size().columns
    return console


def print_table(table: Table, console: Console) -> None:
    """Print a table; one that is wider than the terminal is printed in parts below each other, so that nothing is cut.

    Args:
        table: Table to print.
        console: Console to print to.
    """
    console.print(FittedTable(table))


class FittedTable:
    """A table that is shown in parts below each other if it is wider than the console; all have the first column."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts that fit in the current width; title and caption may be wider than the columns."""
        groups = _group_columns(self._table, console, options)
        if self._table.title is not None:
            yield console.render_str(str(self._table.title), style="table.title", highlight=False)
        for columns in groups:
            part = copy.copy(self._table) if len(groups) == 1 else _take(self._table, columns)
            part.title = part.caption = None
            yield part
        if self._table.caption is not None:
            yield console.render_str(str(self._table.caption), style="table.caption", highlight=False)


def _group_columns(table: Table, console: Console, options: ConsoleOptions) -> List[List[Column]]:
    """Return the columns of each part; every part contains the first column."""
    if _measure(table, table.columns, console, options) <= options.max_width:
        return [table.columns]
    first, *others = table.columns
    groups = [[first]]
    for column in others:
        if len(groups[-1]) > 1 and _measure(table, [*groups[-1], column], console, options) > options.max_width:
            groups.append([first])
        groups[-1].append(column)
    return groups


def _measure(table: Table, columns: Sequence[Column], console: Console, options: ConsoleOptions) -> int:
    """Return the width that some columns need so that no figure is cut; text can be wrapped."""
    part = _take(table, columns, wrapped="x" * _FOLDED)
    part.title = part.caption = None
    return console.measure(part, options=options.update(max_width=_UNLIMITED)).maximum


def _take(table: Table, columns: Sequence[Column], wrapped: str = "") -> Table:
    """Return a table with some columns of another, whose text is replaced by ``wrapped`` if that is given."""
    part = copy.copy(table)
    part.columns, part.rows = [], []
    for column in columns:
        part.add_column(
            wrapped if wrapped and not column.no_wrap else column.header,
            justify=column.justify, no_wrap=column.no_wrap, overflow=column.overflow, min_width=column.min_width,
        )  # fmt: skip
    cells = [[wrapped] * len(table.rows) if wrapped and not column.no_wrap else column.cells for column in columns]
    for row, values in zip(table.rows, zip(*cells)):
        part.add_row(*values, style=row.style, end_section=row.end_section)
    return part
