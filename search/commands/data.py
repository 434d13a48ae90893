"""``data``: looks after data sets."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.config import DataConfig, FileData, TrainConfig
from edgeflownas.data.check import Findings, check
from edgeflownas.data.exclusion import write_exclusion
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from search.commands.options import InOrder, data_options, run_options
from search.run import Run

_SHOWN = 20  # bad files that are printed; the list has all


@click.group(cls=InOrder)
def command() -> None:
    """Looks after data sets."""


@command.command(name="check")
@data_options
@click.option("--output", type=click.Path(path_type=Path), help="List of bad files; default: what `exclude` names.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1), help="Files read at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@run_options
def check_(run: Run, other: Optional[DataConfig], output: Optional[Path], threads: int, as_json: bool) -> int:
    """Reads all files of the run's data sets, and lists those that cannot be used, to be left out.

    Exit codes: 0 nothing is bad; 1 something is, and is listed.
    """
    sets = [("data", other)] if other is not None else _sets(run)
    files = [(key, config) for key, config in sets if isinstance(config, FileData)]
    if not files:
        raise InputError("data: scenes that are drawn from a seed have no files to check; name a data set in files")
    if output is not None and len(files) > 1:
        raise click.UsageError("--output is for one data set; give each its own list by its key `exclude`")
    results: List[Dict[str, Any]] = []
    for key, config in files:
        found = check(config, threads, key)
        number = sum(result["kind"] == config.kind for result in results)
        name = f"bad_files_{config.kind}{f'_{number + 1}' if number else ''}.txt"
        path = output or Path(config.exclude or run.folder / name)
        write_exclusion(path, found.bad)
        results.append(_as_json(key, config, found, path))
        if not as_json:
            _show(results[-1], named=config.exclude == str(path))
    if as_json:
        click.echo(json.dumps(results, indent=2, allow_nan=False))
    return int(any(result["bad"] or result["missing"] for result in results))


def _sets(run: Run) -> List[Tuple[str, DataConfig]]:
    """The run's own data set, and those of the stages of retraining, each once, whatever its crops."""
    recipe = run.config.queue.train
    named = [("data", run.config.data)]
    for number, stage in enumerate([] if isinstance(recipe, TrainConfig) else recipe):
        if stage.data is not None:
            named.append((f"queue.train.{number}.data", stage.data))
    use = set(FileData.model_fields) - {"kind"}  # what is done with the files, not which they are
    found: Dict[str, Tuple[str, DataConfig]] = {}
    for key, config in named:
        found.setdefault(config.model_dump_json(exclude=use), (key, config))
    return list(found.values())


def _as_json(key: str, config: FileData, found: Findings, path: Path) -> Dict[str, Any]:
    return {
        "key": key,
        "kind": config.kind,
        "pairs": found.pairs,
        "files": found.files,
        "bad": found.bad,
        "spoilt_pairs": found.spoilt,
        "missing": found.missing,
        "list": str(path),
    }


def _show(result: Dict[str, Any], named: bool) -> None:
    """The findings for people."""
    bad, missing, pairs = result["bad"], result["missing"], result["pairs"]
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{result['key']}: {result['kind']}, {pairs['train']:,} training and {pairs['val']:,} validation pairs in "
        f"{result['files']:,} files; {len(bad):,} files are bad, in {result['spoilt_pairs']:,} pairs; "
        f"{len(missing):,} are missing",
        markup=False,
    )
    if bad or missing:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("file", overflow="fold")  # its whole name
        table.add_column("what is wrong")
        rows = [*sorted(bad.items()), *((name, "is missing: its pair is left out") for name in missing)]
        for row in rows[:_SHOWN]:
            table.add_row(*row)
        console.print(table, markup=False)
        if len(rows) > _SHOWN:
            console.print(f"and {len(rows) - _SHOWN:,} more", markup=False)
    mend = f"; set {result['key']}.exclude to it, and training and evaluation leave them out"
    say(f"the list of bad files is {result['list']}{mend if bad and not named else ''}")
