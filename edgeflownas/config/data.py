"""The data sets that a configuration can name."""

from typing import Dict, Tuple, Type, Union

from pydantic import Field
from typing_extensions import Annotated, Literal

from edgeflownas.config.section import Section
from edgeflownas.skeleton import STAGES

MULTIPLE = max(stage.scale for stage in STAGES)  # of the sides that the network takes
Side = Annotated[int, Field(ge=MULTIPLE)]


class _SizedData(Section):
    """Pairs of one size. Other sides than multiples of 16 are padded for the network, and cropped behind it."""

    height: Side = Field(64, description="pixels")
    width: Side = Field(96, description="pixels")

    @property
    def padded_size(self) -> Tuple[int, int]:
        """Height and width that the network works at."""
        return -(-self.height // MULTIPLE) * MULTIPLE, -(-self.width // MULTIPLE) * MULTIPLE


class ProceduralData(_SizedData):
    """Scenes drawn from a seed: nothing to download, flow exactly known."""

    kind: Literal["procedural"]
    seed: int = Field(0, ge=0, description="of the scenes")
    train_pairs: int = Field(4096, ge=1, description="training pairs")
    val_pairs: int = Field(64, ge=1, description="validation pairs")
    layers: int = Field(2, ge=0, le=16, description="at most so many moving things before the background")
    motion: float = Field(8.0, gt=0, description="typical displacement, pixels")


class FlyingChairs2Data(_SizedData):
    """Folders in FlyingChairs2's file names: NNNNNNN-img_0.png, NNNNNNN-img_1.png, NNNNNNN-flow_01.flo."""

    kind: Literal["flyingchairs2"]
    height: Side = Field(176, description="of the crop, pixels")
    width: Side = Field(240, description="of the crop, pixels")
    train_dir: str = Field(description="folder of the training pairs")
    val_dir: str = Field(description="folder of the validation pairs")
    flips: bool = Field(True, description="mirror training pairs at random, left-right and up-down")


DATA_KINDS: Dict[str, Type[Section]] = {"procedural": ProceduralData, "flyingchairs2": FlyingChairs2Data}
DataConfig = Annotated[Union[ProceduralData, FlyingChairs2Data], Field(discriminator="kind")]
