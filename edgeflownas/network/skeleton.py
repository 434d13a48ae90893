"""A network as data: its stages in order, and the convolutions of each of their options.

Search space, child network, supernet, tree evaluator, exporter, and the counts of parameters and multiply-accumulates
all read a ``Skeleton``. A stage with one option is a fixed part; a stage with several options is a *choice block*, and
its name is a *gene*. The stages come from the file of a space (see ``definition``).
"""

import hashlib
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Type

import numpy as np

from edgeflownas.network.operations import (
    FLOW_CHANNELS,
    Conv,
    Convolution,
    Flow,
    Gate,
    Operation,
    Option,
    Place,
    Residual,
    Upsample,
)

IMAGE_CHANNELS = 6  # two RGB frames, stacked

# How the digest describes stages whose options are single operations that differ in one number: as it did when there
# were no others. Weights and tables that record such a digest stay valid.
_SINGLE: Dict[Type[Operation], Tuple[str, str]] = {
    Conv: ("<Kind.CONV: 'conv'>", "kernel"),
    Residual: ("<Kind.RESIDUAL: 'residual'>", "blocks"),
    Upsample: ("<Kind.UP: 'up'>", "kernel"),
    Flow: ("<Kind.FLOW: 'flow'>", "kernel"),
}


@dataclass(frozen=True)
class Stage:
    """One stage of the network.

    Attributes:
        name: Name of the stage and, if it has several options, of its gene.
        width: Output channels in units of the base width, a multiple of 1/2; 0 for flow stages.
        options: Operations of each option, from light to heavy.
    """

    name: str
    width: float
    options: Tuple[Option, ...]

    @property
    def is_gene(self) -> bool:
        """Whether the stage has several options."""
        return len(self.options) > 1

    @property
    def is_flow(self) -> bool:
        """Whether the stage outputs flow, and leaves the activation to the next stage unchanged."""
        return isinstance(self.options[0][0], Flow)

    @property
    def sources(self) -> Set[str]:
        """Names of the stages whose pooled features control gates of this stage."""
        operations = (operation for option in self.options for operation in option)
        return {operation.source for operation in operations if isinstance(operation, Gate)}

    @property
    def labels(self) -> Tuple[str, ...]:
        """Names of the options."""
        return tuple(" + ".join(operation.label for operation in option) for option in self.options)

    def rescale(self, scale: int) -> int:
        """Return the scale of the output for that of the input."""
        for operation in self.options[0]:
            scale = operation.rescale(scale)
        return scale


class Skeleton:
    """The stages at one base width: convolutions, parameters and arithmetic of every option."""

    def __init__(self, width: int, stages: Sequence[Stage]) -> None:
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
        self._channels: Dict[str, int] = {}
        self._inputs: Dict[str, int] = {}
        self._scales: Dict[str, Tuple[int, int]] = {}  # of input and output
        channels, scale = IMAGE_CHANNELS, 1
        for stage in self.stages:
            self._inputs[stage.name] = channels
            self._scales[stage.name] = scale, stage.rescale(scale)
            scale = stage.rescale(scale)
            self._channels[stage.name] = FLOW_CHANNELS if stage.is_flow else round(stage.width * width)
            if not stage.is_flow:
                channels = self._channels[stage.name]

    @property
    def choice_blocks(self) -> Tuple[Stage, ...]:
        """Stages with more than one option, in order: the genes."""
        return tuple(stage for stage in self.stages if stage.is_gene)

    @property
    def multiple(self) -> int:
        """Number of which the input's height and width must be multiples."""
        return max(scale for _, scale in self._scales.values())

    def channels(self, stage: Stage) -> int:
        """Return the number of output channels of a stage."""
        return self._channels[stage.name]

    def inputs(self, stage: Stage) -> int:
        """Return the number of input channels of a stage."""
        return self._inputs[stage.name]

    def scale(self, stage: Stage) -> int:
        """Return the ratio of the input's height and width to those of a stage's output."""
        return self._scales[stage.name][1]

    def kept_after(self, stage: Stage) -> List[str]:
        """Return the names of the stages, up to this one, whose pooled features control gates of later stages."""
        place = self.stages.index(stage) + 1
        needed = {source for later in self.stages[place:] for source in later.sources}
        return [earlier.name for earlier in self.stages[:place] if earlier.name in needed]

    def layers(self, stage: Stage, option: int) -> List[Tuple[Operation, List[Convolution]]]:
        """Return the operations of a stage's option with their convolutions, in the order in which they run.

        Each option has its own kernels. The BN that ends an option is shared by the options of a stage, except that
        residual blocks have their own BN.
        """
        operations = stage.options[option]
        inputs, outputs, (scale, _) = self.inputs(stage), self.channels(stage), self._scales[stage.name]
        layers = []
        for i, operation in enumerate(operations):
            name = f"{stage.name}/{option}" if len(operations) == 1 else f"{stage.name}/{option}/{i}"
            norm = f"{stage.name}/bn" if i == len(operations) - 1 else f"{name}/bn"
            read = self._channels[operation.source] if isinstance(operation, Gate) else inputs
            layers.append((operation, operation.convolutions(Place(name, scale, read, outputs, norm))))
            inputs, scale = outputs, operation.rescale(scale)
        return layers

    def convolutions(self, stage: Stage, option: int) -> List[Convolution]:
        """Return the convolutions of a stage's option, in the order in which they run."""
        return [convolution for _, convolutions in self.layers(stage, option) for convolution in convolutions]

    @property
    def image_kernels(self) -> List[str]:
        """Names of the kernels that are applied to the images: the first ones of all options of the first stage."""
        first = self.stages[0]
        return [self.convolutions(first, option)[0].name + "/kernel" for option in range(len(first.options))]

    def route(self, architecture: Sequence[int]) -> Iterator[Tuple[Stage, int]]:
        """Yield each stage with the option that an architecture takes there, in order."""
        genes = iter(architecture)
        for stage in self.stages:
            yield stage, next(genes) if stage.is_gene else 0

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
        return sum(convolution.macs(height, width) for convolution in self.convolutions(stage, option))

    def digest(self) -> str:
        """Return the SHA-256 of the definition: skeletons with the same digest have equal spaces, layers and names."""
        lines = [repr(self.width)] + [self._describe(stage) for stage in self.stages]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _describe(self, stage: Stage) -> str:
        """Return a text that determines a stage."""
        first = stage.options[0][0]
        if type(first) in _SINGLE:
            kind, number = _SINGLE[type(first)]
            numbers = tuple(getattr(option[0], number, None) for option in stage.options)
            stride = first.stride if isinstance(first, Conv) else 1
            values = {"stride": stride} if isinstance(first, Conv) else {}
            if stage.options == tuple((type(first)(**{number: value, **values}),) for value in numbers):
                return (
                    f"Stage(name={stage.name!r}, kind={kind}, scale={self.scale(stage)}, "
                    f"width={round(2 * stage.width)}, options={numbers!r}, stride={stride})"
                )
        options = ", ".join("[" + ", ".join(map(Operation.describe, option)) + "]" for option in stage.options)
        return f"{stage.name}: width {stage.width:g}, scale {self.scale(stage)}, {options}"
