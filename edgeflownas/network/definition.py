"""The file that defines a space: its stages, each with one operation or with several options.

A file can name a ``base``, a space in configs/spaces, and define only the stages that differ from it.
"""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Type, Union

from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import Annotated, Literal

from edgeflownas.config import DEFAULT_SPACE, ChildConfig, Config, Section, read_yaml, validate
from edgeflownas.errors import InputError
from edgeflownas.network.operations import (
    ChannelAttention,
    Conv,
    Flow,
    Gate,
    Operation,
    Option,
    Residual,
    Separable,
    Transposed,
    Upsample,
)
from edgeflownas.network.problems import find_problems
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.shipped.locate import locate_named

_FOLDER = "configs/spaces"  # of the spaces that are given by name
_MAX_OPTIONS = 10  # of a gene, whose options are digits


def _check_odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("should be odd")
    return number


def _put_into_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_Kernel = Annotated[int, Field(ge=1, le=31), AfterValidator(_check_odd)]
_Kernels = Annotated[List[_Kernel], BeforeValidator(_put_into_list), Field(min_length=1, max_length=_MAX_OPTIONS)]
_Counts = Annotated[
    List[Annotated[int, Field(ge=1, le=16)]],
    BeforeValidator(_put_into_list),
    Field(min_length=1, max_length=_MAX_OPTIONS),
]
_Stride = Literal[1, 2]


class ConvFile(Section):
    """Convolution, BN and ReLU."""

    kernel: _Kernels = Field(description="Size of the kernel, odd.")
    stride: _Stride = Field(1, description="2 halves height and width.")
    dilation: int = Field(1, ge=1, le=8, description="Distance between the taps of the kernel.")
    plain: bool = Field(False, description="Whether a bias takes the place of BN and ReLU.")


class SeparableFile(Section):
    """Depthwise convolution and 1x1 convolution, each with BN and ReLU."""

    kernel: _Kernels = Field(description="Size of the depthwise kernel, odd.")
    stride: _Stride = Field(1, description="2 halves height and width.")


class TransposedFile(Section):
    """Transposed convolution, BN and ReLU."""

    kernel: _Kernels = Field(description="Size of the kernel, odd.")
    stride: _Stride = Field(2, description="2 doubles height and width.")
    plain: bool = Field(False, description="Whether a bias takes the place of BN and ReLU.")


class ResidualFile(Section):
    """Residual blocks of two 3x3 convolutions with BN and ReLU."""

    blocks: _Counts = Field(description="Number of blocks.")
    transposed: bool = Field(False, description="Whether the convolutions are transposed.")


class UpsampleFile(Section):
    """Bilinear upsampling by 2, convolution, BN and ReLU."""

    kernel: _Kernels = Field(description="Size of the kernel, odd.")


class FlowFile(Section):
    """Convolution with a bias to flow and uncertainty."""

    kernel: _Kernels = Field(description="Size of the kernel, odd.")
    transposed: bool = Field(False, description="Whether the convolution is transposed.")


class ChannelAttentionFile(Section):
    """Efficient channel attention: channels are scaled by the sigmoid of a convolution along their means."""

    kernel: _Kernels = Field([3], description="Number of neighbouring channels that determine a factor, odd.")


class GateFile(Section):
    """Gate: channels are scaled by the sigmoid of a 1x1 convolution of the pooled features of an earlier stage."""

    source: str = Field(description="Name of the earlier stage.")


class OperationFile(Section):
    """One operation."""

    conv: Optional[ConvFile] = None
    separable: Optional[SeparableFile] = None
    transposed: Optional[TransposedFile] = None
    residual: Optional[ResidualFile] = None
    upsample: Optional[UpsampleFile] = None
    flow: Optional[FlowFile] = None
    channel_attention: Optional[ChannelAttentionFile] = None
    gate: Optional[GateFile] = None

    def given(self) -> List[str]:
        """Return the names of the operations that are given."""
        return [name for name in OPERATIONS if getattr(self, name) is not None]

    def expand(self) -> Iterator[Operation]:
        """Yield the operation with each of the values that the file lists; there must be exactly one operation."""
        (name,) = self.given()
        values: Dict[str, Any] = getattr(self, name).model_dump()
        listed = next((key for key, value in values.items() if isinstance(value, list)), None)
        if listed is None:
            yield OPERATIONS[name](**values)
        else:
            yield from (OPERATIONS[name](**{**values, listed: value}) for value in values[listed])


_KINDS: Tuple[Type[Any], ...] = (Conv, Separable, Transposed, Residual, Upsample, Flow, ChannelAttention, Gate)
OPERATIONS: Dict[str, Type[Any]] = {kind.kind: kind for kind in _KINDS}

_OptionFile = Annotated[List[OperationFile], BeforeValidator(_put_into_list), Field(min_length=1)]


class StageFile(OperationFile):
    """One stage: an operation, whose list of values makes it a gene, or a list of options."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$", description="Name of the stage, and of its gene.")
    width: Optional[float] = Field(
        None,
        gt=0,
        multiple_of=0.5,
        description="Output channels, as a multiple of the base width c. null means those of the previous stage.",
    )
    options: Optional[Annotated[List[_OptionFile], Field(min_length=1, max_length=_MAX_OPTIONS)]] = Field(
        None, description="Options from light to heavy. An option is an operation, or a list of operations."
    )

    def problem(self) -> Optional[str]:
        """Return what is wrong with the choice of operations; None if nothing is."""
        given = self.given() + (["options"] if self.options is not None else [])
        if len(given) != 1:
            named = f"has {' and '.join(given)}" if given else "has no operation"
            return f"{named}; give one of {', '.join(OPERATIONS)} or options"
        for operation in (operation for option in self.options or () for operation in option):
            if len(operation.given()) != 1:
                return f"each operation of an option should be one of {', '.join(OPERATIONS)}"
            if len(list(operation.expand())) != 1:
                return "an option has one value of each number; write one option for each value"
        return None

    def expand_options(self) -> Tuple[Option, ...]:
        """Return the options; the stage must have no problem."""
        if self.options is None:
            return tuple((operation,) for operation in self.expand())
        return tuple(tuple(next(operation.expand()) for operation in option) for option in self.options)


class SpaceFile(Section):
    """The content of a space's file, with the stages of its base filled in."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the space in reports.")
    stages: List[StageFile] = Field(min_length=1, description="Stages in the order in which they run.")

    def lay_out(self) -> Tuple[Stage, ...]:
        """Return the stages of the network."""
        stages, width = [], 0.0
        for stage in self.stages:
            options = stage.expand_options()
            is_flow = isinstance(options[0][0], Flow)
            own = 0.0 if is_flow else width if stage.width is None else stage.width
            stages.append(Stage(stage.name, own, options))
            width = width if is_flow else own
        return tuple(stages)


class _Outline(Section):
    """The content of a space's file before its stages are read."""

    name: str
    base: Optional[str] = None
    stages: List[Any]


def open_skeleton(config: Union[Config, ChildConfig]) -> Skeleton:
    """Return the network of a configuration.

    Raises:
        InputError: The file of the space cannot be read, or defines no valid network.
    """
    return Skeleton(config.network.width, read_space(config.space).lay_out())


def default_skeleton(width: int) -> Skeleton:
    """Return the network of the default space at a base width."""
    return Skeleton(width, read_space(DEFAULT_SPACE).lay_out())


def is_path(space: str) -> bool:
    """Return whether a space is given as the path of a file, not by name."""
    return os.sep in space or Path(space).suffix != ""


def read_space(space: str) -> SpaceFile:
    """Read the file of a space.

    Args:
        space: Path of the file, or name of one in configs/spaces.

    Raises:
        InputError: The file cannot be read, or defines no valid network; the message names the stage.
    """
    content, problems = inspect_space(space)
    if content is None or problems:
        raise InputError(f"space {space}: {'; '.join(problems)}")
    return content


def inspect_space(space: str) -> Tuple[Optional[SpaceFile], List[str]]:
    """Read the file of a space.

    Returns:
        The content, or None if it could not be read as stages; and everything that is wrong with it.

    Raises:
        InputError: The file cannot be read.
    """
    path = locate_named(Path(space), _FOLDER, "space")
    outline: _Outline = validate(read_yaml(path, "space"), _Outline, f"space {space}")
    stages, problems = _read_stages(outline.stages)
    if outline.base is not None and not problems:
        stages, problems = _merge(outline.base, stages)
    problems += [f"stage {stage.name}: {problem}" for stage in stages for problem in filter(None, [stage.problem()])]
    if problems:
        return None, problems
    content: SpaceFile = validate(
        {"name": outline.name, "stages": [stage.model_dump() for stage in stages]}, SpaceFile, f"space {space}"
    )
    return content, find_problems(content.lay_out())


def _read_stages(contents: List[Any]) -> Tuple[List[StageFile], List[str]]:
    """Validate the stages of a file, and return them with what is wrong."""
    stages, problems = [], []
    for number, content in enumerate(contents, 1):
        name = content.get("name") if isinstance(content, dict) else None
        try:
            stages.append(validate(content, StageFile, f"stage {name if isinstance(name, str) else number}"))
        except InputError as error:
            problems.append(str(error))
    return stages, problems


def _merge(base: str, changes: List[StageFile]) -> Tuple[List[StageFile], List[str]]:
    """Return the stages of a base with some of them changed, and what is wrong."""
    if is_path(base):
        return [], [f"base {base}: should be the name of a space in {_FOLDER}"]
    stages = {stage.name: stage for stage in read_space(base).stages}
    unknown = [f"stage {change.name}: {base} has no such stage ({', '.join(stages)})"
               for change in changes if change.name not in stages]  # fmt: skip
    for change in changes if not unknown else ():
        given = change.model_dump(exclude_unset=True)
        old = stages[change.name].model_dump()
        if change.given() or change.options is not None:
            old = {"name": change.name, "width": old["width"]}
        stages[change.name] = StageFile.model_validate({**old, **given})
    return list(stages.values()), unknown
