"""Submission, cancellation and listing of jobs with Slurm's commands; Slurm's accounting is not needed."""

import subprocess
from typing import Dict, List, NamedTuple, Sequence

from edgeflownas.errors import InputError

_USUAL = ("None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime")  # reasons that are not shown
_TIMEOUT = 60.0  # seconds; Slurm's commands wait about as long for a busy controller


class SlurmError(Exception):
    """A Slurm command is missing or has failed; the message is one line."""


class Element(NamedTuple):
    """An element of an array job that is pending or running.

    Attributes:
        job: Id of the element, such as ``123_4``.
        state: Slurm's name of the state, such as ``PENDING``.
        reason: Why the element is pending.
    """

    job: str
    state: str
    reason: str

    @property
    def description(self) -> str:
        """State for display, with the reason unless the element only waits for its turn."""
        reason = "" if self.state != "PENDING" or self.reason in _USUAL else f", {self.reason}"
        return self.state.lower() + reason


def submit(script: str, indices: Sequence[int], throttle: str) -> str:
    """Submit an array job and return its number.

    Raises:
        InputError: Slurm rejects the job or is not available.
    """
    words = ["sbatch", "--parsable", format_array_option(indices, throttle), script]
    try:
        output = _call(words)
    except SlurmError as error:
        raise InputError(
            f"{error}; correct the section cluster of the configuration, or edit {script} and submit it by hand"
        ) from None
    number = output.strip().split(";")[0]
    if not number.isdigit():
        raise InputError(f"sbatch: printed no job number but {output!r:.100}; check squeue before submitting again")
    return number


def format_array_option(indices: Sequence[int], throttle: str) -> str:
    """Return an option such as ``--array=0-3,7%2``."""
    runs: List[List[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    listed = (str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"--array={','.join(listed)}{throttle}"


def list_elements(job_name: str, timeout: float = _TIMEOUT) -> Dict[int, Element]:
    """Return the pending and running elements of all array jobs with a name, by index.

    Args:
        job_name: Name of the jobs.
        timeout: Seconds to wait for the answer.

    Raises:
        SlurmError: Slurm is not available or does not answer.
    """
    elements = {}
    words = ["squeue", "-h", "-r", f"--name={job_name}", "-o", "%F|%K|%T|%r"]
    for line in _call(words, timeout).splitlines():
        job, index, state, reason = line.split("|", 3)
        if index.isdigit():
            elements[int(index)] = Element(f"{job}_{index}", state, reason)
    return elements


def cancel(jobs: Sequence[str]) -> None:
    """Cancel elements of array jobs.

    Raises:
        SlurmError: Slurm is not available or does not answer.
    """
    _call(["scancel", *jobs])


def _call(words: List[str], timeout: float = _TIMEOUT) -> str:
    """Run a command and return its output."""
    try:
        done = subprocess.run(
            words, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout,
        )  # fmt: skip
    except OSError as error:
        raise SlurmError(f"{words[0]}: {error.strerror or error}: is Slurm installed on this machine?") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]}: Slurm has not answered for {timeout:.0f} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SlurmError(f"{words[0]}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout
