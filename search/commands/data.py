"""``data``: checks of data sets."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.config import DataConfig, FileData, TrainConfig
from edgeflownas.data.check import Findings, check
from edgeflownas.data.exclusion import write_exclusion
from edgeflownas.data.listing import show_name
from edgeflownas.errors import InputError, name_first
from edgeflownas.progress import say
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import PathOption, data_options, json_option, print_json, run_options
from search.groups import OrderedGroup
from search.run import Run

_MAX_ROWS = 20  # number of bad files to print; the list on disk is complete


@click.group(cls=OrderedGroup)
def command() -> None:
    """Check data sets."""


@command.command(name="check")
@data_options
@click.option("--output", type=PathOption(), help="File to write the list to. Default: the file in `exclude`.")
@click.option(
    "--threads", default=4, show_default=True, type=click.IntRange(1), help="Number of files to read in parallel."
)
@json_option
@run_options
def check_(run: Run, other_data: Optional[DataConfig], output: Optional[Path], threads: int, as_json: bool) -> int:
    """Read all files of the data sets of a run, and list the unusable ones.

    To leave these files out, name the list in the key exclude of the data set.

    Exit codes: 0 all files are usable; 1 some files are bad or missing, and the bad ones are listed.
    """
    sets = [("data", other_data)] if other_data is not None else _data_sets(run)
    files = [(key, config) for key, config in sets if isinstance(config, FileData)]
    if not files:
        raise InputError("data: drawn scenes have no files to check; name a data set with files")
    if output is not None and len(files) > 1:
        raise click.UsageError("--output applies to one data set only; name a list per data set by its key `exclude`")
    results: List[Dict[str, Any]] = []
    for key, config in files:
        findings = check(config, threads, key)
        number = sum(result["kind"] == config.kind for result in results)
        name = f"bad_files_{config.kind}{f'_{number + 1}' if number else ''}.txt"
        path = output or Path(config.exclude or run.folder / name)
        write_exclusion(path, findings.bad)
        results.append(_to_record(key, config, findings, path))
        if not as_json:
            _show(results[-1], excluded=config.exclude == str(path))
    if as_json:
        print_json(results)
    return int(any(result["bad"] or result["missing"] for result in results))


def _data_sets(run: Run) -> List[Tuple[str, DataConfig]]:
    """Return the data sets of the run and of the stages of retraining, without repeating those with the same files."""
    recipe = run.config.queue.train
    named = [("data", run.config.data)]
    for number, stage in enumerate([] if isinstance(recipe, TrainConfig) else recipe):
        if stage.data is not None:
            named.append((f"queue.train.{number}.data", stage.data))
    usage = set(FileData.model_fields) - {"kind"}  # keys that do not affect which files are read
    unique: Dict[str, Tuple[str, DataConfig]] = {}
    for key, config in named:
        unique.setdefault(config.model_dump_json(exclude=usage), (key, config))
    return list(unique.values())


def _to_record(key: str, config: FileData, findings: Findings, path: Path) -> Dict[str, Any]:
    return {
        "key": key,
        "kind": config.kind,
        "pairs": findings.pairs,
        "files": findings.files,
        "bad": {show_name(name): show_name(reason) for name, reason in findings.bad.items()},
        "spoilt_pairs": findings.spoilt,
        "missing": list(map(show_name, findings.missing)),
        "ignored": list(map(show_name, findings.ignored)),
        "list": show_name(str(path)),
    }


def _show(result: Dict[str, Any], excluded: bool) -> None:
    """Print the findings; ``excluded`` says whether the configuration already excludes the bad files."""
    bad, missing, pairs = result["bad"], result["missing"], result["pairs"]
    console = open_console()
    say(
        f"{result['key']}: {result['kind']}, {format_count(pairs['train'], 'training pair')} and "
        f"{format_count(pairs['val'], 'validation pair')} in "
        f"{format_count(result['files'], 'file')}; bad files: {len(bad):,}, "
        f"affected pairs: {result['spoilt_pairs']:,}, "
        f"missing files: {len(missing):,}",
        console,
    )
    if bad or missing:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("file", overflow="fold")  # names are never shortened
        table.add_column("problem")
        rows = [*sorted(bad.items()), *((name, "is missing; its pair is left out") for name in missing)]
        for row in rows[:_MAX_ROWS]:
            table.add_row(*row)
        print_table(table, console)
        if len(rows) > _MAX_ROWS:
            say(f"and {len(rows) - _MAX_ROWS:,} more", console)
    if result["ignored"]:
        say(
            f"ignored, as the names are not of the official {result['kind']} ({len(result['ignored']):,}): "
            f"{name_first(result['ignored'])}; to use them, name their pairs in lists (kind: list)",
            console,
        )
    advice = f"; to exclude them from training and evaluation, set {result['key']}.exclude to this file"
    say(f"list of bad files: {result['list']}{advice if bad and not excluded else ''}")
