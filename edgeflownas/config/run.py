"""Every key of a run, with its type, range, default and meaning."""

from typing import Any, Dict, List, Optional, TypeVar, Union

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.cluster import ClusterConfig
from edgeflownas.config.data import DataConfig
from edgeflownas.config.section import Section


class NetworkConfig(Section):
    """The network's size."""

    width: int = Field(32, ge=2, multiple_of=2, description="base width c, in channels")


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
    keep_every: int = Field(0, ge=0, description="keep the weights of every so-many-th epoch, for `rank`; 0: of none")
    devices: Optional[List[Annotated[int, Field(ge=0)]]] = Field(
        None, description="GPUs to train on, by number; []: the CPU; null: the first GPU, or the CPU without one"
    )

    @field_validator("devices")
    @classmethod
    def _each_once(cls, devices: Optional[List[int]]) -> Optional[List[int]]:
        if devices is not None and len(set(devices)) != len(devices):
            raise ValueError("each GPU may be named once")
        return devices

    @property
    def recipe(self) -> Dict[str, Any]:
        """What decides what is learned: a training that goes on must share it with the one before."""
        return self.model_dump(exclude={"patience", "keep_every", "devices"})


class SupernetTrainConfig(TrainConfig):
    """The supernet's training."""

    sampling: Literal["strict", "uniform"] = Field(
        "strict", description="strict: every option once a cycle (FairNAS); uniform: one path at random, to compare"
    )

    @property
    def recipe(self) -> Dict[str, Any]:
        """What decides what is learned; strict fairness goes without saying, as it did before there was a choice."""
        recipe = super().recipe
        return recipe if self.sampling != "strict" else {k: v for k, v in recipe.items() if k != "sampling"}


class StageConfig(TrainConfig):
    """One stage of a training in several, each of which begins with the best weights of the one before."""

    data: Optional[DataConfig] = Field(None, description="that it is trained and validated on; null: the run's")


FORMS = ("one stage", "stages")  # that a recipe has


def _form(recipe: Any) -> str:
    return FORMS[isinstance(recipe, list)]


Recipe = Annotated[
    Union[
        Annotated[TrainConfig, Tag(FORMS[0])], Annotated[List[StageConfig], Field(min_length=1), Tag(FORMS[1])]
    ],
    Discriminator(_form),
]


class EvaluationConfig(Section):
    """How architectures are scored."""

    calibration_pairs: int = Field(64, ge=1, description="training pairs that BN statistics are taken from")
    calibration_batch: int = Field(32, ge=1, description="pairs per batch of recalibration")
    val_pairs: int = Field(0, ge=0, description="validation pairs that the EPE is taken over; 0: all")
    batch_size: int = Field(32, ge=1, description="validation pairs per batch")


class ScoringConfig(EvaluationConfig):
    """How architectures are scored, and by whom; who does it changes no score."""

    workers: int = Field(1, ge=1, description="processes of this machine that score; 1: the command's own")
    devices: List[Annotated[int, Field(ge=0)]] = Field(
        [], description="GPUs to score on, by number, with at least one worker each"
    )
    scheduler: Optional[str] = Field(
        None, pattern=r"^tcp://[^/\s]+:[0-9]+$", description="of a Dask cluster that scores, in place of own workers"
    )

    @property
    def rules(self) -> EvaluationConfig:
        """What scores depend on."""
        return EvaluationConfig(**self.model_dump(include=set(EvaluationConfig.model_fields)))

    @model_validator(mode="after")
    def _consistent(self) -> "ScoringConfig":
        if self.scheduler is not None and (self.workers > 1 or self.devices):
            raise ValueError("scheduler: its cluster has its own workers and devices; leave out these here")
        return self


class HardwareConfig(Section):
    """The board, and Arm's compiler for it."""

    board: str = Field("configs/hardware/grove_vision_ai_v2.yaml", description="file that describes the board")
    table: str = Field(description="cost table, made by the compiler for this board, base width and size")
    vela: Optional[str] = Field(
        None, description="command that runs Vela; by default the one beside the running Python, or .venv-vela/bin/vela"
    )
    vela_version: Literal["5.2.0", "3.8.0"] = Field(
        "5.2.0", description="of Vela; 3.8.0, the last for Python 3.7, reports far more SRAM"
    )
    vela_timeout: float = Field(600.0, gt=0, description="seconds that one compile may take")
    compile_front: bool = Field(
        True, description="compile the front of every generation of a search; false: its figures stay predicted"
    )


Objective = Literal["epe", "fps", "latency_ms", "sram_kib", "npu_cycles"]


class EvolutionConfig(Section):
    """The search."""

    population: int = Field(52, ge=4, multiple_of=4, description="architectures that survive a generation")
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
    complete_outputs: bool = Field(
        True,
        description="score and archive, with an architecture, all that differ from it in flow outputs alone, and ask "
        "for few, which a prediction of EPE chooses among the children; false: plain NSGA-II",
    )
    patience: int = Field(5, ge=0, description="stop after so many generations with the same hypervolume; 0: never")

    @model_validator(mode="after")
    def _consistent(self) -> "EvolutionConfig":
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("objectives: each may be named once")
        missing = [name for name in self.objectives if name not in self.reference_point]
        if missing:
            raise ValueError(f"reference_point: needs a value for {', '.join(missing)}")
        return self


Digits = Annotated[str, Field(pattern=r"^[0-9]+$")]


class StagedConfig(Section):
    """The strategy ``staged``: backbones first, then heads, then what was kept of both."""

    template: Optional[Digits] = Field(
        None, description="heads that the backbones are trained with; null: the lightest, all 3x3"
    )
    backbones: int = Field(9, ge=1, description="kept after the first stage")
    heads: int = Field(27, ge=1, description="kept after the second stage")
    epochs: Optional[List[Annotated[int, Field(ge=1)]]] = Field(
        None, min_length=3, max_length=3, description="of the three stages; null: train.epochs shared out evenly"
    )
    fine_tuning: float = Field(
        0.3, gt=0, le=1, description="learning rate of the last stage, as a share of train.learning_rate"
    )

    def epochs_of(self, stage: int, together: int) -> int:
        """Epochs of a stage, numbered from 0, where all have so many together unless they are named."""
        return max(1, (together + 2 - stage) // 3) if self.epochs is None else self.epochs[stage]


class IndependentConfig(Section):
    """The strategy ``independent``: a sample of architectures, each trained by itself as ``queue.train`` says."""

    size: int = Field(36, ge=1, description="architectures, a multiple of the paths of a fair cycle (three)")
    architectures: List[Digits] = Field([], description="train these instead of a fair sample")


Child = TypeVar("Child", bound="ChildConfig")


class ChildConfig(Section):
    """Everything that the training of one architecture depends on."""

    architecture: str = Field(pattern=r"^[0-9]+$", description="one digit per gene")
    seed: int = Field(ge=0, description="of the data's order, and of the weights if they begin at random")
    threads: int = Field(ge=1, description="CPU threads of one TensorFlow")
    network: NetworkConfig
    data: DataConfig
    train: Recipe
    evaluation: EvaluationConfig

    @property
    def stages(self) -> List["ChildConfig"]:
        """The trainings, each of one stage, that follow one another."""
        if isinstance(self.train, TrainConfig):
            return [self]
        return [
            self.model_copy(
                update={
                    "train": TrainConfig(**stage.model_dump(exclude={"data"})),
                    "data": stage.data or self.data,
                }
            )
            for stage in self.train
        ]

    def with_devices(self: Child, devices: List[int]) -> Child:
        """The same training on other GPUs, named as in ``TrainConfig.devices``."""
        if isinstance(self.train, TrainConfig):
            return self.model_copy(update={"train": self.train.model_copy(update={"devices": devices})})
        stages = [stage.model_copy(update={"devices": devices}) for stage in self.train]
        return self.model_copy(update={"train": stages})

    @property
    def epochs(self) -> int:
        """Of all stages together."""
        if isinstance(self.train, TrainConfig):
            return self.train.epochs
        return sum(stage.epochs for stage in self.train)


class QueueConfig(Section):
    """The retraining of the survivors."""

    size: int = Field(4, ge=1, description="architectures to retrain, where the rule does not say how many")
    rule: Literal["spread", "knee", "hypervolume", "fps_targets", "list"] = Field(
        "spread", description="how they are chosen from the front"
    )
    fps_targets: List[Annotated[float, Field(gt=0)]] = Field(
        [], description="of that rule: the best EPE at no fewer frames per second than each"
    )
    architectures: List[Annotated[str, Field(pattern=r"^[0-9]+$")]] = Field(
        [], description="of the rule list: these, on the front or not"
    )
    warm_start: bool = Field(True, description="begin with the supernet's weights; false: from scratch")
    attempts: int = Field(2, ge=1, description="a task that has crashed so often is not tried again")
    train: Recipe = Field(description="of every architecture; a list: stages that follow one another")

    @model_validator(mode="after")
    def _consistent(self) -> "QueueConfig":
        for rule, key in (("fps_targets", "fps_targets"), ("list", "architectures")):
            if self.rule == rule and not getattr(self, key):
                raise ValueError(f"rule {rule}: needs {key}")
        return self


class Config(Section):
    """Everything a run depends on."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="of the run: its folder under results/")
    strategy: Literal["one_shot", "staged", "independent"] = Field(
        "one_shot",
        description="one_shot: one supernet, one search; staged: backbones, then heads, then both; independent: no "
        "shared weights",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of training, evolution and retraining")
    threads: int = Field(2, ge=1, description="CPU threads of one TensorFlow")
    supernet: Optional[str] = Field(
        None, description="trained weights to search with; null: those that train left in the run folder"
    )
    network: NetworkConfig
    data: DataConfig
    train: SupernetTrainConfig
    evaluation: ScoringConfig
    hardware: HardwareConfig
    evolution: EvolutionConfig
    staged: StagedConfig = StagedConfig()
    independent: IndependentConfig = IndependentConfig()
    queue: QueueConfig
    cluster: ClusterConfig = ClusterConfig()
