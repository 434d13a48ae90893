"""The bilinear EdgeFlowNet as data: its stages in order, and the convolutions of each of their options.

This is the only definition of the network. The search space, the child network, the supernet, the tree evaluator, the
exporter, and the counts of parameters and multiply-accumulates all read it. A stage with one option is a fixed part; a
stage with several options is a *choice block*, and its name is a *gene*. To add an option or a gene, change ``STAGES``.

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
    """Kinds of stages: how a stage computes, and what its options are."""

    CONV = "conv"  # convolution, BN, ReLU; options are kernel sizes
    RESIDUAL = "residual"  # residual blocks; options are numbers of blocks
    UP = "up"  # bilinear x2, convolution, BN, ReLU; options are kernel sizes
    FLOW = "flow"  # convolution with bias to flow and uncertainty; options are kernel sizes


@dataclass(frozen=True)
class Stage:
    """One stage of the network.

    Attributes:
        name: Name of the stage and, if it has several options, of its gene.
        kind: Kind of computation.
        scale: Ratio of the input's height and width to those of the output.
        width: Output channels in units of half the base width (c/2); unused by flow stages.
        options: Kernel sizes or numbers of blocks, from light to heavy.
        stride: Stride of the convolution.
    """

    name: str
    kind: Kind
    scale: int
    width: int
    options: Tuple[int, ...]
    stride: int = 1


@dataclass(frozen=True)
class Convolution:
    """One convolution of a stage.

    Attributes:
        name: Name, and prefix of the names of its tensors.
        kernel: Height and width of the kernel.
        inputs: Number of input channels.
        outputs: Number of output channels.
        stride: Stride along both axes.
        norm: Name of the BN that follows; if None, a bias instead.
        upsamples: Whether the input is first upsampled bilinearly by 2.
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
        """Shapes of the trainable tensors by name."""
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
    """The stages at one base width: convolutions, parameters and arithmetic of every option."""

    def __init__(self, width: int, stages: Sequence[Stage] = STAGES) -> None:
        """Lay out the network.

        Args:
            width: Base width c, even.
            stages: Stages in the order in which they run.

        Raises:
            ValueError: The width is odd or not positive.
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
        """Stages with more than one option, in order: the genes."""
        return tuple(stage for stage in self.stages if len(stage.options) > 1)

    @property
    def multiple(self) -> int:
        """Number of which the input's height and width must be multiples."""
        return max(stage.scale for stage in self.stages)

    def channels(self, stage: Stage) -> int:
        """Return the number of output channels of a stage."""
        return FLOW_CHANNELS if stage.kind is Kind.FLOW else stage.width * self.width // 2

    def inputs(self, stage: Stage) -> int:
        """Return the number of input channels of a stage."""
        return self._inputs[stage.name]

    def convolutions(self, stage: Stage, option: int) -> List[Convolution]:
        """Return the convolutions of a stage's option, in the order in which they run.

        Each option has its own kernels. A residual option has its own BN as well; options that are kernel sizes share
        the BN that follows.
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

    @property
    def image_kernels(self) -> List[str]:
        """Names of the kernels that are applied to the images: those of all options of the first stage."""
        first = self.stages[0]
        options = range(len(first.options))
        return [layer.name + "/kernel" for option in options for layer in self.convolutions(first, option)]

    def route(self, architecture: Sequence[int]) -> Iterator[Tuple[Stage, int]]:
        """Yield each stage with the option that an architecture takes there, in order."""
        genes = iter(architecture)
        for stage in self.stages:
            yield stage, next(genes) if len(stage.options) > 1 else 0

    def parameters(self, architecture: Optional[Sequence[int]] = None) -> Dict[str, Tuple[int, ...]]:
        """Return the shapes of all trainable tensors of one architecture, or of the whole supernet (None), by name."""
        if architecture is None:
            route = [(stage, option) for stage in self.stages for option in range(len(stage.options))]
        else:
            route = list(self.route(architecture))
        shapes: Dict[str, Tuple[int, ...]] = {}
        for stage, option in route:
            for convolution in self.convolutions(stage, option):
                shapes.update(convolution.parameters)
        return shapes

    def find_mismatch(
        self, tensors: Mapping[str, np.ndarray], architecture: Optional[Sequence[int]] = None
    ) -> Optional[str]:
        """Return the first parameter that is missing from the tensors or has a different shape; None if all match.

        Args:
            tensors: Tensors by name.
            architecture: One option per gene; None for the whole supernet.
        """
        for name, shape in self.parameters(architecture).items():
            if name not in tensors or tensors[name].shape != shape:
                return name
        return None

    def macs(self, architecture: Sequence[int], height: int, width: int) -> int:
        """Return the multiply-accumulates of an architecture's convolutions on a pair of height x width pixels."""
        return sum(self.stage_macs(stage, option, height, width) for stage, option in self.route(architecture))

    def stage_macs(self, stage: Stage, option: int, height: int, width: int) -> int:
        """Return the multiply-accumulates of a stage's option on a pair of height x width pixels."""
        pixels = (height // stage.scale) * (width // stage.scale)
        return sum(
            pixels * convolution.kernel ** 2 * convolution.inputs * convolution.outputs
            for convolution in self.convolutions(stage, option)
        )

    def digest(self) -> str:
        """Return the SHA-256 of the definition: skeletons with the same digest have equal spaces, layers and names."""
        lines = [repr(self.width)] + [repr(stage) for stage in self.stages]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
