"""The configuration of a run: every key with its type, range, default and meaning.

Strict: an unknown key, a wrong type or an impossible value is refused with the key's full name and what is allowed.
"""

import re
import reprlib
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.errors import InputError
from edgeflownas.skeleton import STAGES

MULTIPLE = max(stage.scale for stage in STAGES)  # of the sides that the network takes
Side = Annotated[int, Field(ge=MULTIPLE)]


class Section(BaseModel):
    """A part of the configuration that takes no unknown keys and converts no types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)


class NetworkConfig(Section):
    """The network's size."""

    width: int = Field(32, ge=2, multiple_of=2, description="base width c, in channels")


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


DataConfig = Annotated[Union[ProceduralData, FlyingChairs2Data], Field(discriminator="kind")]


class TrainConfig(Section):
    """A training: of the supernet (a step is a fair cycle) or of one child (a step is one batch)."""

    epochs: int = Field(200, ge=1)
    batch_size: int = Field(8, ge=1, description="pairs per step")
    learning_rate: float = Field(1e-4, gt=0, description="at its peak; falls to 0 along a cosine")
    warmup_steps: int = Field(0, ge=0, description="steps over which the learning rate rises from 0")
    weight_decay: float = Field(4e-5, ge=0, description="decoupled, on convolution kernels")
    clip_norm: float = Field(10.0, gt=0, description="bound of the gradient's global norm")
    uncertainty_from: float = Field(
        0.5, ge=0, le=1, description="share of the steps after which the uncertainty joins the L1 loss"
    )
    patience: int = Field(0, ge=0, description="stop after so many epochs without a better EPE; 0: never")


class EvaluationConfig(Section):
    """How architectures are scored."""

    calibration_pairs: int = Field(64, ge=1, description="training pairs that BN statistics are taken from")
    calibration_batch: int = Field(32, ge=1, description="pairs per batch of recalibration")
    val_pairs: int = Field(0, ge=0, description="validation pairs that the EPE is taken over; 0: all")
    batch_size: int = Field(32, ge=1, description="validation pairs per batch")


class HardwareConfig(Section):
    """The board, and Arm's compiler for it."""

    board: str = Field("configs/hardware/grove_vision_ai_v2.yaml", description="file that describes the board")
    table: str = Field(description="cost table, made by the compiler for this board, base width and size")
    vela: str = Field(".venv-vela/bin/vela", description="command that runs Vela")
    vela_timeout: float = Field(600.0, gt=0, description="seconds that one compile may take")


Objective = Literal["epe", "fps", "latency_ms", "sram_kib", "npu_cycles"]


class EvolutionConfig(Section):
    """The search."""

    population: int = Field(52, ge=4, multiple_of=4, description="architectures per generation")
    generations: int = Field(40, ge=1, description="at most")
    crossover: float = Field(0.9, ge=0, le=1, description="probability that a pair of parents is crossed")
    mutation: Optional[float] = Field(
        None, gt=0, le=1, description="probability that a gene changes; null: one over the number of genes"
    )
    objectives: List[Objective] = Field(["epe", "fps"], min_length=1, max_length=5)
    max_sram_kib: Optional[float] = Field(None, gt=0, description="cap on the SRAM peak; null: the board's arena")
    reference_point: Dict[Objective, float] = Field(
        description="value of each objective that bounds the hypervolume, in the objective's own unit"
    )
    complete_heads: bool = Field(True, description="score and archive every head of a backbone that is asked for")
    patience: int = Field(5, ge=0, description="stop after so many generations with the same hypervolume; 0: never")

    @model_validator(mode="after")
    def _consistent(self) -> "EvolutionConfig":
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("objectives: each may be named once")
        missing = [name for name in self.objectives if name not in self.reference_point]
        if missing:
            raise ValueError(f"reference_point: needs a value for {', '.join(missing)}")
        return self


class ChildConfig(Section):
    """Everything that the training of one architecture depends on."""

    architecture: str = Field(pattern=r"^[0-9]+$", description="one digit per gene")
    seed: int = Field(ge=0, description="of the data's order, and of the weights if they begin at random")
    threads: int = Field(ge=1, description="CPU threads of one TensorFlow")
    network: NetworkConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig


class QueueConfig(Section):
    """The retraining of the survivors."""

    size: int = Field(4, ge=1, description="architectures to retrain")
    rule: Literal["spread"] = Field("spread", description="how they are chosen from the front")
    warm_start: bool = Field(True, description="begin with the supernet's weights; false: from scratch")
    attempts: int = Field(2, ge=1, description="a task that has crashed so often is not tried again")
    train: TrainConfig


class Config(Section):
    """Everything a run depends on."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="of the run: its folder under results/")
    seed: int = Field(0, ge=0, lt=2**63, description="of training, evolution and retraining")
    threads: int = Field(2, ge=1, description="CPU threads of one TensorFlow")
    supernet: Optional[str] = Field(
        None, description="trained weights to search with; null: those that train left in the run folder"
    )
    network: NetworkConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    hardware: HardwareConfig
    evolution: EvolutionConfig
    queue: QueueConfig


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-4 as a number and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration file.

    Args:
        path: of the YAML file.
        overrides: ``section.key=value`` each, the value in YAML.

    Raises:
        InputError: the file cannot be read, or does not say what a configuration says.
    """
    content = read_yaml(path, "config")
    for override in overrides:
        _override(content, override)
    return validate(content, Config, f"config {path}")


def read_yaml(path: Path, what: str) -> Dict[Any, Any]:
    """Reads keys and values from a YAML file, which may make nothing but plain data.

    Args:
        path: of the file.
        what: it is, to be named in errors.

    Raises:
        InputError: the file cannot be read, or is not YAML, or holds something else.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{what} {path}: cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{what} {path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{what} {path}: must hold keys and values, not {type(content).__name__}")
    return content


def _override(content: Dict[Any, Any], override: str) -> None:
    """Puts one ``section.key=value`` into the content of a file."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise InputError(f"--set {override}: must be section.key=value")
    *sections, key = name.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section")
    try:
        content[key] = yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise InputError(f"--set {override}: the value is not YAML") from None


_SHORT = reprlib.Repr()  # of a value from a hostile file, whose full text may not fit the memory
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def validate(content: Any, model: Type[Section], source: str) -> Any:
    """Checks content against a model.

    Raises:
        InputError: names the first key that is wrong, and what is allowed there.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("procedural", "flyingchairs2")]
        key = ".".join(place) or "the whole"
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(_keys(content, model, place[:-1]))
            raise InputError(f"{source}: {key}: no such key; allowed here: {allowed}") from None
        if first["type"] == "missing":
            raise InputError(f"{source}: {key}: is missing and has no default") from None
        raise InputError(f"{source}: {key}: {_lower(first['msg'])} (got {_SHORT.repr(first['input'])})") from None


def _lower(message: str) -> str:
    message = message.replace("Value error, ", "").replace("Input should", "should")
    return message[:1].lower() + message[1:]


def _keys(content: Any, model: Type[BaseModel], place: Sequence[str]) -> List[str]:
    """The keys allowed in the section at a place."""
    for part in place:
        content = content.get(part) if isinstance(content, dict) else None
        annotation = model.model_fields[part].annotation
        if annotation == Union[ProceduralData, FlyingChairs2Data]:
            kinds = {"procedural": ProceduralData, "flyingchairs2": FlyingChairs2Data}
            annotation = kinds[content["kind"]] if isinstance(content, dict) else ProceduralData
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def dump(config: Section) -> str:
    """Writes a configuration, defaults included, as YAML that load reads back to an equal one."""
    return str(yaml.safe_dump(config.model_dump(), sort_keys=False))
