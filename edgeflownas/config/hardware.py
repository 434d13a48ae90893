"""Keys of the hardware: the board, the compiler, and the input on the board."""

from typing import Optional

from pydantic import Field, model_validator
from typing_extensions import Literal

from edgeflownas.config.data import DataConfig, Side
from edgeflownas.config.section import PathText, Section


class HardwareConfig(Section):
    """The board, and Arm's compiler Vela, which reports its speed and memory use."""

    board: PathText = Field("configs/hardware/grove_vision_ai_v2.yaml", description="File that describes the board.")
    table: PathText = Field(description="Cost table for this board, base width and image size. `cost build` writes it.")
    vela: Optional[PathText] = Field(
        None,
        description="Command that runs Vela. null means the `vela` command beside the running "
        "Python, or .venv-vela/bin/vela.",
    )
    vela_version: Literal["5.2.0", "3.8.0"] = Field(
        "5.2.0", description="Version of Vela. 3.8.0 is the last version for Python 3.7, and reports far more SRAM."
    )
    vela_timeout: float = Field(600.0, gt=0, description="Time limit of one compilation, in seconds.")
    compile_front: bool = Field(
        True,
        description="Whether to compile the front of every generation of a search. If false, "
        "its costs are predictions.",
    )


class DeployConfig(Section):
    """The input on the board, for which `queue collect` scores the retrained networks in int8 and compiles them.

    If this section is left out, it is the input of the training.
    """

    height: Optional[Side] = Field(
        None,
        description="Height of the input on the board, in pixels. Whole images are resized to `height` x `width`, and "
        "their flow is scaled accordingly. null means the height of the data set, whose pairs are then cropped as for "
        "validation.",
    )
    width: Optional[Side] = Field(None, description="Width of the input on the board, in pixels. Set with `height`.")
    data: Optional[DataConfig] = Field(
        None, description="Data set whose validation pairs are scored. null means the data set of the run."
    )
    pairs: int = Field(
        0,
        ge=0,
        description="Number of validation pairs that are scored. 0 means all or, without `data`, "
        "`evaluation.val_pairs`.",
    )
    calibration_pairs: int = Field(
        16,
        ge=1,
        description="Number of training pairs of the run on which the ranges of activations are measured for int8.",
    )
    trim: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Fraction of the calibration pairs that are left out, namely those with the largest predicted "
        "motion. Narrower ranges resolve small values better, but clip large ones.",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> "DeployConfig":
        if (self.height is None) != (self.width is None):
            raise ValueError("needs both height and width, or neither")
        return self
