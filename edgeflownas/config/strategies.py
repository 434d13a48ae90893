"""Keys of the strategies besides the one-shot search."""

from typing import List, Optional

from pydantic import Field
from typing_extensions import Annotated

from edgeflownas.config.section import Digits, Section


class StagedConfig(Section):
    """The strategy ``staged``, which trains backbones, then heads, then both together."""

    template: Optional[Digits] = Field(
        None,
        description="Heads with which the backbones are trained, one digit per gene. null "
        "means the lightest heads, all 3x3.",
    )
    backbones: int = Field(9, ge=1, description="Number of backbones to keep after the first stage.")
    heads: int = Field(27, ge=1, description="Number of heads to keep after the second stage.")
    epochs: Optional[List[Annotated[int, Field(ge=1)]]] = Field(
        None, min_length=3, max_length=3, description="Epochs of the three stages. null divides `train.epochs` evenly."
    )
    fine_tuning: float = Field(
        0.3, gt=0, le=1, description="Learning rate of the last stage, as a fraction of `train.learning_rate`."
    )

    def epochs_of(self, stage: int, total: int) -> int:
        """Return the number of epochs of a stage.

        Args:
            stage: Number of the stage, from 0.
            total: Number of epochs to divide among the stages if ``epochs`` is not given.
        """
        return max(1, (total + 2 - stage) // 3) if self.epochs is None else self.epochs[stage]


class IndependentConfig(Section):
    """The strategy ``independent``, which trains a sample of architectures one by one, as set in ``queue.train``."""

    size: int = Field(
        36,
        ge=1,
        description="Number of architectures in the sample. It must be a multiple of "
        "three, the number of architectures (paths) that a fair cycle trains.",
    )
    architectures: List[Digits] = Field([], description="Architectures to train instead of a fair sample.")
