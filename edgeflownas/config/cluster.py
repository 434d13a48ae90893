"""How an array job of the retrain queue is handed to Slurm.

The values end up in a batch script: each is held to letters that mean nothing to a shell, or is quoted there.
"""

import re
from typing import Dict, List, Optional

from pydantic import Field, field_validator, model_validator
from typing_extensions import Annotated

from edgeflownas.config.section import Section

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.,@+-]*$"
_DIRECTIVE = r"^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:/@%+*&|()\[\]=-]+)?$"
# What the batch script sets itself, or what would make the queue lose sight of its jobs.
_OWN = (
    "account", "array", "chdir", "clusters", "cpus-per-task", "error", "export-file", "gres", "input", "job-name",
    "mem", "no-requeue", "nodes", "ntasks", "open-mode", "output", "parsable", "partition", "qos", "quiet", "requeue",
    "signal", "test-only", "time", "wait", "wrap",
)  # fmt: skip


class ClusterConfig(Section):
    """What a Slurm job of the retrain queue gets; null leaves it to the cluster."""

    partition: Optional[str] = Field(None, pattern=_NAME)
    account: Optional[str] = Field(None, pattern=_NAME, description="that pays")
    qos: Optional[str] = Field(None, pattern=_NAME, description="quality of service")
    hours: Optional[float] = Field(None, gt=0, description="time limit of a task's job; at it, the task is requeued")
    save_seconds: int = Field(300, ge=1, le=65535, description="before the limit, at which a task saves and requeues")
    gpus: int = Field(0, ge=0, description="per task")
    gpu_type: Optional[str] = Field(None, pattern=_NAME, description="as the cluster calls it, a100")
    cpus: int = Field(2, ge=1, description="per task")
    memory_gb: Optional[int] = Field(None, ge=1, description="per task")
    throttle: Optional[int] = Field(
        None, ge=1, description="tasks of one submission that may run at once; null: as many as fit"
    )
    modules: List[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$")]] = Field(
        [], description="to load, in this order"
    )
    conda: Optional[str] = Field(
        None, pattern=r"^[A-Za-z0-9_./~][A-Za-z0-9_./-]*$",
        description="environment to activate, its name or folder; null: the Python that `queue submit` runs with",
    )  # fmt: skip
    environment: Dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(
        {}, description="variables to set, taken literally"
    )
    directives: List[Annotated[str, Field(pattern=_DIRECTIVE)]] = Field(
        [], description="further options of sbatch, as --constraint=a100"
    )

    @field_validator("environment")
    @classmethod
    def _printable(cls, environment: Dict[str, str]) -> Dict[str, str]:
        for name, value in environment.items():
            if not value.isprintable():
                raise ValueError(f"the value of {name} should be printable and on one line")
        return environment

    @field_validator("directives")
    @classmethod
    def _not_own(cls, directives: List[str]) -> List[str]:
        for directive in directives:
            name = re.split("[-]{2}|=", directive)[1]
            # sbatch takes the beginning of an option for the option
            if any(own.startswith(name) for own in _OWN):
                raise ValueError(f"--{name}: is set by other keys of this section, or by the batch script itself")
        return directives

    @model_validator(mode="after")
    def _consistent(self) -> "ClusterConfig":
        if self.gpu_type and not self.gpus:
            raise ValueError("gpu_type: needs gpus")
        if self.hours and self.save_seconds > self.hours * 1800:
            raise ValueError("save_seconds: should be at most half of hours")
        return self
