"""Data sets that a configuration can name."""

from typing import Any, Dict, List, Optional, Tuple, Type, Union

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer
from typing_extensions import Annotated, Literal

from edgeflownas.config.section import PathText, Section

MULTIPLE = 16  # heights and widths of the network's input are multiples of it, which is its coarsest scale
Side = Annotated[int, Field(ge=MULTIPLE)]
Factor = Annotated[float, Field(gt=0, le=16)]


def pad_size(height: int, width: int) -> Tuple[int, int]:
    """Return height and width after padding for the network, in pixels."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE


class _SizedData(Section):
    """Data set of pairs of one size.

    Images whose sides are not multiples of 16 are padded for the network, and the predicted flow is cropped.
    """

    height: Side = Field(64, description="Height of the images, in pixels.")
    width: Side = Field(96, description="Width of the images, in pixels.")
    resize: Optional[List[Side]] = Field(
        None,
        min_length=2,
        max_length=2,
        description="Height and width to which images of `height` x `width` are resized, in pixels. The flow is scaled "
        "accordingly. null means that they are not resized.",
    )

    @model_serializer(mode="wrap")
    def _omit_null_resize(self, write: SerializerFunctionWrapHandler) -> Dict[str, Any]:
        """Return all keys but a null ``resize``, so that runs of versions without it can be resumed."""
        content: Dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name != "resize" or value is not None}

    @property
    def size(self) -> Tuple[int, int]:
        """Height and width of the pairs before padding, in pixels."""
        height, width = self.resize or (self.height, self.width)
        return height, width

    @property
    def padded_size(self) -> Tuple[int, int]:
        """Height and width after padding for the network, in pixels."""
        return pad_size(*self.size)


class ProceduralData(_SizedData):
    """Scenes drawn from a seed, with exact flow. Nothing has to be downloaded."""

    kind: Literal["procedural"]
    seed: int = Field(0, ge=0, description="Seed of the scenes.")
    train_pairs: int = Field(4096, ge=1, description="Number of training pairs.")
    val_pairs: int = Field(64, ge=1, description="Number of validation pairs.")
    layers: int = Field(2, ge=0, le=16, description="Largest number of moving objects in front of the background.")
    motion: float = Field(8.0, gt=0, description="Typical displacement, in pixels.")


class FlyingShapesData(_SizedData):
    """Scenes in the manner of FlyingChairs, drawn from a seed, with exact flow. Nothing has to be downloaded."""

    kind: Literal["flying_shapes"]
    seed: int = Field(0, ge=0, description="Seed of the scenes and textures.")
    train_pairs: int = Field(16384, ge=1, description="Number of training pairs.")
    val_pairs: int = Field(64, ge=1, description="Number of validation pairs.")
    objects: int = Field(3, ge=0, le=16, description="Largest number of moving objects in front of the background.")
    motion: float = Field(
        24.0,
        ge=1,
        description="Largest displacement of the background, in pixels. Displacements are drawn uniformly on a "
        "logarithmic scale, from 0.5 pixels. Objects move relative to the background by up to half as much.",
    )


class FileData(_SizedData):
    """Pairs in files, cropped to one size.

    Training pairs are augmented; every kind of augmentation has its own key. Validation pairs are only cropped, at
    their centre.
    """

    kind: str
    height: Side = Field(176, description="Height of the crop, in pixels.")
    width: Side = Field(240, description="Width of the crop, in pixels.")
    crop: bool = Field(
        True,
        description="Whether to crop training pairs at random positions. If false, they are cropped at the centre.",
    )
    scale: List[Factor] = Field(
        [1.0, 1.0],
        min_length=2,
        max_length=2,
        description="Lower and upper bound of the random factor by which training pairs are zoomed. "
        "[1, 1] means no zoom.",
    )
    flips: bool = Field(True, description="Whether to mirror training pairs at random, left-right and up-down.")
    colour: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Strength of the random changes of brightness, contrast, saturation and hue of "
        "training images. 0 means none.",
    )
    noise: float = Field(
        0.0,
        ge=0,
        le=255,
        description="Largest standard deviation of the noise that is added to training images, in "
        "grey levels. 0 means no noise.",
    )
    exclude: Optional[PathText] = Field(
        None,
        description="List of bad files, as written by `data check`. Pairs with these files are "
        "left out. null leaves nothing out.",
    )

    @field_validator("scale")
    @classmethod
    def _check_order(cls, scale: List[float]) -> List[float]:
        if scale[0] > scale[1]:
            raise ValueError("the lower bound comes first")
        return scale


class FlyingChairsData(FileData):
    """FlyingChairs (Dosovitskiy et al., ICCV 2015): FlyingChairs_release/data/NNNNN_img1.ppm, _img2.ppm, _flow.flo."""

    kind: Literal["flyingchairs"]
    root: PathText = Field(description="Folder that contains data/.")
    split: Optional[PathText] = Field(
        None,
        description="File that marks each pair with 1 (training) or 2 (validation). null means "
        "FlyingChairs_train_val.txt in `root`.",
    )


class FlyingChairs2Data(FileData):
    """FlyingChairs2: folders with NNNNNNN-img_0.png, NNNNNNN-img_1.png and NNNNNNN-flow_01.flo."""

    kind: Literal["flyingchairs2"]
    train_dir: PathText = Field(description="Folder of the training pairs.")
    val_dir: PathText = Field(description="Folder of the validation pairs.")


Pass = Literal["clean", "final"]
_PASSES = "Rendering passes to use."


class FlyingThings3DData(FileData):
    """FlyingThings3D (Mayer et al., CVPR 2016). TRAIN is used for training, TEST for validation."""

    kind: Literal["flyingthings3d"]
    root: PathText = Field(description="Folder that contains frames_cleanpass/, frames_finalpass/ and optical_flow/.")
    passes: List[Pass] = Field(["clean", "final"], min_length=1, description=_PASSES)
    cameras: List[Literal["left", "right"]] = Field(["left", "right"], min_length=1, description="Cameras to use.")
    directions: List[Literal["into_future", "into_past"]] = Field(
        ["into_future", "into_past"], min_length=1, description="Temporal directions of the flow to use."
    )


class SintelData(FileData):
    """MPI-Sintel (Butler et al., ECCV 2012), the sequences with ground truth."""

    kind: Literal["sintel"]
    root: PathText = Field(description="Folder that contains training/.")
    passes: List[Pass] = Field(["clean", "final"], min_length=1, description=_PASSES)
    val_scenes: List[str] = Field(
        [],
        description="Scenes for validation. All other scenes are for training. [] means that all "
        "scenes are for validation.",
    )


class _UnsplitData(FileData):
    """Data set without an official split."""

    root: PathText
    val_every: int = Field(
        1,
        ge=1,
        description="Spacing of the validation pairs: every `val_every`-th pair of the complete data "
        "set is for validation, and all others are for training. 1 means that all pairs are for "
        "validation.",
    )


class KittiData(_UnsplitData):
    """KITTI 2012 (Geiger et al., CVPR 2012) and 2015 (Menze & Geiger, CVPR 2015), with sparse flow."""

    kind: Literal["kitti2012", "kitti2015"]
    root: PathText = Field(description="Folder that contains training/.")
    flow: Literal["occ", "noc"] = Field(
        "occ", description="Ground truth to use, with occluded pixels (occ) or without them (noc)."
    )


class MiddleburyData(_UnsplitData):
    """Middlebury (Baker et al., IJCV 2011), the sequences with public ground truth."""

    kind: Literal["middlebury"]
    root: PathText = Field(description="Folder that contains other-data/ and other-gt-flow/.")


class ListData(FileData):
    """Text files that list pairs.

    Each line names the first image, the second image and the flow (.flo, .pfm or a KITTI .png). The masks of invalid
    and of occluded pixels may follow; `-` means no mask. Paths are relative to the folder of the list.
    """

    kind: Literal["list"]
    train_list: Optional[PathText] = Field(
        None, description="List of the training pairs. null means that there are none."
    )
    val_list: PathText = Field(description="List of the validation pairs.")


DATA_KINDS: Dict[str, Type[Section]] = {
    "procedural": ProceduralData,
    "flying_shapes": FlyingShapesData,
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
        FlyingShapesData,
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
    """File that names only a data set, for `evaluate --data`."""

    data: DataConfig
