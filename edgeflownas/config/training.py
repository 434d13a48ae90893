"""Keys of training: of a supernet, of one architecture, and of its stages."""

from typing import Any, Dict, List, Optional, Union

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.data import DataConfig
from edgeflownas.config.section import Section


class TrainConfig(Section):
    """Training of a supernet, in which a step is a fair cycle, or of one architecture."""

    epochs: int = Field(200, ge=1, description="Number of passes over the training pairs.")
    batch_size: int = Field(8, ge=1, description="Number of pairs per step.")
    accumulation: int = Field(
        1,
        ge=1,
        description="Number of equal parts of a batch that are computed one after another. Their gradients are "
        "averaged before the weights change, so a step needs the memory of one part. BN uses the statistics of a part.",
    )
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate. It decays to 0 along a cosine.")
    warmup_steps: int = Field(
        0, ge=0, description="Number of steps over which the learning rate rises from 0 to its peak."
    )
    weight_decay: float = Field(4e-5, ge=0, description="Decoupled weight decay of the convolution kernels.")
    clip_norm: float = Field(
        10.0, gt=0, description="Largest global norm of the gradient. A larger gradient is scaled down to it."
    )
    uncertainty_from: float = Field(
        0.5, ge=0, le=1, description="Fraction of the steps after which the uncertainty loss is added to the L1 loss."
    )
    patience: int = Field(
        0,
        ge=0,
        description="Number of epochs without a better EPE after which training stops "
        "early. 0 disables early stopping.",
    )
    keep_every: int = Field(
        0, ge=0, description="Number of epochs between two sets of weights that are kept for `rank`. 0 keeps none."
    )
    devices: Optional[List[Annotated[int, Field(ge=0)]]] = Field(
        None,
        description="Numbers of the GPUs to train on. [] means the CPU; null means the first GPU, or "
        "the CPU if there is no GPU.",
    )

    @field_validator("devices")
    @classmethod
    def _check_unique(cls, devices: Optional[List[int]]) -> Optional[List[int]]:
        if devices is not None and len(set(devices)) != len(devices):
            raise ValueError("should name every GPU only once")
        return devices

    @model_validator(mode="after")
    def _check_parts(self) -> "TrainConfig":
        if self.batch_size % self.accumulation:
            raise ValueError(f"accumulation: should divide batch_size, which is {self.batch_size}")
        return self

    @property
    def part_size(self) -> int:
        """Number of pairs that are computed at once."""
        return self.batch_size // self.accumulation

    @property
    def recipe(self) -> Dict[str, Any]:
        """Settings that affect the trained weights. Training can only be resumed with the same settings.

        An accumulation of 1 is omitted, so that training runs of versions without it can be resumed.
        """
        omitted = {"patience", "keep_every", "devices"} | ({"accumulation"} if self.accumulation == 1 else set())
        return self.model_dump(exclude=omitted)


class SupernetTrainConfig(TrainConfig):
    """Training of the supernet."""

    sampling: Literal["strict", "uniform"] = Field(
        "strict",
        description="Architectures (paths) that a step trains. strict: a fair cycle, in which every "
        "option occurs exactly once (FairNAS). uniform: one random path, for comparison.",
    )

    @property
    def recipe(self) -> Dict[str, Any]:
        """Settings that affect the trained weights.

        Strict sampling is omitted, so that training runs that do not record it can be resumed: it was the only sampling
        before ``sampling`` existed.
        """
        recipe = super().recipe
        return recipe if self.sampling != "strict" else {k: v for k, v in recipe.items() if k != "sampling"}


class StageConfig(TrainConfig):
    """One stage of multi-stage training. A stage begins with the best weights of the previous stage."""

    data: Optional[DataConfig] = Field(None, description="Data set of the stage. null means the data set of the run.")


FORMS = ("one stage", "stages")  # of a recipe


def _find_form(recipe: Any) -> str:
    return FORMS[isinstance(recipe, list)]


Recipe = Annotated[
    Union[Annotated[TrainConfig, Tag(FORMS[0])], Annotated[List[StageConfig], Field(min_length=1), Tag(FORMS[1])]],
    Discriminator(_find_form),
]
