"""Building a queue from the front of a search."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.config import ChildConfig, Objective, TrainConfig, dump
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.enough import check_batch_size
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import draft_folder, remove_leftovers, set_aside, sha256, write_text
from edgeflownas.storage.lock import held
from edgeflownas.wording import format_count
from search.nsga2.archive import Archive
from search.nsga2.objectives import Objectives, find_worst_point
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.queue import slurm
from search.queue.paths import QueuePaths
from search.queue.queue import Queue, QueueFile
from search.queue.script import job_name
from search.queue.selection import RULES, Front, select_by_fps
from search.queue.task import SearchFigures, State, TaskConfig
from search.run import Run


class QueueInUseError(InputError):
    """A queue with other tasks is in use: it has been started, is running or has jobs in Slurm.

    Attributes:
        reason: What is in use, and how.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason


def build(run: Run, archive: Archive, front: np.ndarray, rebuild: bool = False) -> Queue:
    """Select architectures from a front and write a queue with a task for each of them.

    An existing queue with the same tasks is left as it is, whether it has been started or not. One with other tasks is
    replaced if none of them has been started.

    Args:
        run: Run to which the archive belongs.
        archive: Archive of the search.
        front: Rows of the archive that form the front, in any order.
        rebuild: Whether to rename an existing queue, regardless of its content.

    Returns:
        The queue.

    Raises:
        InputError: The front is empty, or a batch is larger than the training set.
        QueueInUseError: A different queue exists and has been started, is running, or has jobs in Slurm.
    """
    weights = run.supernet_weights()
    tasks = [_make_task(run, archive, row, checkpoint.digest(weights)) for row in _select(run, archive, front)]
    rule, first_weights = run.config.queue.rule, weights if run.config.queue.warm_start else None
    reference_point = _make_objectives(run, archive).reference_point if rule == "hypervolume" else {}
    return write_queue(run, tasks, rule, rebuild, first_weights, reference_point)


def write_queue(
    run: Run,
    tasks: List[TaskConfig],
    rule: str,
    rebuild: bool,
    weights: Optional[Mapping[str, np.ndarray]] = None,
    reference_point: Optional[Mapping[Objective, float]] = None,
) -> Queue:
    """Write a queue in the run's folder; an existing one is treated as described for ``build``.

    Args:
        run: Run to which the tasks belong.
        tasks: Tasks in their order.
        rule: Rule by which the architectures were selected.
        rebuild: Whether to rename an existing queue, regardless of its content.
        weights: Initial weights of the tasks; None for random ones.
        reference_point: Reference point of the rule hypervolume; None for other rules.

    Returns:
        The queue.

    Raises:
        InputError: A batch is larger than the training set.
        QueueInUseError: A different queue exists and has been started, is running, or has jobs in Slurm.
    """
    check_batch_sizes(tasks[0])
    folder = run.queue_folder
    if folder.exists():
        if not rebuild and _holds_tasks(folder, tasks):
            say(f"queue {folder}: is already built")
            return Queue(folder)
        _check_replaceable(folder, rebuild)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    draft = draft_folder(folder)
    try:
        paths = QueuePaths(draft)
        _write_files(run, paths, tasks, rule, reference_point or {})
        if weights is not None:
            checkpoint.save(paths.supernet, weights, {"source": str(run.supernet_file)})
        if folder.exists():
            _clear_away(folder, rebuild)
        draft.rename(folder)
    finally:
        shutil.rmtree(str(draft), ignore_errors=True)
    return Queue(folder)


def check_batch_sizes(config: ChildConfig) -> None:
    """Check that every stage of retraining has enough training pairs for a batch.

    Data that cannot be read here are not checked, because the tasks may run on another machine.

    Raises:
        InputError: A stage has fewer training pairs than a batch.
    """
    for number, stage in enumerate(config.stages):
        section = "queue.train" if isinstance(config.train, TrainConfig) else f"queue.train.{number}"
        assert isinstance(stage.train, TrainConfig), "a single stage"
        try:
            train, _ = open_datasets(stage.data, quiet=True)
        except InputError:
            continue
        check_batch_size(train, stage.train.batch_size, section)


def _select(run: Run, archive: Archive, rows: np.ndarray) -> List[int]:
    """Return the rows to retrain, sorted by the first objective from best to worst."""
    config = run.config.queue
    if config.rule == "list":
        return _find_rows(run, archive, config.architectures)
    if not len(rows):
        raise InputError(f"queue {run.queue_folder}: the front is empty; search again, or relax evolution.constraints")
    objectives = _make_objectives(run, archive)
    points = objectives.points(archive, rows)
    order = np.lexsort((*archive.column("genes")[rows].T[::-1], *points.T[::-1]))
    rows, points = rows[order], points[order]
    front = Front(points, objectives.reference, archive.column("epe")[rows], archive.column("fps")[rows])
    if config.rule == "fps_targets":
        chosen = select_by_fps(front, config.fps_targets)
        if not chosen:
            raise InputError("queue.fps_targets: no architecture on the front reaches any target; lower one")
    else:
        if len(rows) < config.size:
            whole = format_count(len(rows), "architecture")
            say(f"queue {run.queue_folder}: the front has only {whole}; it is queued as a whole")
        chosen = RULES[config.rule](front, min(config.size, len(rows)))
    return [int(rows[index]) for index in chosen]


def _make_objectives(run: Run, archive: Archive) -> Objectives:
    """Return the objectives with the configured reference point, or else the worst point of the archive."""
    config = run.config.evolution
    objectives = Objectives(config.objectives, config.reference_point)
    if config.reference_point is None:
        valid = np.flatnonzero(np.isfinite(archive.column("epe")))
        objectives.reference = find_worst_point(objectives.points(archive, valid))
    return objectives


def _find_rows(run: Run, archive: Archive, names: Sequence[str]) -> List[int]:
    """Return the rows of architectures given by name, in the order of the names and without duplicates."""
    rows = []
    for name in dict.fromkeys(names):
        architecture = run.space.parse(name)
        if architecture not in archive or not np.isfinite(archive.column("epe")[archive.row(architecture)]):
            raise InputError(f"queue.architectures: {name} has no score in {run.search_file}; remove it from the list")
        rows.append(archive.row(architecture))
    return rows


def _make_task(run: Run, archive: Archive, row: int, supernet_sha256: str) -> TaskConfig:
    figures = {name: float(archive.column(name)[row]) for name in ("epe", *COST_FIGURES)}
    known = SearchFigures.model_validate({**figures, "source": COST_SOURCES[archive.column("cost_source")[row]]})
    first_weights = QueuePaths(Path()).supernet.name if run.config.queue.warm_start else None
    return make_task(run, run.space.format(archive.column("genes")[row]), supernet_sha256, first_weights, known)


def make_task(
    run: Run, architecture: str, source: str, first_weights: Optional[str], figures: SearchFigures
) -> TaskConfig:
    """Return the task that trains an architecture as configured in a run.

    Args:
        run: Run with the configuration.
        architecture: Digits of the architecture.
        source: Digest of the weights or data that the search used.
        first_weights: File in the queue's folder with the initial weights; None for random ones.
        figures: EPE and cost of the architecture in the search.
    """
    return TaskConfig(
        **dict(run.retraining(architecture)),
        attempts=run.config.queue.attempts,
        supernet_sha256=source,
        first_weights=first_weights,
        found=figures,
    )


def _holds_tasks(folder: Path, tasks: List[TaskConfig]) -> bool:
    """Return whether a queue holds exactly these tasks."""
    queue = Queue(folder)
    # Costs that are known better by now do not make it another task.
    before = [queue.task(index).config for index in queue.indices]
    return [_without_cost(task) for task in before] == [_without_cost(task) for task in tasks]


def _without_cost(task: TaskConfig) -> Dict[str, Any]:
    content = task.model_dump()
    return {**content, "found": content["found"]["epe"]}


def _check_replaceable(folder: Path, rebuild: bool) -> None:
    """Check that a queue may be replaced.

    Raises:
        QueueInUseError: The queue has been started and ``rebuild`` is not set; or it is running, or has jobs in Slurm.
    """
    paths = QueuePaths(folder)
    for claim in paths.claims():
        if held(claim):
            raise QueueInUseError(f"queue {folder}: task {int(claim.parent.name)} is still running", "stop it first")
    if held(paths.submitting):
        raise QueueInUseError(f"queue {folder}: `queue submit` is still running", "wait for it to end")
    if paths.script.exists():
        _check_jobs(paths)
    if not rebuild:
        queue = Queue(folder)
        if any(queue.task(index).state().attempts for index in queue.indices):
            raise QueueInUseError(
                f"queue {folder}: has been started with other tasks",
                "to rename it and build a new queue, use `queue build --rebuild`",
            )


def _clear_away(folder: Path, rebuild: bool) -> None:
    """Move a queue out of the way atomically, because a partly removed folder would look like a damaged queue."""
    if rebuild:
        say(f"queue {folder}: the existing queue is now {set_aside(folder)}")
        return
    say(f"queue {folder}: a new queue replaces the existing one, of which nothing was started")
    old = draft_folder(folder)
    folder.rename(old)
    shutil.rmtree(str(old))


def _check_jobs(paths: QueuePaths) -> None:
    """Check that Slurm has no job of a queue, because such a job would run tasks of the new queue.

    Raises:
        QueueInUseError: Slurm has a job of the queue.
    """
    name = job_name(paths)
    try:
        elements = slurm.list_elements(name)
    except slurm.SlurmError as error:
        if paths.submissions.exists():
            say(f"{error}; jobs of the existing queue end as soon as Slurm starts them")
        return
    if elements:
        first = elements[min(elements)]
        raise QueueInUseError(
            f"queue {paths.folder}: job {first.job} is still in Slurm ({first.description})",
            f"cancel it first with `queue cancel --all` (or `scancel --name={name}`)",
        )


def _write_files(
    run: Run, paths: QueuePaths, tasks: List[TaskConfig], rule: str, reference_point: Mapping[Objective, float]
) -> None:
    """Write all files of a queue except the supernet."""
    config, now = run.config, time.time()
    search_sha256: Optional[str] = sha256(run.search_file) if run.search_file.exists() else None
    texts = [dump(task) for task in tasks]
    file = QueueFile(
        id=hashlib.sha256("".join(texts).encode()).hexdigest(),
        rule=rule,
        size=config.queue.size if rule in RULES else len(tasks),
        fps_targets=config.queue.fps_targets if rule == "fps_targets" else [],
        reference_point=dict(reference_point),
        tasks=len(tasks),
        objectives=list(config.evolution.objectives),
        seed=config.seed,
        supernet_sha256=tasks[0].supernet_sha256,
        search_sha256=search_sha256,
    )
    write_text(paths.queue, dump(file))
    for index, text in enumerate(texts):
        write_text(paths.task(index).task, text)
        record.write(paths.task(index).state, State.model_validate({"changed": now}).model_dump())
