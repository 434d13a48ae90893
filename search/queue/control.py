"""Gives tasks up, and takes them up again."""

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
    """Has nobody begin or continue tasks any more; those under way save and stop. What is done stays.

    The mark in a task's folder is what counts, and every process that works on it sees it. Slurm, if it is there, is
    told too.

    Raises:
        InputError: one of them is damaged, and none is cancelled.
    """
    listed = [read_row(queue, index) for index in indices]
    for each in listed:
        if each.word == "damaged":
            raise InputError(f"task {each.index}: {each.reason}; nothing was cancelled")
    wanted = [queue.task(each.index) for each in listed if each.word not in ("done", "failed")]
    for task in wanted:
        task.paths.cancel.touch()
    _tell_slurm(queue, [task.index for task in wanted])
    for task in wanted:
        with contextlib.suppress(InputError), hold_claim(task):
            continue  # nobody has worked on it, so the claim has made it failed
        say(f"task {task.index}: the process that works on it saves and stops within some seconds")


def _tell_slurm(queue: Queue, indices: List[int]) -> None:
    try:
        there = slurm.list_elements(job_name(queue.paths))
        jobs = [there[index].job for index in indices if index in there]
        if jobs:
            slurm.cancel(jobs)
    except slurm.SlurmError as error:
        if queue.paths.submissions.exists():
            say(f"Slurm was not told ({error}); what it starts of these ends at once")


def restore(queue: Queue, indices: Sequence[int]) -> None:
    """Has tasks go on from the files before those that are damaged, which are kept under other names.

    Raises:
        InputError: a process works on one of them; or the files before are damaged as well.
    """
    for index in indices:
        paths = queue.task(index).paths
        with locked(paths.claim, f"task {index}", STALE_AFTER):
            weights = {path for name in (paths.last, paths.best) for path in paths.folder.rglob(name.name)}
            mended = checkpoint.use_previous(*sorted(weights | {paths.last, paths.best}))
            if files.use_previous(paths.state, record.read):
                mended.append(paths.state)
            if paths.result.exists() and not _whole(paths.result):
                mended.append(files.set_aside(paths.result))
        for path in mended:
            say(f"task {index}: {path} was damaged; what was there is kept under another name")
        with hold_claim(queue.task(index)) as claim:
            if mended and claim.state.state == "done":
                claim.change(state="queued")  # the result is to be made again


def _whole(path: Path) -> bool:
    with contextlib.suppress(InputError):
        record.read(path)
        return True
    return False


def retry(queue: Queue, indices: Sequence[int]) -> None:
    """Has failed and cancelled tasks tried again, as often as new ones, from where they were.

    Raises:
        InputError: one of them has not failed, and none is changed.
    """
    listed = [read_row(queue, index) for index in indices]
    for each in listed:
        if each.word != "failed":
            raise InputError(f"task {each.index}: is {each.word}; only failed and cancelled ones can be tried again")
    for each in listed:
        task = queue.task(each.index)
        with contextlib.suppress(FileNotFoundError):
            task.paths.cancel.unlink()
        with hold_claim(task) as claim:
            claim.change(state="queued", crashes=0, reason=None)
