"""The data sets that a configuration can name."""

from typing import Dict, List, Optional, Tuple, Type, Union

from pydantic import Field, field_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.section import Section
from edgeflownas.network.skeleton import STAGES

MULTIPLE = max(stage.scale for stage in STAGES)  # of the sides that the network takes
Side = Annotated[int, Field(ge=MULTIPLE)]
Factor = Annotated[float, Field(gt=0, le=16)]


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


class FileData(_SizedData):
    """Pairs in files. Crops of one size are taken from them; training pairs are augmented, each way on its own switch.

    Validation pairs are cropped at their centre, and nothing else.
    """

    kind: str
    height: Side = Field(176, description="of the crop, pixels")
    width: Side = Field(240, description="of the crop, pixels")
    crop: bool = Field(True, description="crop training pairs at random places; false: at the centre")
    scale: List[Factor] = Field(
        [1.0, 1.0], min_length=2, max_length=2, description="bounds of the random zoom of training pairs; [1, 1]: none"
    )
    flips: bool = Field(True, description="mirror training pairs at random, left-right and up-down")
    colour: float = Field(0.0, ge=0, lt=1, description="strength of random changes of training colours; 0: none")
    noise: float = Field(
        0.0, ge=0, le=255, description="largest standard deviation of noise in training images, of 255; 0: none"
    )
    exclude: Optional[str] = Field(None, description="list of bad files, from `data check`, to leave out")

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: List[float]) -> List[float]:
        if scale[0] > scale[1]:
            raise ValueError("the lower bound stands first")
        return scale


class FlyingChairsData(FileData):
    """FlyingChairs (Dosovitskiy et al., ICCV 2015): FlyingChairs_release/data/NNNNN_img1.ppm, _img2.ppm, _flow.flo."""

    kind: Literal["flyingchairs"]
    root: str = Field(description="folder that holds data/")
    split: Optional[str] = Field(
        None, description="1 (train) or 2 (validation) for each pair; null: FlyingChairs_train_val.txt in root"
    )


class FlyingChairs2Data(FileData):
    """Folders in FlyingChairs2's file names: NNNNNNN-img_0.png, NNNNNNN-img_1.png, NNNNNNN-flow_01.flo."""

    kind: Literal["flyingchairs2"]
    train_dir: str = Field(description="folder of the training pairs")
    val_dir: str = Field(description="folder of the validation pairs")


Pass = Literal["clean", "final"]


class FlyingThings3DData(FileData):
    """FlyingThings3D (Mayer et al., CVPR 2016): trained on TRAIN, validated on TEST."""

    kind: Literal["flyingthings3d"]
    root: str = Field(description="folder that holds frames_cleanpass/, frames_finalpass/ and optical_flow/")
    passes: List[Pass] = Field(["clean", "final"], min_length=1)
    cameras: List[Literal["left", "right"]] = Field(["left", "right"], min_length=1)
    directions: List[Literal["into_future", "into_past"]] = Field(["into_future", "into_past"], min_length=1)


class SintelData(FileData):
    """MPI-Sintel (Butler et al., ECCV 2012), the sequences with ground truth."""

    kind: Literal["sintel"]
    root: str = Field(description="folder that holds training/")
    passes: List[Pass] = Field(["clean", "final"], min_length=1)
    val_scenes: List[str] = Field(
        [], description="scenes to validate on, the others are trained on; []: all are for validation"
    )


class _UnsplitData(FileData):
    """A data set without a split of its own."""

    root: str
    val_every: int = Field(
        1, ge=1, description="every so-many-th pair is for validation, the others are trained on; 1: all are"
    )


class KittiData(_UnsplitData):
    """KITTI 2012 (Geiger et al., CVPR 2012) and 2015 (Menze & Geiger, CVPR 2015): sparse flow."""

    kind: Literal["kitti2012", "kitti2015"]
    root: str = Field(description="folder that holds training/")
    flow: Literal["occ", "noc"] = Field("occ", description="with occluded pixels, or without")


class MiddleburyData(_UnsplitData):
    """Middlebury (Baker et al., IJCV 2011), the sequences with public ground truth."""

    kind: Literal["middlebury"]
    root: str = Field(description="folder that holds other-data/ and other-gt-flow/")


class ListData(FileData):
    """Files that list pairs: on each line image, image and flow (.flo, .pfm, KITTI's .png), from the list's folder."""

    kind: Literal["list"]
    train_list: Optional[str] = Field(None, description="file that lists the training pairs; null: there are none")
    val_list: str = Field(description="file that lists the validation pairs")


DATA_KINDS: Dict[str, Type[Section]] = {
    "procedural": ProceduralData,
    "flyingchairs": FlyingChairsData,
    "flyingchairs2": FlyingChairs2Data,
    "flyingthings3d": FlyingThings3DData,
    "sintel": SintelData,
    "kitti2012": KittiData,
    "kitti2015": KittiData,
    "middlebury": MiddleburyData,
    "list": ListData,
}
DataConfig = Annotated[
    Union[
        ProceduralData,
        FlyingChairsData,
        FlyingChairs2Data,
        FlyingThings3DData,
        SintelData,
        KittiData,
        MiddleburyData,
        ListData,
    ],
    Field(discriminator="kind"),
]


class DataFile(Section):
    """A file that names a data set and nothing else, for `evaluate --data`."""

    data: DataConfig
