"""A search by the strategy of the configuration, from the checkpoint to the retrain queue."""

import contextlib
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.hardware.measured import Measurements
from edgeflownas.progress import say
from edgeflownas.storage.files import remove_leftovers, report_restored, use_previous, write_json
from edgeflownas.storage.lock import locked
from edgeflownas.wording import format_count
from search.nsga2.archive import Archive
from search.nsga2.compiled_front import FrontCompiler
from search.nsga2.evolution import Evolution
from search.queue.build import QueueInUseError, build, check_batch_sizes
from search.queue.outdated import describe_dominated, list_dominated
from search.queue.queue import Queue
from search.run import Run
from search.storage.compiled_costs import copy_compiled_costs
from search.storage.front import records, write_front
from search.storage.identity import Identity
from search.storage.initial import read_initial
from search.storage.measurements import prefer_measured, read_measurements
from search.storage.search_file import SearchFile, set_aside
from search.storage.space_file import read_whole_space
from search.strategies.independent import INDEPENDENT
from search.strategies.one_shot import ONE_SHOT
from search.strategies.staged import STAGED
from search.strategies.strategy import SearchContext, Strategy
from search.weights import WeightsOrigin

STRATEGIES = {"one_shot": ONE_SHOT, "staged": STAGED, "independent": INDEPENDENT}


class FinishedSearch(NamedTuple):
    """The result of a search.

    Attributes:
        summary: Figures of the search, and its front, as plain Python types.
        archive: All scored architectures.
        front: Rows of the front in the archive, sorted by the first objective, best first, shape [n].
        has_reference_point: Whether the configuration sets a reference point.
        hardware: Compiler and settings that the hardware figures come from, as a phrase.
    """

    summary: Dict[str, Any]
    archive: Archive
    front: np.ndarray
    has_reference_point: bool
    hardware: str


def evolve(
    run: Run,
    restart: bool = False,
    from_previous: bool = False,
    show: Callable[[FinishedSearch], None] = lambda finished: None,
) -> FinishedSearch:
    """Search by the strategy of a run's configuration, or resume its search, and build the retrain queue.

    The search is saved to search.h5 after every generation, and its front is written to front.csv.

    Args:
        run: Run to search.
        restart: Whether to start from scratch. An existing checkpoint is renamed.
        from_previous: Whether to resume from the previous checkpoint if the last one is damaged.
        show: Callback that is called with the result before the queue is built.

    Raises:
        InputError: The run cannot be searched, or no architecture has a finite EPE.
        Interrupted: A signal was received. The search can be resumed.
    """
    run.require_genes()
    strategy = STRATEGIES[run.config.strategy]
    with _prepare_search(run, strategy, restart, from_previous) as prepared:
        search = prepared.search
        check_batch_sizes(run.retraining(run.space.format((0,) * len(run.space.genes))))
        run.write_config()
        reason = strategy.run(search)
        front = _finish(prepared)
        if not len(front):
            raise InputError(_explain_empty_front(search, strategy))
        _write_files(prepared, front)
        finished = FinishedSearch(
            summary=_summarise(prepared, reason, front),
            archive=search.evolution.archive,
            front=front,
            has_reference_point=run.config.evolution.reference_point is not None,
            hardware=prepared.board.summary(prepared.vela),
        )
        show(finished)
        if strategy.shares_weights:
            _queue_survivors(search, front)
        else:
            collect = run.command("queue collect")
            say(f"the children are in {run.queue_folder}; `{collect}` compiles each with its own weights")
    return finished


class _PreparedSearch(NamedTuple):
    """A search with its hardware.

    Attributes:
        search: The search.
        board: The board of the cost table.
        table: The cost table for the weights of the search.
        compiler: The compiler of the front; None if the front is not compiled.
        measurements: Latencies measured on the board.
        identity: Everything that must not change when the search is resumed.
        origin: Origin of the weights of the supernet; None where no weights are shared.
    """

    search: SearchContext
    board: Board
    table: CostTable
    compiler: Optional[FrontCompiler]
    measurements: Measurements
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
        measurements = read_measurements(run, board)
        yield _PreparedSearch(context, board, table, compiler, measurements, identity, origin)


def _restore_evolution(run: Run, table: CostTable, file: SearchFile, compiler: Optional[FrontCompiler]) -> Evolution:
    config = run.config.evolution
    return Evolution(
        run.space,
        config,
        table if compiler is None else compiler.table,
        run.config.seed,
        file.archive,
        file.last,
        None if compiler is None else compiler.compile_costs,
        read_initial(run.space, config.initial),
        run.config.evaluation.processes,
    )


def _finish(prepared: _PreparedSearch) -> np.ndarray:
    """Save the checkpoint, determine the front by measured and compiled costs, and return its rows in the archive.

    Measured costs are not saved: they belong to the run's file of measurements.
    """
    search = prepared.search
    search.lock.beat()
    search.file.save()
    evolution = search.evolution
    # The checkpoint may be older than the option to compile fronts.
    evolution.compile_front(lambda done, total: search.lock.beat())
    if prepared.measurements.content is not None:
        prefer_measured(evolution.archive, prepared.measurements)
        evolution.costs_changed()
        evolution.compile_front(lambda done, total: search.lock.beat())
    return evolution.front()


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
    prefer_measured(archive, prepared.measurements)
    return Evolution(run.space, run.config.evolution, prepared.table, run.config.seed, archive)
