"""The bilinear EdgeFlowNet as data: its stages in order, and what each of their options is made of.

Everything that has to agree on the network reads it from here: the search space, the child network, the
supernet, the tree evaluator, the exporter, and the counts of parameters and multiply-accumulates. A stage with
one option is a fixed part; a stage with several is a *choice block*, and its name is a *gene*. To add an option
or a gene, change ``STAGES``.

Reference: EdgeFlowNet (Raju et al., RA-L 2024); transposed convolutions are replaced by bilinear upsampling.
"""

import enum
import hashlib
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

IMAGE_CHANNELS = 6  # two RGB frames, stacked
FLOW_CHANNELS = 4  # u, v, and an uncertainty for each


class Kind(enum.Enum):
    """How a stage computes; what its options count."""

    CONV = "conv"  # convolution, BN, ReLU; options are kernel sizes
    RESIDUAL = "residual"  # residual blocks; options are numbers of blocks
    UP = "up"  # bilinear x2, convolution, BN, ReLU; options are kernel sizes
    FLOW = "flow"  # convolution with bias to flow and uncertainty; options are kernel sizes


@dataclass(frozen=True)
class Stage:
    """One place of the network.

    Attributes:
        name: of the stage, and of its gene where it has several options.
        kind: how it computes.
        scale: its output is 1/scale of the input's height and width.
        width: its output channels in half base widths (c/2); unused by flow stages.
        options: kernel sizes or numbers of blocks, from light to heavy.
        stride: of its convolution.
    """

    name: str
    kind: Kind
    scale: int
    width: int
    options: Tuple[int, ...]
    stride: int = 1


@dataclass(frozen=True)
class Convolution:
    """One convolution of a stage: kernel, channels, stride, and the BN behind it (None: a bias instead).

    It may double its input first, bilinearly.
    """

    name: str
    kernel: int
    inputs: int
    outputs: int
    stride: int
    norm: Optional[str]
    upsamples: bool = False

    @property
    def parameters(self) -> Dict[str, Tuple[int, ...]]:
        """Shape of each trainable tensor, by name."""
        shapes: Dict[str, Tuple[int, ...]] = {
            self.name + "/kernel": (self.kernel, self.kernel, self.inputs, self.outputs)
        }
        if self.norm is None:
            shapes[self.name + "/bias"] = (self.outputs,)
        else:
            shapes[self.norm + "/gamma"] = (self.outputs,)
            shapes[self.norm + "/beta"] = (self.outputs,)
        return shapes


STAGES: Tuple[Stage, ...] = (
    Stage("E0", Kind.CONV, scale=2, width=2, options=(7,), stride=2),
    Stage("E1", Kind.CONV, scale=4, width=4, options=(5,), stride=2),
    Stage("EB0", Kind.RESIDUAL, scale=4, width=4, options=(1, 2, 3)),
    Stage("Down1", Kind.CONV, scale=8, width=8, options=(3,), stride=2),
    Stage("EB1", Kind.RESIDUAL, scale=8, width=8, options=(1, 2, 3)),
    Stage("Down2", Kind.CONV, scale=16, width=16, options=(3,), stride=2),
    Stage("DB0", Kind.RESIDUAL, scale=16, width=16, options=(1, 2, 3)),
    Stage("Up1", Kind.UP, scale=8, width=8, options=(3,)),
    Stage("DB1", Kind.RESIDUAL, scale=8, width=8, options=(1, 2, 3)),
    Stage("Up2", Kind.UP, scale=4, width=4, options=(3,)),
    Stage("H0Out", Kind.FLOW, scale=4, width=0, options=(3, 5, 7)),
    Stage("H1", Kind.UP, scale=2, width=2, options=(3, 5, 7)),
    Stage("H1Out", Kind.FLOW, scale=2, width=0, options=(3, 5, 7)),
    Stage("H2", Kind.UP, scale=1, width=1, options=(3, 5, 7)),
    Stage("H2Out", Kind.FLOW, scale=1, width=0, options=(3, 5, 7)),
)


class Skeleton:
    """The stages at one base width: every option's convolutions, parameters and arithmetic."""

    def __init__(self, width: int, stages: Sequence[Stage] = STAGES) -> None:
        """Lays out the network.

        Args:
            width: base width c, even.
            stages: in the order in which they run.

        Raises:
            ValueError: the width is odd or not positive.
        """
        if width < 2 or width % 2:
            raise ValueError(f"base width {width}: must be an even number from 2 up")
        self.width = width
        self.stages = tuple(stages)
        self._inputs: Dict[str, int] = {}
        channels = IMAGE_CHANNELS
        for stage in self.stages:
            self._inputs[stage.name] = channels
            if stage.kind is not Kind.FLOW:
                channels = self.channels(stage)

    @property
    def choice_blocks(self) -> Tuple[Stage, ...]:
        """The stages with more than one option, in order: the genes."""
        return tuple(stage for stage in self.stages if len(stage.options) > 1)

    @property
    def multiple(self) -> int:
        """Heights and widths of the input must be multiples of this."""
        return max(stage.scale for stage in self.stages)

    def channels(self, stage: Stage) -> int:
        """Output channels of a stage."""
        return FLOW_CHANNELS if stage.kind is Kind.FLOW else stage.width * self.width // 2

    def inputs(self, stage: Stage) -> int:
        """Input channels of a stage."""
        return self._inputs[stage.name]

    def convolutions(self, stage: Stage, option: int) -> List[Convolution]:
        """The convolutions of a stage's option, in the order in which they run.

        Each option owns its kernels. A residual option owns its BN as well; the BN behind a choice of kernels is
        shared by them.
        """
        scope = f"{stage.name}/{option}"
        inputs, outputs = self.inputs(stage), self.channels(stage)
        if stage.kind is Kind.RESIDUAL:
            return [
                Convolution(f"{scope}/block{block}/conv{i}", 3, inputs, outputs, 1, f"{scope}/block{block}/bn{i}")
                for block in range(stage.options[option])
                for i in range(2)
            ]
        norm = None if stage.kind is Kind.FLOW else f"{stage.name}/bn"
        upsamples = stage.kind is Kind.UP
        return [Convolution(scope, stage.options[option], inputs, outputs, stage.stride, norm, upsamples)]

    def route(self, architecture: Sequence[int]) -> Iterator[Tuple[Stage, int]]:
        """Each stage with the option that an architecture takes there, in order."""
        genes = iter(architecture)
        for stage in self.stages:
            yield stage, next(genes) if len(stage.options) > 1 else 0

    def parameters(self, architecture: Optional[Sequence[int]] = None) -> Dict[str, Tuple[int, ...]]:
        """Shape of each trainable tensor by name: of one architecture, or of the whole supernet (None)."""
        if architecture is None:
            taken = [(stage, option) for stage in self.stages for option in range(len(stage.options))]
        else:
            taken = list(self.route(architecture))
        shapes: Dict[str, Tuple[int, ...]] = {}
        for stage, option in taken:
            for convolution in self.convolutions(stage, option):
                shapes.update(convolution.parameters)
        return shapes

    def find_mismatch(
        self, tensors: Mapping[str, np.ndarray], architecture: Optional[Sequence[int]] = None
    ) -> Optional[str]:
        """The first parameter that tensors lack or hold in another shape; None if they fit. See ``parameters``."""
        for name, shape in self.parameters(architecture).items():
            if name not in tensors or tensors[name].shape != shape:
                return name
        return None

    def macs(self, architecture: Sequence[int], height: int, width: int) -> int:
        """Multiply-accumulates of an architecture's convolutions on one pair of height x width pixels."""
        return sum(
            self.stage_macs(stage, option, height, width) for stage, option in self.route(architecture)
        )

    def stage_macs(self, stage: Stage, option: int, height: int, width: int) -> int:
        """Multiply-accumulates of a stage's option on one pair of height x width pixels."""
        pixels = (height // stage.scale) * (width // stage.scale)
        return sum(
            pixels * convolution.kernel ** 2 * convolution.inputs * convolution.outputs
            for convolution in self.convolutions(stage, option)
        )

    def digest(self) -> str:
        """SHA-256 of the definition: two skeletons with one digest have the same space, layers and names."""
        lines = [repr(self.width)] + [repr(stage) for stage in self.stages]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
