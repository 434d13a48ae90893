"""The operations that the stages of a network consist of, and the convolutions that each of them needs."""

import dataclasses
import enum
from dataclasses import dataclass
from typing import ClassVar, Dict, List, NamedTuple, Optional, Tuple

from edgeflownas.wording import format_count

FLOW_CHANNELS = 4  # u, v, and an uncertainty for each


class Method(enum.Enum):
    """How a kernel is applied."""

    DIRECT = "direct"
    UPSAMPLED = "upsampled"  # to the map, upsampled bilinearly by 2
    TRANSPOSED = "transposed"
    DEPTHWISE = "depthwise"  # to each channel by itself
    ACROSS_CHANNELS = "across channels"  # along the channels of pooled features


@dataclass(frozen=True)
class Convolution:
    """One convolution of an operation.

    Attributes:
        name: Name, and prefix of the names of its tensors.
        kernel: Height and width of the kernel.
        inputs: Number of input channels.
        outputs: Number of output channels.
        norm: Name of the BN that follows; if None, a bias instead.
        scale: Ratio of the image's height and width to those of the map on which the kernel is placed; None for pooled
            features. This map is the output, or the input of a transposed convolution.
        stride: Stride along both axes.
        dilation: Distance between the taps of the kernel.
        method: How the kernel is applied.
    """

    name: str
    kernel: int
    inputs: int
    outputs: int
    norm: Optional[str]
    scale: Optional[int]
    stride: int = 1
    dilation: int = 1
    method: Method = Method.DIRECT

    @property
    def kernel_shape(self) -> Tuple[int, ...]:
        """Shape of the kernel: height, width, input channels and output channels."""
        if self.method is Method.DEPTHWISE:
            return (self.kernel, self.kernel, self.inputs, 1)
        if self.method is Method.ACROSS_CHANNELS:
            return (self.kernel, 1, 1, 1)
        return (self.kernel, self.kernel, self.inputs, self.outputs)

    @property
    def parameters(self) -> Dict[str, Tuple[int, ...]]:
        """Shapes of the trainable tensors by name."""
        shapes = {self.name + "/kernel": self.kernel_shape}
        if self.norm is None:
            shapes[self.name + "/bias"] = (1 if self.method is Method.ACROSS_CHANNELS else self.outputs,)
        else:
            shapes[self.norm + "/gamma"] = (self.outputs,)
            shapes[self.norm + "/beta"] = (self.outputs,)
        return shapes

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-accumulates on images of height x width pixels."""
        if self.method is Method.ACROSS_CHANNELS:
            return self.kernel * self.outputs
        pixels = 1 if self.scale is None else (height // self.scale) * (width // self.scale)
        channels = self.outputs if self.method is Method.DEPTHWISE else self.inputs * self.outputs
        return pixels * self.kernel**2 * channels


class Place(NamedTuple):
    """The place of an operation in a network.

    Attributes:
        name: Prefix of the names of its tensors.
        scale: Ratio of the image's height and width to those of the operation's input.
        inputs: Number of input channels.
        outputs: Number of output channels.
        norm: Name of the BN that follows the last convolution.
    """

    name: str
    scale: int
    inputs: int
    outputs: int
    norm: str


class Operation:
    """Base class of operations, which are frozen data classes.

    Attributes:
        kind: Name of the operation in the files of spaces.
        label: Short name with its parameters, such as "3x3".
    """

    kind: ClassVar[str]

    @property
    def label(self) -> str:
        """Short name with the parameters, such as "3x3"."""
        raise NotImplementedError

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the convolutions at a place, in the order in which they run."""
        raise NotImplementedError

    def rescale(self, scale: int) -> int:
        """Return the scale of the output for that of the input; 0 if the output would be larger than the image."""
        return scale

    def describe(self) -> str:
        """Return the operation with those parameters that differ from their defaults, such as "conv(kernel=3)"."""
        values = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type] # each subclass is a data class
            if getattr(self, field.name) != field.default
        ]
        return f"{self.kind}({', '.join(values)})"


@dataclass(frozen=True)
class Conv(Operation):
    """Convolution, BN and ReLU; if plain, a convolution with a bias only."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    plain: bool = False
    kind: ClassVar[str] = "conv"

    @property
    def label(self) -> str:
        """Size of the kernel, and its dilation."""
        return f"{self.kernel}x{self.kernel}" + (f" dilated by {self.dilation}" if self.dilation > 1 else "")

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the one convolution."""
        norm, scale = None if self.plain else place.norm, self.rescale(place.scale)
        return [
            Convolution(
                place.name, self.kernel, place.inputs, place.outputs, norm, scale, self.stride, self.dilation
            )
        ]

    def rescale(self, scale: int) -> int:
        """Return the scale of the output."""
        return scale * self.stride


@dataclass(frozen=True)
class Separable(Operation):
    """Depthwise convolution and 1x1 convolution, each with BN and ReLU."""

    kernel: int
    stride: int = 1
    kind: ClassVar[str] = "separable"

    @property
    def label(self) -> str:
        """Size of the kernel."""
        return f"{self.kernel}x{self.kernel} separable"

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the depthwise and the 1x1 convolution."""
        depthwise, scale = f"{place.name}/depthwise", self.rescale(place.scale)
        return [
            Convolution(
                depthwise, self.kernel, place.inputs, place.inputs, f"{depthwise}/bn", scale, self.stride,
                method=Method.DEPTHWISE,
            ),
            Convolution(f"{place.name}/pointwise", 1, place.inputs, place.outputs, place.norm, scale),
        ]  # fmt: skip

    def rescale(self, scale: int) -> int:
        """Return the scale of the output."""
        return scale * self.stride


@dataclass(frozen=True)
class Transposed(Operation):
    """Transposed convolution, BN and ReLU; if plain, a transposed convolution with a bias only."""

    kernel: int
    stride: int = 2
    plain: bool = False
    kind: ClassVar[str] = "transposed"

    @property
    def label(self) -> str:
        """Size of the kernel."""
        return f"{self.kernel}x{self.kernel} transposed"

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the one convolution."""
        norm = None if self.plain else place.norm
        return [
            Convolution(
                place.name, self.kernel, place.inputs, place.outputs, norm, place.scale, self.stride,
                method=Method.TRANSPOSED,
            )
        ]  # fmt: skip

    def rescale(self, scale: int) -> int:
        """Return the scale of the output."""
        return scale // self.stride


@dataclass(frozen=True)
class Upsample(Operation):
    """Bilinear upsampling by 2, convolution, BN and ReLU."""

    kernel: int
    kind: ClassVar[str] = "upsample"

    @property
    def label(self) -> str:
        """Size of the kernel."""
        return f"{self.kernel}x{self.kernel}"

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the one convolution."""
        scale = self.rescale(place.scale)
        return [
            Convolution(
                place.name, self.kernel, place.inputs, place.outputs, place.norm, scale, method=Method.UPSAMPLED
            )
        ]

    def rescale(self, scale: int) -> int:
        """Return the scale of the output."""
        return scale // 2


@dataclass(frozen=True)
class Residual(Operation):
    """Residual blocks of two 3x3 convolutions, possibly transposed ones, with BN and ReLU."""

    blocks: int
    transposed: bool = False
    kind: ClassVar[str] = "residual"

    @property
    def label(self) -> str:
        """Number of blocks."""
        return format_count(self.blocks, "transposed block" if self.transposed else "block")

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the two convolutions of each block; each has its own BN."""
        method = Method.TRANSPOSED if self.transposed else Method.DIRECT
        return [
            Convolution(
                f"{place.name}/block{block}/conv{i}", 3, place.inputs, place.outputs,
                f"{place.name}/block{block}/bn{i}", place.scale, method=method,
            )
            for block in range(self.blocks)
            for i in range(2)
        ]  # fmt: skip


@dataclass(frozen=True)
class Flow(Operation):
    """Convolution with a bias to flow and uncertainty, possibly a transposed one."""

    kernel: int
    transposed: bool = False
    kind: ClassVar[str] = "flow"

    @property
    def label(self) -> str:
        """Size of the kernel."""
        return f"{self.kernel}x{self.kernel}" + (" transposed" if self.transposed else "")

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the one convolution."""
        method = Method.TRANSPOSED if self.transposed else Method.DIRECT
        return [Convolution(place.name, self.kernel, place.inputs, FLOW_CHANNELS, None, place.scale, method=method)]


@dataclass(frozen=True)
class ChannelAttention(Operation):
    """Efficient channel attention (Wang et al., CVPR 2020).

    Channels are scaled by the sigmoid of a 1-D convolution along their means over the map.
    """

    kernel: int = 3
    kind: ClassVar[str] = "channel_attention"

    @property
    def label(self) -> str:
        """Name, and the number of channels that determine a factor."""
        return f"channel attention over {self.kernel}"

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the convolution along the channels."""
        return [
            Convolution(
                place.name, self.kernel, place.inputs, place.outputs, None, None, method=Method.ACROSS_CHANNELS
            )
        ]


@dataclass(frozen=True)
class Gate(Operation):
    """Gate: channels are scaled by the sigmoid of a 1x1 convolution of the pooled features of an earlier stage.

    Attributes:
        source: Name of the earlier stage.
    """

    source: str
    kind: ClassVar[str] = "gate"

    @property
    def label(self) -> str:
        """Name, and the stage that controls the gate."""
        return f"gate from {self.source}"

    def convolutions(self, place: Place) -> List[Convolution]:
        """Return the 1x1 convolution; the place's number of inputs is that of the controlling stage."""
        return [Convolution(place.name, 1, place.inputs, place.outputs, None, None)]


Option = Tuple[Operation, ...]  # operations that run one after the other
