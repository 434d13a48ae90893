"""``enumerate``: the score of every architecture, and thus the true front."""

import contextlib
from typing import Dict, Optional

import click

from edgeflownas.hardware.board import Board
from edgeflownas.progress import say
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.files import remove_leftovers, report_restored, use_previous
from edgeflownas.storage.lock import locked
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import json_option, print_json, run_options
from search.nsga2.compiled_front import FrontCompiler
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import look_up_cost
from search.run import Run
from search.storage.front import front_table, records
from search.storage.identity import Identity
from search.storage.measurements import prefer_measured, read_measurements
from search.storage.space_file import SpaceFile
from search.strategies.enumeration import enumerate_space, select_by_digits
from search.weights import WeightsOrigin
from search.workers.evaluator import open_evaluator


@click.command()
@run_options
@click.option(
    "--backbones", default="", show_default="all", metavar="DIGITS,...", help="Backbones to score, such as 0000,2102."
)
@click.option(
    "--heads", default="", show_default="all", metavar="DIGITS,...", help="Heads to score, such as 00000,20122."
)
@click.option("--from-previous", is_flag=True, help="If space.h5 is damaged, resume from the previous one.")
@json_option
def command(run: Run, backbones: str, heads: str, from_previous: bool, as_json: bool) -> None:
    """Score every architecture to find the true front.

    The scores are written to space.h5. To resume an interrupted enumeration, run the command again. With --backbones or
    --heads, scores are added to those already in the file.
    """
    run.require_genes()
    requested = select_by_digits(run.space, backbones, heads)
    table, board = run.cost_table()
    weights = run.supernet_weights()
    table = table.for_weights(digest(weights), run.config.hardware.vela_version)
    with contextlib.ExitStack() as stack:
        compiler: Optional[FrontCompiler] = None
        if run.config.hardware.compile_front:
            compiler = stack.enter_context(FrontCompiler(run, weights, table))
            table = compiler.table
        lock = stack.enter_context(locked(run.folder / "space.lock", f"enumeration {run.folder}"))
        remove_leftovers(run.space_file)
        identity = Identity.of(run, digest(weights))
        if from_previous and use_previous(run.space_file, lambda path: SpaceFile(path, identity)):
            report_restored(run.space_file)
        file = SpaceFile(run.space_file, identity)
        if file.remark:
            say(run.complete(file.remark))
        costs = {architecture: look_up_cost(run.space, table, architecture) for architecture in run.space.all()}
        if any(architecture not in file.archive for architecture in requested):
            say(f"{len(file.archive):,} of {format_count(run.space.size, 'architecture')} are scored")
            opened = stack.enter_context(open_evaluator(run, weights))
            file.zero_flow_epe = opened.zero_flow_epe
            enumerate_space(file, opened.evaluator, requested, costs.__getitem__, lock)
        evolution = Evolution(
            run.space, run.config.evolution, table, run.config.seed, file.archive,
            compile_costs=None if compiler is None else compiler.compile_costs,
        )  # fmt: skip
        if file.complete:
            evolution.compile_front(lambda done, total: lock.beat())
            file.write(evolution.front(), evolution.hypervolume(), evolution.objectives.reference_point)
        prefer_measured(file.archive, read_measurements(run, board))
        evolution.costs_changed()
        hardware = board.provenance(table.content.origin.vela if compiler is None else compiler.vela)
        _show(run, file, evolution, run.origin(run.supernet_file, weights), board, hardware, as_json)


def _show(
    run: Run,
    file: SpaceFile,
    evolution: Evolution,
    origin: WeightsOrigin,
    board: Board,
    hardware: Dict[str, str],
    as_json: bool,
) -> None:
    """Print the front of the architectures that are scored so far."""
    front, failed = evolution.front(), evolution.archive.failed
    result = {
        "scored": len(file.archive),
        "failed": failed,
        "complete": file.complete,
        "hypervolume": evolution.hypervolume(),
        "reference_point": evolution.objectives.reference_point if len(front) else None,
        "zero_flow_epe": file.zero_flow_epe,
        **origin.record(),
        "space_file": str(run.space_file),
        "hardware": hardware,
        "front": records(evolution.archive, front) if len(front) else [],
    }
    if as_json:
        print_json(result)
        return
    console = open_console()
    if len(front):
        print_table(front_table(evolution.archive, front), console)
        say(f"{board.settings.name}: {board.summary(hardware['vela'])}.", console)
    scored = f"{len(file.archive):,} of {format_count(run.space.size, 'architecture')} scored"
    if file.complete:
        volume = f"a hypervolume of {evolution.hypervolume():.6g} from {evolution.objectives.describe_reference()}"
        scored += f"; this is the exact front, with {volume}"
    else:
        scored += "; this is the front of the scored architectures only"
    say(f"{scored}.", console)
    say(f"Weights: {origin}.", console)
    say(f"Scores: {run.space_file}.", console)
    if failed:
        say(f"{format_count(failed, 'architecture has', 'architectures have')} no finite EPE.", console)
