"""Submission of the remaining tasks to Slurm; no task is submitted twice."""

import time
from typing import Dict, List, Optional

from pydantic import Field

from edgeflownas.config import ClusterConfig, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import record
from edgeflownas.storage.files import set_aside, write_text
from edgeflownas.storage.lock import locked
from edgeflownas.wording import format_count
from search.queue import slurm
from search.queue.paths import QueuePaths
from search.queue.queue import Queue
from search.queue.script import job_name, render_batch_script, throttle
from search.queue.status import read_rows


class Submission(Section):
    """An array job that was submitted."""

    job: str = Field(pattern=r"^[0-9]+$", description="Slurm's job number")
    tasks: List[int]
    time: float = Field(description="Unix time, seconds")


class Submissions(Section):
    """Content of ``submitted.json``."""

    jobs: List[Submission] = []


def read_submitted(paths: QueuePaths) -> Dict[int, str]:
    """Map the index of each task to the array element, such as ``123_4``, under which it was last submitted.

    Raises:
        InputError: ``submitted.json`` is damaged.
    """
    return {index: f"{submission.job}_{index}" for submission in _read(paths).jobs for index in submission.tasks}


def write_script(queue: Queue, config: ClusterConfig) -> str:
    """Write the batch script and return its text; an existing different one is kept under another name."""
    path = queue.paths.script
    text = render_batch_script(queue.paths, queue.file.id, queue.file.tasks, config)
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") == text:
            return text
        say(f"{path}: the existing script differs (other settings or edits); it is now {set_aside(path).name}")
    write_text(path, text)
    return text


def build_command(queue: Queue, config: ClusterConfig, indices: List[int]) -> List[str]:
    """Return the command that submits the script."""
    return ["sbatch", slurm.format_array_option(indices, throttle(config)), str(queue.paths.script.resolve())]


def submit(queue: Queue, config: ClusterConfig) -> Optional[str]:
    """Submit the waiting tasks that Slurm does not have yet.

    Returns:
        The number of the array job; None if there is nothing to submit.

    Raises:
        InputError: Another process is submitting, or Slurm is not available or rejects the job.
    """
    with locked(queue.paths.submitting, f"submission of {queue.paths.folder}"):
        try:
            elements = slurm.list_elements(job_name(queue.paths))
        except slurm.SlurmError as error:
            raise InputError(f"{error}; `queue submit --dry-run` only writes the script") from None
        waiting = find_open_tasks(queue)
        indices = [index for index in waiting if index not in elements]
        if len(indices) < len(waiting):
            say(f"{format_count(len(waiting) - len(indices), 'task is', 'tasks are')} already in Slurm's queue")
        if not indices:
            return None
        if elements and config.throttle is not None:
            say(f"the throttle is per array job: up to {config.throttle} of these tasks run beside those already there")
        earlier = _read(queue.paths)
        write_script(queue, config)
        job = slurm.submit(str(queue.paths.script.resolve()), indices, throttle(config))
        submission = Submission(job=job, tasks=indices, time=time.time())
        record.write(queue.paths.submissions, Submissions(jobs=[*earlier.jobs, submission]).model_dump())
        return job


def find_open_tasks(queue: Queue) -> List[int]:
    """Return the indices of the tasks that wait to be run."""
    return [row.index for row in read_rows(queue) if row.to_do]


def _read(paths: QueuePaths) -> Submissions:
    if not paths.submissions.exists():
        return Submissions()
    submissions: Submissions = validate(record.read(paths.submissions), Submissions, str(paths.submissions))
    return submissions
