"""Functions that cancel, retry and repair tasks."""

import contextlib
from pathlib import Path
from typing import List, Sequence

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import checkpoint, files, record
from edgeflownas.storage.lock import locked
from search.queue import slurm
from search.queue.claim import STALE_AFTER, hold_claim
from search.queue.queue import Queue
from search.queue.script import job_name
from search.queue.status import read_row


def cancel(queue: Queue, indices: Sequence[int]) -> None:
    """Cancel tasks: no process starts or resumes them; running ones save and stop. Finished tasks stay as they are.

    A task is cancelled by a file in its folder, which every process that runs it sees. Its Slurm job is cancelled as
    well, if Slurm is available.

    Raises:
        InputError: One of the tasks does not exist or is damaged; none is cancelled.
    """
    queue.check_indices(indices)
    rows = [read_row(queue, index) for index in indices]
    for row in rows:
        if row.word == "damaged":
            raise InputError(f"task {row.index}: {row.reason}; nothing was cancelled")
    tasks = [queue.task(row.index) for row in rows if row.word not in ("done", "failed")]
    for task in tasks:
        task.paths.cancel.touch()
    _cancel_jobs(queue, [task.index for task in tasks])
    for task in tasks:
        with contextlib.suppress(InputError), hold_claim(task):
            continue  # no process was running it, so claiming it has marked it as failed
        say(f"task {task.index}: its process saves and stops within a few seconds")


def _cancel_jobs(queue: Queue, indices: List[int]) -> None:
    try:
        elements = slurm.list_elements(job_name(queue.paths))
        jobs = [elements[index].job for index in indices if index in elements]
        if jobs:
            slurm.cancel(jobs)
    except slurm.SlurmError as error:
        if queue.paths.submissions.exists():
            say(f"the Slurm jobs were not cancelled ({error}); those of cancelled tasks end as soon as they start")


def restore(queue: Queue, indices: Sequence[int]) -> None:
    """Replace damaged files of tasks by the previous ones; the damaged ones are kept under other names.

    Raises:
        InputError: One of the tasks does not exist, a process is running it, or a previous file is damaged as well.
    """
    queue.check_indices(indices)
    for index in indices:
        paths = queue.task(index).paths
        with locked(paths.claim, f"task {index}", STALE_AFTER):
            weights = {path for name in (paths.last, paths.best) for path in paths.folder.rglob(name.name)}
            restored = checkpoint.use_previous(*sorted(weights | {paths.last, paths.best}))
            if files.use_previous(paths.state, record.read):
                restored.append(paths.state)
            if paths.result.exists() and not _is_intact(paths.result):
                restored.append(files.set_aside(paths.result))
        for path in restored:
            say(f"task {index}: {path} was damaged; the damaged file is renamed and kept")
        with hold_claim(queue.task(index)) as claim:
            if restored and claim.state.state == "done":
                claim.change(state="queued")  # so that the result is written again


def _is_intact(path: Path) -> bool:
    with contextlib.suppress(InputError):
        record.read(path)
        return True
    return False


def retry(queue: Queue, indices: Sequence[int]) -> None:
    """Queue failed and cancelled tasks again, to resume where they stopped, with all attempts available.

    Raises:
        InputError: One of the tasks does not exist or has not failed; none is changed.
    """
    queue.check_indices(indices)
    rows = [read_row(queue, index) for index in indices]
    others = [f"task {row.index}: is {row.word}" for row in rows if row.word != "failed"]
    if others:
        raise InputError(f"{', '.join(others)}; only failed and cancelled tasks can be retried")
    for row in rows:
        task = queue.task(row.index)
        with contextlib.suppress(FileNotFoundError):
            task.paths.cancel.unlink()
        with hold_claim(task) as claim:
            claim.change(state="queued", crashes=0, reason=None)
