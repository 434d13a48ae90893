"""The Slurm job of this process, as given by environment variables."""

import os
from typing import NamedTuple, Optional


class Job(NamedTuple):
    """A job, or an element of an array job.

    Attributes:
        cluster: Name of the cluster.
        id: Number of the job, ``123``, or of the element, ``123_4``.
        restarts: Number of times that Slurm has requeued and restarted the job.
    """

    cluster: str
    id: str
    restarts: int

    def began_after(self, other: object) -> bool:
        """Return whether this is a later start of the same job. Slurm restarts a job only after it has ended."""
        if not (isinstance(other, (list, tuple)) and len(other) == len(self) and isinstance(other[2], int)):
            return False
        return self[:2] == tuple(other[:2]) and self.restarts > other[2]


def this_job() -> Optional[Job]:
    """Return the job of this process; None outside Slurm."""
    array, element = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    number = f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID")
    if not number:
        return None
    restarts = os.environ.get("SLURM_RESTART_COUNT", "")
    return Job(os.environ.get("SLURM_CLUSTER_NAME", ""), number, int(restarts) if restarts.isdigit() else 0)
