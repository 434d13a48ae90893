"""Settings of the Slurm jobs of the retrain queue.

The values are written into a batch script, so each is either quoted there or restricted to characters that have no
special meaning in a shell.
"""

import re
from typing import Dict, List, Optional

from pydantic import Field, field_validator, model_validator
from typing_extensions import Annotated

from edgeflownas.config.section import Section

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.,@+-]*$"
_DIRECTIVE = r"^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:/@%+*&|()\[\]=-]+)?$"
# Options of sbatch that the batch script sets itself, or with which the queue could not track its jobs.
_RESERVED = (
    "account", "array", "chdir", "clusters", "cpus-per-task", "error", "export-file", "gres", "input", "job-name",
    "mem", "no-requeue", "nodes", "ntasks", "open-mode", "output", "parsable", "partition", "qos", "quiet", "requeue",
    "signal", "test-only", "time", "wait", "wrap",
)  # fmt: skip


class ClusterConfig(Section):
    """Resources of the Slurm jobs of the retrain queue. null means the default of the cluster."""

    partition: Optional[str] = Field(
        None, pattern=_NAME, description="Partition to submit to. Several names are separated by commas."
    )
    account: Optional[str] = Field(None, pattern=_NAME, description="Account to charge.")
    qos: Optional[str] = Field(None, pattern=_NAME, description="Quality of service.")
    hours: Optional[float] = Field(
        None,
        gt=0,
        description="Time limit of the job of a task, in hours. A task that reaches the limit is requeued and resumes.",
    )
    save_seconds: int = Field(
        300, ge=1, le=65535, description="Time before the limit at which a task saves and is requeued, in seconds."
    )
    gpus: int = Field(0, ge=0, description="Number of GPUs per task.")
    gpu_type: Optional[str] = Field(
        None, pattern=_NAME, description="Type of the GPUs, as the cluster names it, such as `a100`."
    )
    cpus: int = Field(2, ge=1, description="Number of CPU cores per task.")
    memory_gb: Optional[int] = Field(None, ge=1, description="Memory per task, in GB.")
    throttle: Optional[int] = Field(
        None,
        ge=1,
        description="Largest number of tasks of one submission that run at the same time. null means no limit.",
    )
    modules: List[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$")]] = Field(
        [], description="Environment modules to load, in order."
    )
    conda: Optional[str] = Field(
        None, pattern=r"^[A-Za-z0-9_./~][A-Za-z0-9_./-]*$",
        description="Conda environment to activate, by name or folder. null means the Python that "
        "runs `queue submit`.",
    )  # fmt: skip
    environment: Dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(
        {}, description="Environment variables to set. Values are taken literally."
    )
    directives: List[Annotated[str, Field(pattern=_DIRECTIVE)]] = Field(
        [], description="Additional options of sbatch, such as `--constraint=a100`."
    )

    @field_validator("environment")
    @classmethod
    def _check_printable(cls, environment: Dict[str, str]) -> Dict[str, str]:
        for name, value in environment.items():
            if not value.isprintable():
                raise ValueError(f"the value of {name} should be one line of printable characters")
        return environment

    @field_validator("directives")
    @classmethod
    def _check_not_reserved(cls, directives: List[str]) -> List[str]:
        for directive in directives:
            name = re.split("[-]{2}|=", directive)[1]
            # sbatch accepts abbreviated options
            if any(option.startswith(name) for option in _RESERVED):
                raise ValueError(f"--{name}: is set by other keys of this section, or by the batch script itself")
        return directives

    @model_validator(mode="after")
    def _check_consistency(self) -> "ClusterConfig":
        if self.gpu_type and not self.gpus:
            raise ValueError("gpu_type: needs gpus of at least 1")
        if self.hours and self.save_seconds > self.hours * 1800:
            raise ValueError("save_seconds: should be at most half the time limit (hours)")
        return self
