"""``queue``: builds the retrain queue, works it off on this machine, shows it, and gathers the results."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

import click
from rich.console import Console

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostTable
from edgeflownas.progress import say
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.lock import locked
from search.commands.options import InOrder, run_options
from search.nsga2.evolution import Evolution
from search.queue import build as building
from search.queue import collect as collecting
from search.queue import control, final_front, runner, status, submit
from search.queue.final_epe import final_epes
from search.queue.published import EDGEFLOWNET
from search.queue.queue import Queue
from search.queue.watch import Overview, watch
from search.ranking.agreement import agreement
from search.run import Run
from search.storage.identity import Identity
from search.storage.search_file import SearchFile
from search.strategies.independent import INDEPENDENT, build_sample

_TABLE_COLUMNS = 100  # at least, where the output is no terminal

_indices = click.argument("indices", metavar="[INDEX]...", nargs=-1, type=click.IntRange(min=0))


@click.group(cls=InOrder)
def command() -> None:
    """Builds, works off, submits, shows and collects the retrain queue."""


@command.command()
@run_options
@click.option("--rebuild", is_flag=True, help="Set a queue aside that has begun, and build anew.")
def build(run: Run, rebuild: bool) -> None:
    """Chooses architectures from the front of search.h5, and makes a task of each.

    With strategy: independent, the tasks are the sample; `evolve` reads what is done.
    """
    if run.config.strategy == "independent":
        source = INDEPENDENT.source(run, {})
        _show(status.rows(build_sample(run, source, rebuild)), False)
        return
    if not run.search_file.exists():
        raise InputError(f"{run.search_file}: is not there; search first, with `evolve`")
    table = CostTable.load(Path(run.config.hardware.table))
    with locked(run.folder / "search.lock", f"run {run.folder}"):
        file = SearchFile(run.search_file, Identity.of(run, digest(run.supernet_weights())))
        evolution = Evolution(run.space, run.config.evolution, table, run.config.seed, file.archive, file.last)
        queue = building.build(run, evolution.archive, evolution.front(), rebuild)
    _show(status.rows(queue), False)


@command.command(name="run")
@run_options
def run_(run: Run) -> None:
    """Works the queue off on this machine, task by task; stopped, it goes on where it was."""
    queue = Queue(run.queue_folder)
    rows = runner.run(queue)
    _show(rows, False)
    if not all(row.word in ("done", "running", "silent") for row in rows):
        raise click.exceptions.Exit(1)
    if all(row.word == "done" for row in rows):
        say("all tasks are done; `queue collect` gathers them")


@command.command(name="status")
@run_options
@click.option("--watch", "watching", is_flag=True, help="Go on showing them until none is left.")
@click.option("--json", "as_json", is_flag=True, help="Print the tasks as JSON.")
def status_(run: Run, watching: bool, as_json: bool) -> None:
    """Shows how far the tasks are, also while they are being worked on, here or elsewhere.

    A task that says it is running is silent if its process has not shown for 30 s that it lives, and dead if that
    process is gone, or, on another machine, has been silent for two minutes.
    """
    overview = Overview(Queue(run.queue_folder))
    if watching:
        watch(overview)
    _show(overview.rows(), as_json)


@command.command(name="submit")
@run_options
@click.option("--dry-run", is_flag=True, help="Only write the batch script, and show it.")
def submit_(run: Run, dry_run: bool) -> None:
    """Hands the tasks that are left to do to Slurm, as an array job; what a job gets stands in the section cluster.

    A task that Slurm has already, or that a process works on, is not handed in again.
    """
    queue, config = Queue(run.queue_folder), run.config.cluster
    if dry_run:
        click.echo(submit.prepare(queue, config), nl=False)
        indices = submit.to_do(queue)
        say(
            f"written to {queue.paths.script}. It would be handed in with: "
            + " ".join(shlex.quote(word) for word in submit.command(queue, config, indices))
            if indices
            else f"written to {queue.paths.script}; no task is left to do"
        )
        return
    job = submit.submit(queue, config)
    say("no task is left to hand in" if job is None else f"array job {job} is handed in: see `queue status --watch`")


@command.command()
@run_options
@_indices
@click.option("--all", "everything", is_flag=True, help="All tasks.")
def cancel(run: Run, indices: Tuple[int, ...], everything: bool) -> None:
    """Gives tasks up: those waiting have failed, those under way save and stop, here and on a cluster.

    `queue retry` undoes it.
    """
    queue = Queue(run.queue_folder)
    if bool(indices) == everything:
        raise click.UsageError("name the tasks by number, or all of them with --all")
    control.cancel(queue, queue.indices if everything else indices)
    _show(status.rows(queue), False)


@command.command()
@run_options
@_indices
@click.option("--from-previous", is_flag=True, help="Go on from the files before those that are damaged.")
def retry(run: Run, indices: Tuple[int, ...], from_previous: bool) -> None:
    """Has failed and cancelled tasks tried again, from where they were; without numbers all of them.

    They wait then for `queue run` or `queue submit`.
    """
    queue = Queue(run.queue_folder)
    if from_previous:
        idle = [each.index for each in status.rows(queue) if each.word not in ("running", "silent")]
        control.restore(queue, indices or idle)
        indices = tuple(index for index in indices or idle if status.row(queue, index).word == "failed")
    elif not indices:
        indices = tuple(each.index for each in status.rows(queue) if each.word == "failed")
    control.retry(queue, indices)
    _show(status.rows(queue), False)


@command.command()
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def collect(run: Run, as_json: bool) -> None:
    """Gathers the retrained networks: final_front.csv, and how well the supernet had ranked them."""
    queue, compiler = Queue(run.queue_folder), Compiler.from_config(run.config.hardware)
    collection = collecting.collect(queue, compiler, final_epes)
    vela = run.config.hardware.vela_version  # a search is of one, and only that one compiles
    hardware = compiler.board.provenance(vela)
    final_front.write_final_front(run.final_front_file, collection, hardware)
    pairs = [(each.supernet_epe, each.epe) for each in collection.survivors if each.supernet_epe is not None]
    found = agreement([before for before, _ in pairs], [after for _, after in pairs])
    board = compiler.board.settings.name
    comparable = EDGEFLOWNET.comparable(board, collection.size)
    if as_json:
        result = {
            "survivors": [_plain(each) for each in collection.survivors],
            "front": [_plain(each) for each in collection.front],
            "missing": collection.missing,
            "hardware": hardware,
            "kendall_tau": found.tau,
            "n": found.n,
            "kendall_tau_95": None if found.tau is None else [found.low, found.high],
            "published": {**EDGEFLOWNET._asdict(), "comparable": comparable},
        }
        click.echo(json.dumps(result, indent=2, allow_nan=False))
        return
    console = _console()
    console.print(final_front.final_table(collection, EDGEFLOWNET if comparable else None))
    console.print(final_front.epe_table(collection))
    lines = [
        f"{board}: {compiler.board.summary(vela)}.",
        f"Kendall tau of supernet EPE and retrained EPE: {found}. Table: {run.final_front_file}"
        if pairs
        else f"Table: {run.final_front_file}",
        EDGEFLOWNET.sentence(board, collection.size),
    ]
    if any(each.cost_source == "predicted" for each in collection.survivors):
        lines.append("Hardware figures marked `predicted` were not compiled.")
    for line in lines:
        say(line, console)


def _plain(survivor: collecting.Survivor) -> Dict[str, Any]:
    """For JSON."""
    return {**asdict(survivor), "final": {name: each.model_dump() for name, each in survivor.final.items()}}


def _show(rows: Sequence[status.Row], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(status.as_json(rows), indent=2, allow_nan=False))
        return
    console = _console()
    console.print(status.table(rows))
    for line in status.remarks(rows):
        say(line, console)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, _TABLE_COLUMNS))
