"""Keys of retraining: the queue, and each architecture in it."""

from typing import List, TypeVar

from pydantic import Field, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.data import DataConfig
from edgeflownas.config.network import DEFAULT_SPACE, NetworkConfig
from edgeflownas.config.scoring import EvaluationConfig
from edgeflownas.config.section import Digits, PathText, Section
from edgeflownas.config.training import Recipe, TrainConfig

Child = TypeVar("Child", bound="ChildConfig")


class ChildConfig(Section):
    """All settings of the training of one architecture."""

    architecture: Digits = Field(description="Architecture to train, one digit per gene.")
    seed: int = Field(ge=0, description="Seed of the order of the data, and of random initial weights.")
    threads: int = Field(ge=1, description="Number of CPU threads of TensorFlow.")
    space: PathText = Field(DEFAULT_SPACE, description="Search space, as in the configuration of a run.")
    network: NetworkConfig
    data: DataConfig
    train: Recipe
    evaluation: EvaluationConfig

    @property
    def stages(self) -> List["ChildConfig"]:
        """Settings of each stage, in the order in which the stages run."""
        if isinstance(self.train, TrainConfig):
            return [self]
        return [
            self.model_copy(
                update={
                    "train": TrainConfig(**stage.model_dump(exclude={"data"})),
                    "data": stage.data or self.data,
                }
            )
            for stage in self.train
        ]

    def with_devices(self: Child, devices: List[int]) -> Child:
        """Return a copy that trains on different GPUs, given as in ``TrainConfig.devices``."""
        if isinstance(self.train, TrainConfig):
            return self.model_copy(update={"train": self.train.model_copy(update={"devices": devices})})
        stages = [stage.model_copy(update={"devices": devices}) for stage in self.train]
        return self.model_copy(update={"train": stages})

    @property
    def epochs(self) -> int:
        """Total number of epochs of all stages."""
        if isinstance(self.train, TrainConfig):
            return self.train.epochs
        return sum(stage.epochs for stage in self.train)


class QueueConfig(Section):
    """Retraining of architectures from the front."""

    size: int = Field(
        4, ge=1, description="Number of architectures to retrain. The rules fps_targets and list ignore it."
    )
    rule: Literal["spread", "knee", "hypervolume", "fps_targets", "list"] = Field(
        "spread",
        description="Rule that selects the architectures. spread: evenly spaced along the front. "
        "knee: the most pronounced knees of the front. hypervolume: those with the largest joint "
        "hypervolume. fps_targets: the best EPE at each frame rate in `fps_targets`. list: those in "
        "`architectures`.",
    )
    fps_targets: List[Annotated[float, Field(gt=0)]] = Field(
        [], description="Frame rates for the rule fps_targets, which selects the best EPE at or above each of them."
    )
    architectures: List[Digits] = Field(
        [], description="Architectures for the rule list. They need not be on the front."
    )
    warm_start: bool = Field(
        True, description="Whether to start from the weights of the supernet. If false, training starts from scratch."
    )
    attempts: int = Field(2, ge=1, description="Number of crashes after which a task is not tried again.")
    train: Recipe = Field(
        TrainConfig(),
        description="Training recipe applied to each architecture, or a list of recipes for consecutive stages.",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> "QueueConfig":
        for rule, key in (("fps_targets", "fps_targets"), ("list", "architectures")):
            if self.rule == rule and not getattr(self, key):
                raise ValueError(f"rule {rule}: needs {key}")
        return self
