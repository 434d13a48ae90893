"""Builds a queue from a search's front."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.config import dump
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import draft_folder, remove_leftovers, set_aside, sha256, write_text
from edgeflownas.storage.lock import held
from search.nsga2.archive import Archive
from search.nsga2.objectives import Objectives
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.queue import slurm
from search.queue.paths import QueuePaths
from search.queue.queue import Queue, QueueFile
from search.queue.script import job_name
from search.queue.selection import RULES, Front, fps_targets
from search.queue.task import SearchFigures, State, TaskConfig
from search.run import Run


def build(run: Run, archive: Archive, front: np.ndarray, rebuild: bool = False) -> Queue:
    """Chooses architectures from a front and makes a task of each.

    A queue of the same tasks is left as it is, whether it has begun or not; one of other tasks is replaced if none of
    them has begun.

    Args:
        run: that the archive belongs to.
        archive: of the search.
        front: rows of the archive, in any order.
        rebuild: set a queue aside that is there already, whatever it holds.

    Returns:
        The queue.

    Raises:
        InputError: the front is empty; or another queue has begun, its tasks are being worked on, or Slurm has them.
    """
    weights = run.supernet_weights()
    tasks = [_task(run, archive, row, checkpoint.digest(weights)) for row in _chosen(run, archive, front)]
    return write_queue(run, tasks, run.config.queue.rule, rebuild, weights if run.config.queue.warm_start else None)


def write_queue(
    run: Run,
    tasks: List[TaskConfig],
    rule: str,
    rebuild: bool,
    weights: Optional[Mapping[str, np.ndarray]] = None,
) -> Queue:
    """Puts a queue of these tasks in the run's folder, as ``build`` says.

    Args:
        run: that they belong to.
        tasks: in their order.
        rule: by which their architectures were chosen.
        rebuild: set a queue aside that is there already, whatever it holds.
        weights: that they begin with; None for random ones.
    """
    folder = run.queue_folder
    if folder.exists():
        if not rebuild and _same(folder, tasks):
            say(f"queue {folder}: is built already")
            return Queue(folder)
        _check_free(folder, rebuild)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    draft = draft_folder(folder)
    try:
        paths = QueuePaths(draft)
        _write(run, paths, tasks, rule)
        if weights is not None:
            checkpoint.save(paths.supernet, weights, {"source": str(run.supernet_file)})
        draft.chmod(0o755)
        if folder.exists():
            _clear_away(folder, rebuild)
        draft.rename(folder)
    finally:
        shutil.rmtree(str(draft), ignore_errors=True)
    return Queue(folder)


def _chosen(run: Run, archive: Archive, rows: np.ndarray) -> List[int]:
    """The rows to retrain, best first objective first."""
    config = run.config.queue
    if config.rule == "list":
        return _listed(run, archive, config.architectures)
    if not len(rows):
        raise InputError(f"queue {run.queue_folder}: the front is empty; search again, or raise evolution.max_sram_kib")
    objectives = Objectives(run.config.evolution.objectives, run.config.evolution.reference_point)
    points = objectives.points(archive, rows)
    order = np.lexsort((*archive.column("genes")[rows].T[::-1], *points.T[::-1]))
    rows, points = rows[order], points[order]
    front = Front(points, objectives.reference, archive.column("epe")[rows], archive.column("fps")[rows])
    if config.rule == "fps_targets":
        chosen = fps_targets(front, config.fps_targets)
        if not chosen:
            raise InputError("queue.fps_targets: nothing on the front reaches any of them; lower one")
    else:
        if len(rows) < config.size:
            say(f"queue {run.queue_folder}: the front has only {len(rows)} architectures; all are queued")
        chosen = RULES[config.rule](front, min(config.size, len(rows)))
    return [int(rows[index]) for index in chosen]


def _listed(run: Run, archive: Archive, names: Sequence[str]) -> List[int]:
    """The rows of architectures that are named, in that order, each once."""
    rows = []
    for name in dict.fromkeys(names):
        architecture = run.space.parse(name)
        if architecture not in archive or not np.isfinite(archive.column("epe")[archive.row(architecture)]):
            raise InputError(f"queue.architectures: {name} has no score in {run.search_file}; name one that has")
        rows.append(archive.row(architecture))
    return rows


def _task(run: Run, archive: Archive, row: int, supernet_sha256: str) -> TaskConfig:
    figures = {name: float(archive.column(name)[row]) for name in ("epe", *COST_FIGURES)}
    found = SearchFigures.model_validate({**figures, "source": COST_SOURCES[archive.column("cost_source")[row]]})
    warm = QueuePaths(Path()).supernet.name if run.config.queue.warm_start else None
    return make_task(run, run.space.format(archive.column("genes")[row]), supernet_sha256, warm, found)


def make_task(
    run: Run, architecture: str, source: str, first_weights: Optional[str], found: SearchFigures
) -> TaskConfig:
    """The training of an architecture as a run's configuration says.

    Args:
        run: whose it is.
        architecture: its digits.
        source: SHA-256 of what the search learned from.
        first_weights: file in the queue's folder; None: random ones.
        found: what the search knew of it.
    """
    return TaskConfig(
        **dict(run.retraining(architecture)),
        attempts=run.config.queue.attempts,
        supernet_sha256=source,
        first_weights=first_weights,
        found=found,
    )


def _same(folder: Path, tasks: List[TaskConfig]) -> bool:
    """Whether a queue holds exactly these tasks."""
    queue = Queue(folder)
    return [queue.task(index).config for index in queue.indices] == tasks


def _check_free(folder: Path, rebuild: bool) -> None:
    """Makes sure that a queue may make room for another.

    Raises:
        InputError: the one there has begun, and is not to be set aside; or its tasks are being worked on, or in Slurm.
    """
    paths = QueuePaths(folder)
    for lock in (*paths.claims(), paths.submitting):
        if held(lock):
            raise InputError(f"queue {folder}: a process holds {lock}; end it first")
    if paths.script.exists():
        _check_jobs(paths)
    if not rebuild and _begun(Queue(folder)):
        raise InputError(
            f"queue {folder}: has begun, and other architectures are to be queued now: set it aside and build anew "
            f"with `queue build --rebuild`"
        )


def _clear_away(folder: Path, rebuild: bool) -> None:
    """Makes room for another queue, at once: a folder that is half removed would be taken for a damaged queue."""
    if rebuild:
        say(f"queue {folder}: the one there was set aside as {set_aside(folder)}")
        return
    old = draft_folder(folder)
    folder.rename(old)
    shutil.rmtree(str(old))


def _check_jobs(paths: QueuePaths) -> None:
    """Makes sure that Slurm has no job of a queue, which would work on the next one in its place.

    Raises:
        InputError: it has one.
    """
    name = job_name(paths)
    try:
        there = slurm.list_elements(name)
    except slurm.SlurmError as error:
        if paths.submissions.exists():
            say(f"{error}; a job of the queue that was there ends as soon as Slurm starts it")
        return
    if there:
        first = there[min(there)]
        raise InputError(
            f"queue {paths.folder}: Slurm has its job {first.job}, {first.standing}; `queue cancel --all` first "
            f"(or `scancel --name={name}`)"
        )


def _begun(queue: Queue) -> bool:
    return any(queue.task(index).state().attempts for index in queue.indices)


def _write(run: Run, paths: QueuePaths, tasks: List[TaskConfig], rule: str) -> None:
    """Writes a whole queue, but for the supernet."""
    config, now = run.config, time.time()
    search_sha256: Optional[str] = sha256(run.search_file) if run.search_file.exists() else None
    texts = [dump(task) for task in tasks]
    file = QueueFile(
        id=hashlib.sha256("".join(texts).encode()).hexdigest(),
        rule=rule,
        size=config.queue.size if rule in RULES else len(tasks),
        fps_targets=config.queue.fps_targets if rule == "fps_targets" else [],
        reference_point=config.evolution.reference_point if rule == "hypervolume" else {},
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
