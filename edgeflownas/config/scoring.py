"""Keys of scoring: the pairs, and the workers that compute the scores."""

from typing import List, Optional

from pydantic import Field, model_validator
from typing_extensions import Annotated

from edgeflownas.config.section import Section


class EvaluationConfig(Section):
    """How architectures are scored."""

    calibration_pairs: int = Field(
        64,
        ge=1,
        description="Number of training pairs from which BN statistics are recomputed "
        "before an architecture is scored. The data set must have at least this many.",
    )
    calibration_batch: int = Field(32, ge=1, description="Number of pairs per batch when BN statistics are recomputed.")
    val_pairs: int = Field(
        0,
        ge=0,
        description="Number of validation pairs on which architectures are scored. The data "
        "set must have at least this many. 0 means all.",
    )
    batch_size: int = Field(32, ge=1, description="Number of validation pairs per batch.")


class ScoringConfig(EvaluationConfig):
    """How architectures are scored, and by which workers. Scores do not depend on the workers."""

    workers: int = Field(
        1,
        ge=1,
        description="Number of worker processes on this machine. 1 means that the command itself computes the scores.",
    )
    devices: List[Annotated[int, Field(ge=0)]] = Field(
        [], description="Numbers of the GPUs to score on, with at least one worker each. [] means the CPU."
    )
    scheduler: Optional[str] = Field(
        None,
        pattern=r"^tcp://[^/\s]+:[0-9]+$",
        description="Address of a Dask scheduler. Its workers then compute the "
        "scores, instead of workers on this machine.",
    )

    @property
    def processes(self) -> int:
        """Number of workers on this machine."""
        return max(self.workers, len(self.devices))

    @property
    def rules(self) -> EvaluationConfig:
        """Settings that affect the scores."""
        return EvaluationConfig(**self.model_dump(include=set(EvaluationConfig.model_fields)))

    @model_validator(mode="after")
    def _check_consistency(self) -> "ScoringConfig":
        if self.scheduler is not None and (self.workers > 1 or self.devices):
            raise ValueError("scheduler: the cluster has its own workers and devices; leave out workers and devices")
        return self
