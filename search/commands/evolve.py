"""``evolve``: the search by the strategy of the configuration, whose survivors are queued for retraining."""

import contextlib
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional

import click
import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.progress import say
from edgeflownas.storage.files import remove_leftovers, use_previous, write_json
from edgeflownas.storage.lock import locked
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import json_option, print_json, report_restored, run_options
from search.nsga2.compiled_front import FrontCompiler
from search.nsga2.evolution import Evolution
from search.queue.build import QueueInUseError, build, check_batch_sizes
from search.queue.outdated import describe_dominated, list_dominated
from search.queue.queue import Queue
from search.run import Run
from search.storage.compiled_costs import copy_compiled_costs
from search.storage.front import front_table, records, write_front
from search.storage.identity import Identity
from search.storage.search_file import SearchFile, set_aside
from search.storage.space_file import read_whole_space
from search.strategies.independent import INDEPENDENT
from search.strategies.one_shot import ONE_SHOT
from search.strategies.staged import STAGED
from search.strategies.strategy import SearchContext, Strategy
from search.weights import WeightsOrigin

STRATEGIES = {"one_shot": ONE_SHOT, "staged": STAGED, "independent": INDEPENDENT}


@click.command()
@run_options
@click.option("--restart", is_flag=True, help="Start from scratch. The old checkpoint is renamed and kept.")
@click.option("--from-previous", is_flag=True, help="If the checkpoint is damaged, resume from the previous one.")
@json_option
def command(run: Run, restart: bool, from_previous: bool, as_json: bool) -> None:
    """Search with NSGA-II, using the weights of the supernet, and build the retrain queue.

    To resume an interrupted search, run the command again.

    With strategy: staged, it scores all combinations of the backbones and heads that `train` has kept. With strategy:
    independent, it trains a fair sample of architectures one by one.
    """
    if restart and from_previous:
        raise click.UsageError("--restart and --from-previous exclude each other")
    strategy = STRATEGIES[run.config.strategy]
    with _prepare_search(run, strategy, restart, from_previous) as prepared:
        search = prepared.search
        check_batch_sizes(run.retraining(run.space.format((0,) * len(run.space.genes))))
        run.write_config()
        reason = strategy.run(search)
        front = _finish(search)
        if not len(front):
            raise InputError(_explain_empty_front(search, strategy))
        _write_files(prepared, front)
        result = _summarise(prepared, reason, front)
        if as_json:
            print_json(result)
        else:
            _print(search.evolution, result, front, prepared.board.summary(prepared.vela))
        if strategy.shares_weights:
            _queue_survivors(search, front)
        else:
            collect = run.command("queue collect")
            say(f"the children are in {run.queue_folder}; `{collect}` compiles each with its own weights")


class _PreparedSearch(NamedTuple):
    """A search with its hardware.

    Attributes:
        search: The search.
        board: The board of the cost table.
        table: The cost table for the weights of the search.
        compiler: The compiler of the front; None if the front is not compiled.
        identity: Everything that must not change when the search is resumed.
        origin: Origin of the weights of the supernet; None where no weights are shared.
    """

    search: SearchContext
    board: Board
    table: CostTable
    compiler: Optional[FrontCompiler]
    identity: Identity
    origin: Optional[WeightsOrigin]

    @property
    def vela(self) -> str:
        """Version of the compiler that the hardware figures come from."""
        return self.table.content.origin.vela if self.compiler is None else self.compiler.vela


@contextlib.contextmanager
def _prepare_search(run: Run, strategy: Strategy, restart: bool, from_previous: bool) -> Iterator[_PreparedSearch]:
    """Lock the run and restore its search from the checkpoint, if there is one."""
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
        identity = Identity.of(run, source)
        if from_previous and use_previous(run.search_file, lambda path: SearchFile(path, identity)):
            report_restored(run.search_file)
        file = SearchFile(run.search_file, identity)
        if file.remark:
            say(run.complete(file.remark))
        evolution = _restore_evolution(run, table, file, compiler)
        origin = run.origin(run.supernet_file, weights) if strategy.shares_weights else None
        context = SearchContext(run, weights, evolution, file, lock)
        yield _PreparedSearch(context, board, table, compiler, identity, origin)


def _restore_evolution(run: Run, table: CostTable, file: SearchFile, compiler: Optional[FrontCompiler]) -> Evolution:
    config, seed = run.config.evolution, run.config.seed
    if compiler is None:
        return Evolution(run.space, config, table, seed, file.archive, file.last)
    return Evolution(run.space, config, compiler.table, seed, file.archive, file.last, compiler.compile_costs)


def _finish(search: SearchContext) -> np.ndarray:
    """Save the checkpoint, compile the front and return its rows in the archive."""
    search.lock.beat()
    search.file.save()
    # The checkpoint may be older than the option to compile fronts.
    search.evolution.compile_front(lambda done, total: search.lock.beat())
    return search.evolution.front()


def _explain_empty_front(search: SearchContext, strategy: Strategy) -> str:
    """Return the error message for a search without any feasible architecture of finite EPE."""
    run, archive = search.run, search.file.archive
    origin = run.supernet_file if strategy.shares_weights else run.queue_folder
    return (
        f"{origin}: no architecture that fits all limits has a finite EPE ({archive.failed:,} of {len(archive):,} "
        f"failed); train from scratch with another recipe"
    )


def _queue_survivors(search: SearchContext, front: np.ndarray) -> None:
    """Build the queue, unless one with other tasks is in use, which is kept and compared with the front."""
    run, archive = search.run, search.evolution.archive
    try:
        queue = build(run, archive, front)
    except QueueInUseError as error:
        queue = Queue(run.queue_folder)
        dominated = list_dominated(queue, run.space, set(archive.architectures(front)))
        changes = describe_dominated(queue, dominated) if dominated else "it would now get other tasks"
        say(
            f"{error.reason}; the queue is kept, although {changes}. To rename it and build a new one: "
            f"`{run.command('queue build', '--rebuild')}`"
        )
        return
    queued = f"{len(queue.indices)} of {format_count(len(front), 'architecture')} of the front"
    say(f"queued {queued} in {run.queue_folder}; retrain with `{run.command('queue run')}`")


def _write_files(prepared: _PreparedSearch, front: np.ndarray) -> None:
    """Write front.csv and, for a compiled front, hardware.json."""
    run, archive, compiler = prepared.search.run, prepared.search.evolution.archive, prepared.compiler
    origin = {} if prepared.origin is None else prepared.origin.record()
    write_front(run.front_file, archive, front, {**prepared.board.provenance(prepared.vela), **origin})
    if compiler is not None:
        write_json(run.hardware_file, compiler.record(archive))


def _summarise(prepared: _PreparedSearch, reason: str, front: np.ndarray) -> Dict[str, Any]:
    """Return the result of a search as plain Python types, for JSON."""
    run, evolution, file = prepared.search.run, prepared.search.evolution, prepared.search.file
    archive = evolution.archive
    return {
        "reason": reason,
        "generations": evolution.number,
        "requested": archive.evaluations,
        "scored": len(archive),
        "failed": archive.failed,
        "backbones": archive.backbones,
        "duplicates_avoided": evolution.duplicates,
        **_measure_hypervolume(prepared),
        "best_epe": evolution.best_epe(),
        "zero_flow_epe": file.zero_flow_epe,
        "wall_s": round(file.wall_s, 3),
        "weights": None if prepared.origin is None else prepared.origin.path,
        "weights_sha256": None if prepared.origin is None else prepared.origin.sha256,
        "search_file": str(run.search_file),
        "front_file": str(run.front_file),
        "front": records(archive, front),
        "hardware": prepared.board.provenance(prepared.vela),
    }


def _measure_hypervolume(prepared: _PreparedSearch) -> Dict[str, Any]:
    """Return hypervolume and reference point, and the share of the exact hypervolume or None.

    If the whole space is scored, its reference point applies to both.
    """
    evolution = prepared.search.evolution
    exact = _read_exact(prepared)
    objectives = evolution.objectives if exact is None else exact.objectives
    volume = objectives.hypervolume(objectives.points(evolution.archive, evolution.front()))
    return {
        "hypervolume": volume,
        "reference_point": objectives.reference_point,
        "hypervolume_share": volume / exact.hypervolume() if exact is not None and exact.hypervolume() else None,
    }


def _read_exact(prepared: _PreparedSearch) -> Optional[Evolution]:
    """Return the scores of the whole space as a finished search; None if they are not known."""
    run = prepared.search.run
    archive, remarks = read_whole_space(run.space_files, prepared.identity)
    for remark in remarks:
        say(run.complete(remark))
    if archive is None:
        return None
    copy_compiled_costs(prepared.search.evolution.archive, archive)
    return Evolution(run.space, run.config.evolution, prepared.table, run.config.seed, archive)


def _print(evolution: Evolution, result: Mapping[str, Any], front: np.ndarray, hardware: str) -> None:
    """Print the front and the figures of a search."""
    console = open_console()
    print_table(front_table(evolution.archive, front), console)
    best, zero = result["best_epe"], result["zero_flow_epe"]
    lines = [
        f"{result['hardware']['board']}: {hardware}.",
        f"The search ended: {result['reason']}.",
        f"Best EPE: {best:.4f} px, {100 * best / zero:.1f} % of zero-flow EPE ({zero:.4f} px).",
        f"Architectures: {result['requested']:,} requested, {result['scored']:,} scored in {result['wall_s']:.0f} s.",
        f"Checkpoint: {result['search_file']}. Front: {result['front_file']}.",
    ]
    if result["weights"] is not None:
        lines.append(f"Weights: {WeightsOrigin(result['weights'], result['weights_sha256'])}.")
    if result["hypervolume_share"] is not None:
        point = ", ".join(f"{name} {value:.5g}" for name, value in result["reference_point"].items())
        share = f"{result['hypervolume_share']:.3%} of the exact hypervolume of the space"
        lines.insert(2, f"The front reaches {share}, from the reference point {point}.")
    if result["failed"]:
        lines.append(f"{format_count(result['failed'], 'architecture has', 'architectures have')} no finite EPE.")
    if not result["hypervolume"] and evolution.config.reference_point is not None:
        lines.append(
            "The hypervolume is 0: no architecture is better than evolution.reference_point in every objective. Choose "
            "a worse reference point, or none; until then the search cannot measure its progress."
        )
    for line in lines:
        say(line, console)
