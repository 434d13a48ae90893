"""Slurm, by its own commands: hands jobs in, cancels them, and tells which are there. Needs no accounting."""

import subprocess
from typing import Dict, List, NamedTuple, Sequence

from edgeflownas.errors import InputError

_USUAL = ("None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime")  # reasons to wait that need no word
_PATIENCE = 60.0  # seconds; Slurm's commands wait for a busy controller for about as long


class SlurmError(Exception):
    """A command of Slurm is not there, or said no; one line."""


class Element(NamedTuple):
    """An element of an array job that Slurm has not done with.

    Attributes:
        job: ``123_4``.
        state: as Slurm calls it, ``PENDING``.
        reason: why it is pending.
    """

    job: str
    state: str
    reason: str

    @property
    def standing(self) -> str:
        """For people: its state, and why it waits if that is not for its turn alone."""
        why = "" if self.state != "PENDING" or self.reason in _USUAL else f", {self.reason}"
        return self.state.lower() + why


def submit(script: str, indices: Sequence[int], throttle: str) -> str:
    """Hands in an array job; gives its number.

    Raises:
        InputError: Slurm takes it not, or is not there.
    """
    words = ["sbatch", "--parsable", format_array_option(indices, throttle), script]
    try:
        said = _call(words)
    except SlurmError as error:
        raise InputError(
            f"{error}; mend the section cluster of the configuration, or edit {script} and hand it in yourself"
        ) from None
    number = said.strip().split(";")[0]
    if not number.isdigit():
        raise InputError(f"sbatch: gave no job number but {said!r:.100}; look with squeue before submitting again")
    return number


def format_array_option(indices: Sequence[int], throttle: str) -> str:
    """``--array=0-3,7%2``."""
    runs: List[List[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    listed = (str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"--array={','.join(listed)}{throttle}"


def list_elements(job_name: str, patience: float = _PATIENCE) -> Dict[int, Element]:
    """The elements of all array jobs of a name that are pending or running, by index.

    Args:
        job_name: of the jobs.
        patience: seconds to wait for the answer.

    Raises:
        SlurmError: Slurm is not there, or does not answer.
    """
    found = {}
    words = ["squeue", "-h", "-r", f"--name={job_name}", "-o", "%F|%K|%T|%r"]
    for line in _call(words, patience).splitlines():
        job, index, state, reason = line.split("|", 3)
        if index.isdigit():
            found[int(index)] = Element(f"{job}_{index}", state, reason)
    return found


def cancel(jobs: Sequence[str]) -> None:
    """Cancels elements.

    Raises:
        SlurmError: Slurm is not there, or does not answer.
    """
    _call(["scancel", *jobs])


def _call(words: List[str], patience: float = _PATIENCE) -> str:
    """Runs a command, gives what it prints."""
    try:
        done = subprocess.run(
            words, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience
        )
    except OSError as error:
        raise SlurmError(f"{words[0]}: {error.strerror or error}: is Slurm on this machine?") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]}: Slurm has not answered for {patience:.0f} s") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SlurmError(f"{words[0]}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
