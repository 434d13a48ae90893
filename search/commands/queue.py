"""``queue``: commands that build, run, submit, show and collect the retrain queue."""

import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import click

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostTable
from edgeflownas.progress import say
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.lock import locked
from edgeflownas.terminal import open_console, print_table
from search.commands.options import json_option, print_json, run_options
from search.groups import OrderedGroup
from search.nsga2.evolution import Evolution
from search.queue import build as building
from search.queue import collect as collecting
from search.queue import control, final_front, runner, status, submit
from search.queue.deployment import Deployment
from search.queue.final_epe import score_final_epes
from search.queue.outdated import describe_dominated, list_dominated, read_search_front
from search.queue.published import EDGEFLOWNET
from search.queue.queue import Queue
from search.queue.watch import Overview, watch
from search.ranking.agreement import measure_agreement
from search.ranking.steps import measure_steps
from search.run import Run
from search.storage.identity import Identity
from search.storage.measurements import prefer_measured, read_measurements
from search.storage.search_file import SearchFile
from search.strategies.independent import INDEPENDENT, build_sample
from search.weights import WeightsOrigin


class TaskIndices(click.ParamType):
    """A parameter that names tasks by number, such as ``3``, ``0-3`` or ``0-3,7``."""

    name = "indices"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> List[int]:
        """Return the numbers of the tasks."""
        indices: List[int] = []
        for part in value.split(","):
            first, _, last = part.partition("-")
            last = last or first
            if not re.fullmatch("[0-9]{1,6}(-[0-9]{1,6})?", part) or int(last) < int(first):
                self.fail(f"{value!r} names no tasks; name them such as 3, 0-3 or 0-3,7", param, ctx)
            indices += range(int(first), int(last) + 1)
        return indices


def _join_indices(context: click.Context, parameter: click.Parameter, values: Sequence[List[int]]) -> Tuple[int, ...]:
    return tuple(sorted({index for value in values for index in value}))


_indices = click.argument(
    "indices", metavar="[INDEX|FIRST-LAST]...", nargs=-1, type=TaskIndices(), callback=_join_indices
)


@click.group(cls=OrderedGroup)
def command() -> None:
    """Build, run, submit, show and collect the retrain queue."""


@command.command()
@run_options
@click.option("--rebuild", is_flag=True, help="Build a new queue. A queue that has been started is renamed and kept.")
def build(run: Run, rebuild: bool) -> None:
    """Select architectures from the front, and create a task for each of them.

    With strategy: independent, the tasks train the sample instead, and `evolve` reads their results.
    """
    if run.config.strategy == "independent":
        run.record_places()
        source = INDEPENDENT.source(run, {})
        _show(run, status.read_rows(build_sample(run, source, rebuild)))
        return
    if not run.search_file.exists():
        raise InputError(f"{run.search_file}: does not exist; search first, with `evolve`")
    run.record_places()
    hardware = run.config.hardware
    table, board = CostTable.load(Path(hardware.table)), Board.load(Path(hardware.board))
    with locked(run.folder / "search.lock", f"run {run.folder}"):
        file = SearchFile(run.search_file, Identity.of(run, digest(run.supernet_weights())))
        evolution = Evolution(run.space, run.config.evolution, table, run.config.seed, file.archive, file.last)
        prefer_measured(evolution.archive, read_measurements(run, board))
        evolution.costs_changed()
        queue = building.build(run, evolution.archive, evolution.front(), rebuild)
    _show(run, status.read_rows(queue))


@command.command(name="run")
@run_options
def run_(run: Run) -> None:
    """Run the tasks of the queue on this machine, one by one.

    To resume after an interruption, run the command again.
    """
    queue = Queue(run.queue_folder)
    run.record_places()
    rows = runner.run(queue)
    _show(run, rows)
    if not all(row.word in ("done", "running", "silent") for row in rows):
        raise click.exceptions.Exit(1)
    if all(row.word == "done" for row in rows):
        say(f"all tasks are done; collect the results with `{run.command('queue collect')}`")


@command.command(name="status")
@run_options
@click.option("--watch", "watching", is_flag=True, help="Update the display until all tasks are finished.")
@json_option
def status_(run: Run, watching: bool, as_json: bool) -> None:
    """Show the state of all tasks, on this machine and on others.

    A running task is silent if it has sent no heartbeat for 30 s. It is dead if its process has ended or, on a
    different machine, has sent no heartbeat for two minutes.
    """
    overview = Overview(Queue(run.queue_folder))
    if watching:
        watch(overview)
    _show(run, overview.rows(), as_json)


@command.command(name="submit")
@run_options
@click.option("--dry-run", is_flag=True, help="Write and show the batch script; submit nothing.")
def submit_(run: Run, dry_run: bool) -> None:
    """Submit the remaining tasks to Slurm as an array job.

    The section cluster of the configuration sets the resources of the job. Tasks that are running or are already in
    Slurm's queue are not submitted again.
    """
    queue, config = Queue(run.queue_folder), run.config.cluster
    run.record_places()
    if dry_run:
        click.echo(submit.write_script(queue, config), nl=False)
        indices = submit.find_open_tasks(queue)
        say(
            f"wrote {queue.paths.script}; to be submitted with: "
            + " ".join(shlex.quote(word) for word in submit.build_command(queue, config, indices))
            if indices
            else f"wrote {queue.paths.script}; no task is left to submit"
        )
        return
    job = submit.submit(queue, config)
    watching = run.command("queue status", "--watch")
    say("no task is left to submit" if job is None else f"submitted array job {job}; see `{watching}`")


@command.command()
@run_options
@_indices
@click.option("--all", "everything", is_flag=True, help="Cancel all tasks.")
def cancel(run: Run, indices: Tuple[int, ...], everything: bool) -> None:
    """Cancel tasks, on this machine and on a cluster.

    Queued tasks are marked as failed. Running tasks save their state and stop. Run `queue retry` to queue them again.
    """
    queue = Queue(run.queue_folder)
    if bool(indices) == everything:
        raise click.UsageError("name tasks by number, or all tasks with --all")
    control.cancel(queue, queue.indices if everything else indices)
    _show(run, status.read_rows(queue))


@command.command()
@run_options
@_indices
@click.option("--from-previous", is_flag=True, help="Replace damaged files with the previous ones.")
def retry(run: Run, indices: Tuple[int, ...], from_previous: bool) -> None:
    """Queue failed and cancelled tasks again.

    The tasks resume where they stopped, with the next `queue run` or `queue submit`. Without numbers, all failed and
    cancelled tasks are queued.
    """
    queue = Queue(run.queue_folder)
    if from_previous:
        idle = [row.index for row in status.read_rows(queue) if row.word not in ("running", "silent")]
        control.restore(queue, indices or idle)
        indices = tuple(index for index in indices or idle if status.read_row(queue, index).word == "failed")
    elif not indices:
        indices = tuple(row.index for row in status.read_rows(queue) if row.word == "failed")
    control.retry(queue, indices)
    _show(run, status.read_rows(queue))


@command.command()
@run_options
@json_option
def collect(run: Run, as_json: bool) -> None:
    """Write the retrained architectures to final_front.csv, sorted by their EPE in int8 on the board.

    The networks are scored and compiled for the input that the section deploy describes. The order of the architectures
    by the supernet, after retraining, and on the board is compared.
    """
    queue, compiler = Queue(run.queue_folder), Compiler.from_config(run.config.hardware)
    run.record_places()
    child = queue.task(queue.indices[0]).config
    deployment = Deployment(run.config.deploy, child, compiler.board.settings.int8_io)
    collection = collecting.collect(
        queue, compiler, score_final_epes, deployment, read_measurements(run, compiler.board)
    )
    vela = run.config.hardware.vela_version  # a search uses a single version, and only that version compiles
    hardware = compiler.board.provenance(vela)
    final_front.write_final_front(run.final_front_file, collection, hardware)
    pairs = [(child.supernet_epe, child.epe) for child in collection.survivors if child.supernet_epe is not None]
    ranking = measure_agreement([before for before, _ in pairs], [after for _, after in pairs])
    steps = measure_steps(lambda name: [final_front.find_figure(child, name) for child in collection.survivors])
    board = compiler.board.settings.name
    comparable = EDGEFLOWNET.is_comparable(board, collection.size)
    front = read_search_front(run)
    dominated = [] if front is None else list_dominated(queue, run.space, front)
    if as_json:
        result = {
            "survivors": [_to_record(child) for child in collection.survivors],
            "front": [_to_record(child) for child in collection.front],
            "missing": collection.missing,
            "dominated_since": dominated,
            "supernet_sha256": queue.file.supernet_sha256,
            "hardware": hardware,
            "kendall_tau": ranking.tau,
            "n": ranking.n,
            "kendall_tau_95": None if ranking.tau is None else [ranking.low, ranking.high],
            "steps": [step.record() for step in steps],
            "published": {**EDGEFLOWNET._asdict(), "comparable": comparable},
        }
        print_json(result)
        return
    console = open_console()
    print_table(final_front.render_final_table(collection, EDGEFLOWNET if comparable else None), console)
    print_table(final_front.render_epe_table(collection), console)
    lines = [
        f"{board}: {compiler.board.summary(vela)}.",
        *final_front.describe_input(collection),
        *(f"Kendall tau of {step.description}: {step.agreement}." for step in steps),
        *final_front.describe_losses(collection),
        f"Table: {run.final_front_file}",
        EDGEFLOWNET.describe(board, collection.size),
    ]
    if dominated:
        lines.append(
            f"{describe_dominated(queue, dominated)}; to build a new queue from the present front: "
            f"`{run.command('queue build', '--rebuild')}`"
        )
    lines += [
        f"Weights of {child.architecture}: {WeightsOrigin(child.weights, child.weights_sha256)}."
        for child in collection.survivors
    ]
    if any(child.cost_source not in final_front.EXACT_SOURCES for child in collection.survivors):
        lines.append("Hardware figures marked ~ were neither compiled nor measured with the input of the board.")
    for line in lines:
        say(line, console)


def _to_record(survivor: collecting.Survivor) -> Dict[str, Any]:
    """Return a survivor as plain Python types, for JSON."""
    return {
        **asdict(survivor),
        "final": {name: epe.model_dump() for name, epe in survivor.final.items()},
        "deployed": survivor.deployed.model_dump(),
        **final_front.deploy_figures(survivor),
    }


def _show(run: Run, rows: Sequence[status.Row], as_json: bool = False) -> None:
    if as_json:
        print_json(status.to_records(rows))
        return
    console = open_console()
    print_table(status.render_table(rows), console)
    for line in status.format_remarks(rows):
        say(run.complete(line), console)
    for path, sha256 in dict.fromkeys((row.initial_weights, row.initial_weights_sha256) for row in rows):
        say(f"Initial weights: {WeightsOrigin(path, sha256) if path and sha256 else 'random'}.", console)
