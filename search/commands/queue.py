"""``queue``: builds the retrain queue, works it off on this machine, shows it, and gathers the results."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from edgeflownas.checkpoint import digest
from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostTable
from edgeflownas.lock import locked
from edgeflownas.progress import say
from search.evolution import Evolution
from search.identity import Identity
from search.options import run_options
from search.queue import build as building
from search.queue import collect as collecting
from search.queue import runner, status
from search.queue.queue import Queue
from search.run import Run
from search.search_file import SearchFile

_TABLE_COLUMNS = 100  # at least, where the output is no terminal


@click.group()
def command() -> None:
    """Builds, works off, shows and collects the retrain queue."""


@command.command()
@run_options
@click.option("--rebuild", is_flag=True, help="Set a queue aside that has begun, and build anew.")
def build(run: Run, rebuild: bool) -> None:
    """Chooses architectures from the front of search.h5, and makes a task of each."""
    if not run.search_file.exists():
        raise InputError(f"{run.search_file}: is not there; search first, with `evolve`")
    table = CostTable.load(Path(run.config.hardware.table))
    with locked(run.folder / "search.lock", f"run {run.folder}"):
        file = SearchFile(run.search_file, Identity.of(run, digest(run.supernet_weights())))
        evolution = Evolution(run.space, run.config.evolution, table, run.config.seed, file.archive, file.last)
        queue = building.build(run, evolution.archive, evolution.front(), rebuild)
    _show(queue, False)


@command.command(name="run")
@run_options
def run_(run: Run) -> None:
    """Works the queue off on this machine, task by task; stopped, it goes on where it was."""
    queue = Queue(run.queue_folder)
    rows = runner.run(queue)
    _show(queue, False)
    if not all(row.word in ("done", "running") for row in rows):
        raise click.exceptions.Exit(1)
    if all(row.word == "done" for row in rows):
        say("all tasks are done; `queue collect` gathers them")


@command.command(name="status")
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print the tasks as JSON.")
def status_(run: Run, as_json: bool) -> None:
    """Shows how far the tasks are, also while they are being worked on."""
    _show(Queue(run.queue_folder), as_json)


@command.command()
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def collect(run: Run, as_json: bool) -> None:
    """Gathers the retrained networks: final_front.csv, and how well the supernet had ranked them."""
    collection = collecting.collect(Queue(run.queue_folder), Compiler.of(run.config.hardware))
    collecting.write_final_front(run.final_front_file, collection)
    tau, n = collecting.agreement(collection.survivors)
    if as_json:
        result = {**asdict(collection), "kendall_tau": tau, "n": n}
        click.echo(json.dumps(result, indent=2, allow_nan=False))
        return
    console = _console()
    console.print(collecting.final_table(collection))
    told = "not defined" if tau is None else f"{tau:.3f}"
    lines = [f"Kendall tau of supernet EPE and retrained EPE: {told} (n = {n}). Table: {run.final_front_file}"]
    if any(each.cost_source == "predicted" for each in collection.survivors):
        lines.append("Hardware figures marked `predicted` were not compiled.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _show(queue: Queue, as_json: bool) -> None:
    rows = status.rows(queue)
    if as_json:
        click.echo(json.dumps(status.as_json(rows), indent=2, allow_nan=False))
        return
    console = _console()
    console.print(status.table(rows))
    for line in status.remarks(rows):
        console.print(line, markup=False, soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, _TABLE_COLUMNS))
