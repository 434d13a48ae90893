"""``evolve``: searches as the strategy of the configuration says, and queues the survivors for retraining."""

import contextlib
import json
from typing import Any, Dict, Mapping, Optional

import click
import numpy as np
from rich.console import Console

from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import CostTable
from edgeflownas.progress import say
from edgeflownas.storage.files import remove_leftovers, write_json
from edgeflownas.storage.lock import locked
from search.commands.options import run_options
from search.nsga2.compiled_front import FrontCompiler
from search.nsga2.evolution import Evolution
from search.queue.build import build
from search.run import Run
from search.storage.front import front_table, records, write_front
from search.storage.identity import Identity
from search.storage.search_file import SearchFile, set_aside, use_previous
from search.storage.space_file import whole_space
from search.strategies.independent import INDEPENDENT
from search.strategies.one_shot import ONE_SHOT
from search.strategies.staged import STAGED
from search.strategies.strategy import Search

STRATEGIES = {"one_shot": ONE_SHOT, "staged": STAGED, "independent": INDEPENDENT}


@click.command()
@run_options
@click.option("--restart", is_flag=True, help="Begin anew; the old checkpoint is kept under another name.")
@click.option("--from-previous", is_flag=True, help="Go on from the checkpoint before the last, where that is damaged.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(run: Run, restart: bool, from_previous: bool, as_json: bool) -> None:
    """Searches with NSGA-II over the supernet's weights, and queues the survivors.

    A run that was stopped is continued. With strategy: staged, what the stages of `train` have kept is scored; with
    strategy: independent, architectures of a fair sample are trained one by one.
    """
    if restart and from_previous:
        raise click.UsageError("--restart and --from-previous exclude each other")
    strategy = STRATEGIES[run.config.strategy]
    table, board = run.cost_table()
    weights = strategy.weights(run)
    source = strategy.source(run, weights)
    table = table.for_weights(source, run.config.hardware.vela_version)
    with contextlib.ExitStack() as stack:
        compiler = None
        if run.config.hardware.compile_front and strategy.shares_weights:
            compiler = stack.enter_context(FrontCompiler(run, weights, table))
        lock = stack.enter_context(locked(run.folder / "search.lock", f"run {run.folder}"))
        remove_leftovers(run.search_file)
        if restart:
            set_aside(run.search_file)
        if from_previous:
            use_previous(run.search_file)
        identity = Identity.of(run, source)
        file = SearchFile(run.search_file, identity)
        evolution = _evolution(run, table, file, compiler)
        run.write_config()
        reason = strategy.search(Search(run, weights, evolution, file, lock, compiler))
        lock.beat()
        file.save()
        evolution.compile_front()  # of a checkpoint from before fronts were compiled
        front = evolution.front()
        if not len(front):
            origin = run.supernet_file if strategy.shares_weights else run.queue_folder
            raise InputError(
                f"{origin}: gives no architecture that fits the SRAM cap a finite EPE ({file.archive.failed:,} of "
                f"{len(file.archive):,} failed); train anew, with another recipe"
            )
        vela = table.content.origin.vela if compiler is None else compiler.vela
        write_front(run.front_file, evolution.archive, front, board.provenance(vela))
        if compiler is not None:
            write_json(run.hardware_file, compiler.record(evolution.archive))
        result = {**_result(run, evolution, file, reason, front), "hardware": board.provenance(vela)}
        result["hypervolume_share"] = _share(run, table, identity, evolution)
        if as_json:
            click.echo(json.dumps(result, indent=2, allow_nan=False))
        else:
            _print(evolution, result, front, board.summary(vela))
        if not strategy.shares_weights:
            say(f"the children lie in {run.queue_folder}: `queue collect` compiles each with its own weights")
            return
        queue = build(run, evolution.archive, front)
        say(f"{len(queue.indices)} of the front are queued in {run.queue_folder}: go on with `queue run`")


def _evolution(run: Run, table: CostTable, file: SearchFile, compiler: Optional[FrontCompiler]) -> Evolution:
    """The search as its checkpoint left it."""
    config, seed = run.config.evolution, run.config.seed
    if compiler is None:
        return Evolution(run.space, config, table, seed, file.archive, file.last)
    return Evolution(run.space, config, compiler.table, seed, file.archive, file.last, compiler.costs)


def _result(run: Run, evolution: Evolution, file: SearchFile, reason: str, front: np.ndarray) -> Dict[str, Any]:
    """What a search has found, for JSON."""
    archive = evolution.archive
    return {
        "reason": reason,
        "generations": evolution.number,
        "requested": archive.evaluations,
        "scored": len(archive),
        "failed": archive.failed,
        "backbones": archive.backbones,
        "duplicates_avoided": evolution.duplicates,
        "hypervolume": evolution.hypervolume(),
        "best_epe": evolution.best_epe(),
        "zero_flow_epe": file.zero_flow_epe,
        "wall_s": round(file.wall_s, 3),
        "search_file": str(run.search_file),
        "front_file": str(run.front_file),
        "front": records(archive, front),
    }


def _share(run: Run, table: CostTable, identity: Identity, evolution: Evolution) -> Optional[float]:
    """The share of the exact hypervolume that a search has reached; None where that is not known."""
    archive = whole_space(run.space_files, identity)
    if archive is None:
        return None
    exact = Evolution(run.space, run.config.evolution, table, run.config.seed, archive).hypervolume()
    return evolution.hypervolume() / exact if exact else None


def _print(evolution: Evolution, result: Mapping[str, Any], front: np.ndarray, hardware: str) -> None:
    """The result for people."""
    console = Console(highlight=False)
    console.print(front_table(evolution.archive, front))
    best, zero = result["best_epe"], result["zero_flow_epe"]
    lines = [
        f"{result['hardware']['board']}: {hardware}.",
        f"The search is over: {result['reason']}.",
        f"Best EPE {best:.4f} px; that of zero flow is {zero:.4f} px ({best / zero:.2f} of it).",
        f"{result['requested']:,} architectures requested, {result['scored']:,} scored in {result['wall_s']:.0f} s.",
        f"Checkpoint {result['search_file']}, front {result['front_file']}.",
    ]
    if result["hypervolume_share"] is not None:
        lines.insert(2, f"It has {result['hypervolume_share']:.3%} of the exact hypervolume of the whole space.")
    if result["failed"]:
        lines.append(f"{result['failed']:,} architectures have no finite EPE and were left out.")
    if not result["hypervolume"]:
        lines.append(
            "The hypervolume is 0: nothing is better than evolution.reference_point in every objective. Until it is "
            "set further out, the search cannot see whether it gets on."
        )
    for line in lines:
        say(line, console)
