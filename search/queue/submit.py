"""Hands the tasks that are left to do to Slurm, each at most once."""

import time
from pathlib import Path
from typing import Dict, List, Optional

from pydantic import Field

from edgeflownas.config import ClusterConfig, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import record
from edgeflownas.storage.files import set_aside, write_text
from edgeflownas.storage.lock import locked
from search.queue import slurm
from search.queue.paths import QueuePaths
from search.queue.queue import Queue
from search.queue.script import job_name, render_batch_script, throttle
from search.queue.status import read_rows


class Submission(Section):
    """An array job that was handed in."""

    job: str = Field(pattern=r"^[0-9]+$", description="Slurm's number")
    tasks: List[int]
    time: float = Field(description="Unix time, seconds")


class Submissions(Section):
    """The content of ``submitted.json``."""

    jobs: List[Submission] = []


def read_submitted(paths: QueuePaths) -> Dict[int, str]:
    """The element that each task was last handed in as, ``123_4``, by the task's index.

    Raises:
        InputError: the record is damaged.
    """
    return {index: f"{each.job}_{index}" for each in _read(paths).jobs for index in each.tasks}


def write_script(queue: Queue, config: ClusterConfig) -> str:
    """Writes the batch script, and gives it; one that a user has edited is set aside."""
    path = queue.paths.script
    text = render_batch_script(queue.paths, queue.file.id, queue.file.tasks, config)
    if path.exists():
        if path.read_text(errors="replace") == text:
            return text
        say(f"{path}: the one there, of other settings or edited, is now {set_aside(path).name}")
    write_text(path, text)
    return text


def build_command(queue: Queue, config: ClusterConfig, indices: List[int]) -> List[str]:
    """What hands the script in."""
    return ["sbatch", slurm.format_array_option(indices, throttle(config)), str(queue.paths.script.resolve())]


def submit(queue: Queue, config: ClusterConfig) -> Optional[str]:
    """Hands in the tasks that are left to do and that Slurm does not have yet.

    Returns:
        The number of the array job; None if there is nothing to hand in.

    Raises:
        InputError: another process submits, or Slurm is not there or refuses.
    """
    with locked(queue.paths.submitting, f"submission of {queue.paths.folder}"):
        try:
            there = slurm.list_elements(job_name(queue.paths))
        except slurm.SlurmError as error:
            raise InputError(f"{error}; `queue submit --dry-run` only writes the script") from None
        left = find_open_tasks(queue)
        indices = [index for index in left if index not in there]
        if len(indices) < len(left):
            say(f"{len(left) - len(indices)} of the tasks are in Slurm's queue already")
        if not indices:
            return None
        if there and config.throttle is not None:
            say(f"Slurm counts for each array job: up to {config.throttle} of these run beside those there already")
        before = _read(queue.paths)
        write_script(queue, config)
        job = slurm.submit(str(queue.paths.script.resolve()), indices, throttle(config))
        entry = Submission(job=job, tasks=indices, time=time.time())
        record.write(queue.paths.submissions, Submissions(jobs=[*before.jobs, entry]).model_dump())
        return job


def find_open_tasks(queue: Queue) -> List[int]:
    """The tasks that wait for someone to work on them."""
    return [each.index for each in read_rows(queue) if each.to_do]


def _read(paths: QueuePaths) -> Submissions:
    path: Path = paths.submissions
    if not path.exists():
        return Submissions()
    found: Submissions = validate(record.read(path), Submissions, str(path))
    return found
