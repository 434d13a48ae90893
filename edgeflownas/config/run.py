"""All keys of a run, with type, range, default and meaning."""

from typing import Any, Dict, List, Optional, TypeVar, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.cluster import ClusterConfig
from edgeflownas.config.data import DataConfig, Side
from edgeflownas.config.section import PathText, Section, WrittenInt


class NetworkConfig(Section):
    """Size of the network."""

    width: int = Field(
        32, ge=2, multiple_of=2, description="Base width of the network, in channels. The documentation calls it c."
    )


DEFAULT_SPACE = "edgeflownet_bilinear"


class TrainConfig(Section):
    """Training of a supernet, in which a step is a fair cycle, or of one architecture."""

    epochs: int = Field(200, ge=1, description="Number of passes over the training pairs.")
    batch_size: int = Field(8, ge=1, description="Number of pairs per step.")
    accumulation: int = Field(
        1,
        ge=1,
        description="Number of equal parts of a batch that are computed one after another. Their gradients are "
        "averaged before the weights change, so a step needs the memory of one part. BN uses the statistics of a part.",
    )
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate. It decays to 0 along a cosine.")
    warmup_steps: int = Field(
        0, ge=0, description="Number of steps over which the learning rate rises from 0 to its peak."
    )
    weight_decay: float = Field(4e-5, ge=0, description="Decoupled weight decay of the convolution kernels.")
    clip_norm: float = Field(
        10.0, gt=0, description="Largest global norm of the gradient. A larger gradient is scaled down to it."
    )
    uncertainty_from: float = Field(
        0.5, ge=0, le=1, description="Fraction of the steps after which the uncertainty loss is added to the L1 loss."
    )
    patience: int = Field(
        0,
        ge=0,
        description="Number of epochs without a better EPE after which training stops "
        "early. 0 disables early stopping.",
    )
    keep_every: int = Field(
        0, ge=0, description="Number of epochs between two sets of weights that are kept for `rank`. 0 keeps none."
    )
    devices: Optional[List[Annotated[int, Field(ge=0)]]] = Field(
        None,
        description="Numbers of the GPUs to train on. [] means the CPU; null means the first GPU, or "
        "the CPU if there is no GPU.",
    )

    @field_validator("devices")
    @classmethod
    def _check_unique(cls, devices: Optional[List[int]]) -> Optional[List[int]]:
        if devices is not None and len(set(devices)) != len(devices):
            raise ValueError("should name every GPU only once")
        return devices

    @model_validator(mode="after")
    def _check_parts(self) -> "TrainConfig":
        if self.batch_size % self.accumulation:
            raise ValueError(f"accumulation: should divide batch_size, which is {self.batch_size}")
        return self

    @property
    def part_size(self) -> int:
        """Number of pairs that are computed at once."""
        return self.batch_size // self.accumulation

    @property
    def recipe(self) -> Dict[str, Any]:
        """Settings that affect the trained weights. Training can only be resumed with the same settings.

        An accumulation of 1 is omitted, so that training runs of versions without it can be resumed.
        """
        omitted = {"patience", "keep_every", "devices"} | ({"accumulation"} if self.accumulation == 1 else set())
        return self.model_dump(exclude=omitted)


class SupernetTrainConfig(TrainConfig):
    """Training of the supernet."""

    sampling: Literal["strict", "uniform"] = Field(
        "strict",
        description="Architectures (paths) that a step trains. strict: a fair cycle, in which every "
        "option occurs exactly once (FairNAS). uniform: one random path, for comparison.",
    )

    @property
    def recipe(self) -> Dict[str, Any]:
        """Settings that affect the trained weights.

        Strict sampling is omitted, so that training runs that do not record it can be resumed: it was the only sampling
        before ``sampling`` existed.
        """
        recipe = super().recipe
        return recipe if self.sampling != "strict" else {k: v for k, v in recipe.items() if k != "sampling"}


class StageConfig(TrainConfig):
    """One stage of multi-stage training. A stage begins with the best weights of the previous stage."""

    data: Optional[DataConfig] = Field(None, description="Data set of the stage. null means the data set of the run.")


FORMS = ("one stage", "stages")  # of a recipe


def _find_form(recipe: Any) -> str:
    return FORMS[isinstance(recipe, list)]


Recipe = Annotated[
    Union[Annotated[TrainConfig, Tag(FORMS[0])], Annotated[List[StageConfig], Field(min_length=1), Tag(FORMS[1])]],
    Discriminator(_find_form),
]


class EvaluationConfig(Section):
    """How architectures are scored."""

    calibration_pairs: int = Field(
        64,
        ge=1,
        description="Number of training pairs from which BN statistics are recomputed "
        "before an architecture is scored. The data set must have at least this many.",
    )
    calibration_batch: int = Field(32, ge=1, description="Number of pairs per batch when BN statistics are recomputed.")
    val_pairs: int = Field(
        0,
        ge=0,
        description="Number of validation pairs on which architectures are scored. The data "
        "set must have at least this many. 0 means all.",
    )
    batch_size: int = Field(32, ge=1, description="Number of validation pairs per batch.")


class ScoringConfig(EvaluationConfig):
    """How architectures are scored, and by which workers. Scores do not depend on the workers."""

    workers: int = Field(
        1,
        ge=1,
        description="Number of worker processes on this machine. 1 means that the command itself computes the scores.",
    )
    devices: List[Annotated[int, Field(ge=0)]] = Field(
        [], description="Numbers of the GPUs to score on, with at least one worker each. [] means the CPU."
    )
    scheduler: Optional[str] = Field(
        None,
        pattern=r"^tcp://[^/\s]+:[0-9]+$",
        description="Address of a Dask scheduler. Its workers then compute the "
        "scores, instead of workers on this machine.",
    )

    @property
    def processes(self) -> int:
        """Number of workers on this machine."""
        return max(self.workers, len(self.devices))

    @property
    def rules(self) -> EvaluationConfig:
        """Settings that affect the scores."""
        return EvaluationConfig(**self.model_dump(include=set(EvaluationConfig.model_fields)))

    @model_validator(mode="after")
    def _check_consistency(self) -> "ScoringConfig":
        if self.scheduler is not None and (self.workers > 1 or self.devices):
            raise ValueError("scheduler: the cluster has its own workers and devices; leave out workers and devices")
        return self


class HardwareConfig(Section):
    """The board, and Arm's compiler Vela, which reports its speed and memory use."""

    board: PathText = Field("configs/hardware/grove_vision_ai_v2.yaml", description="File that describes the board.")
    table: PathText = Field(description="Cost table for this board, base width and image size. `cost build` writes it.")
    vela: Optional[PathText] = Field(
        None,
        description="Command that runs Vela. null means the `vela` command beside the running "
        "Python, or .venv-vela/bin/vela.",
    )
    vela_version: Literal["5.2.0", "3.8.0"] = Field(
        "5.2.0", description="Version of Vela. 3.8.0 is the last version for Python 3.7, and reports far more SRAM."
    )
    vela_timeout: float = Field(600.0, gt=0, description="Time limit of one compilation, in seconds.")
    compile_front: bool = Field(
        True,
        description="Whether to compile the front of every generation of a search. If false, "
        "its costs are predictions.",
    )


Objective = Literal["epe", "fps", "latency_ms", "sram_kib", "npu_cycles"]


CostFigure = Literal["fps", "latency_ms", "sram_kib", "npu_cycles"]


class Bound(Section):
    """Limits of a figure, in its unit."""

    min: Optional[float] = Field(None, gt=0, description="Smallest allowed value; null: none.")
    max: Optional[float] = Field(None, gt=0, description="Largest allowed value; null: none.")

    @model_validator(mode="after")
    def _check_consistency(self) -> "Bound":
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min should not be larger than max")
        return self


class EvolutionConfig(Section):
    """The evolutionary search (NSGA-II)."""

    population: int = Field(52, ge=4, multiple_of=4, description="Number of architectures that survive a generation.")
    generations: int = Field(40, ge=1, description="Largest number of generations.")
    crossover: float = Field(0.9, ge=0, le=1, description="Probability that two parents are crossed.")
    mutation: Optional[float] = Field(
        None, gt=0, le=1, description="Probability that a gene mutates. null means 1 / number of genes."
    )
    objectives: List[Objective] = Field(
        ["epe", "fps"],
        min_length=1,
        max_length=5,
        description="Objectives of the search. `fps` is maximised, all others are minimised.",
    )
    constraints: Dict[CostFigure, Bound] = Field(
        {},
        description="Limits of cost figures, such as `{fps: {min: 8}, sram_kib: {max: 512}}`. Only architectures that "
        "satisfy all limits are requested and can be on the front. Without a limit for `sram_kib`, the limit is the "
        "size of the board's arena.",
    )
    reference_point: Optional[Dict[Objective, float]] = Field(
        None,
        description="Reference point of the hypervolume, with one value per objective. "
        "null means the worst point: the worst cost of all feasible architectures and the worst EPE of the "
        "first generation or, if the whole space has been scored, the worst values of the space.",
    )
    trunks: Optional[int] = Field(
        None,
        ge=1,
        description="Number of trunks that a generation requests with `complete_outputs`. More keep more workers busy, "
        "fewer are chosen with more knowledge. null means one for each worker in `evaluation`, from 4 to 32. "
        "The result of a search depends on this number. With a Dask cluster, whose workers are not known in advance, "
        "null means 4.",
    )
    options: Dict[str, Annotated[List[str], Field(min_length=1)]] = Field(
        {},
        description="Options that are searched, such as `{H1: [3x3, 5x5]}`. Genes that are not named keep all options. "
        "Weights and cost table remain those of the space.",
    )
    initial: List[Annotated[str, BeforeValidator(WrittenInt.as_written)]] = Field(
        [],
        description="Architectures to score first, in addition to those that the search chooses: digits, the folder of "
        "another run for its front, a CSV file with a column `architecture`, or a text file with one architecture "
        "per line. It may be changed at any time; an architecture is scored at the next start of `evolve`, even if "
        "the search had ended.",
    )
    complete_outputs: bool = Field(
        True,
        description="Whether to score a requested architecture together with all architectures that "
        "differ from it only in their flow outputs. Each generation then requests few architectures, which "
        "are chosen from the offspring by a prediction of their EPE. If false, the search is plain NSGA-II.",
    )
    patience: int = Field(
        5,
        ge=0,
        description="Number of generations without a better hypervolume after which the search "
        "stops. 0 means that it never stops early.",
    )

    @field_validator("initial", mode="before")
    @classmethod
    def _list_single(cls, value: Any) -> Any:
        """Accept a single architecture or path instead of a list."""
        return value if isinstance(value, list) else [value]

    @model_validator(mode="before")
    @classmethod
    def _replace_old_key(cls, content: Any) -> Any:
        """Refuse the key of earlier versions; its null, which they wrote into every file, had no effect."""
        if not isinstance(content, dict) or "max_sram_kib" not in content:
            return content
        limit = content["max_sram_kib"]
        if limit is not None:
            raise ValueError(f"max_sram_kib: is now constraints; write constraints: {{sram_kib: {{max: {limit}}}}}")
        return {key: value for key, value in content.items() if key != "max_sram_kib"}

    @model_validator(mode="after")
    def _check_consistency(self) -> "EvolutionConfig":
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("objectives: should name every objective only once")
        point = self.reference_point
        missing = [] if point is None else [name for name in self.objectives if name not in point]
        if missing:
            raise ValueError(f"reference_point: needs a value for {', '.join(missing)}")
        return self


Digits = Annotated[str, BeforeValidator(WrittenInt.as_written), Field(pattern=r"^[0-9]+$")]


class StagedConfig(Section):
    """The strategy ``staged``, which trains backbones, then heads, then both together."""

    template: Optional[Digits] = Field(
        None,
        description="Heads with which the backbones are trained, one digit per gene. null "
        "means the lightest heads, all 3x3.",
    )
    backbones: int = Field(9, ge=1, description="Number of backbones to keep after the first stage.")
    heads: int = Field(27, ge=1, description="Number of heads to keep after the second stage.")
    epochs: Optional[List[Annotated[int, Field(ge=1)]]] = Field(
        None, min_length=3, max_length=3, description="Epochs of the three stages. null divides `train.epochs` evenly."
    )
    fine_tuning: float = Field(
        0.3, gt=0, le=1, description="Learning rate of the last stage, as a fraction of `train.learning_rate`."
    )

    def epochs_of(self, stage: int, total: int) -> int:
        """Return the number of epochs of a stage.

        Args:
            stage: Number of the stage, from 0.
            total: Number of epochs to divide among the stages if ``epochs`` is not given.
        """
        return max(1, (total + 2 - stage) // 3) if self.epochs is None else self.epochs[stage]


class IndependentConfig(Section):
    """The strategy ``independent``, which trains a sample of architectures one by one, as set in ``queue.train``."""

    size: int = Field(
        36,
        ge=1,
        description="Number of architectures in the sample. It must be a multiple of "
        "three, the number of architectures (paths) that a fair cycle trains.",
    )
    architectures: List[Digits] = Field([], description="Architectures to train instead of a fair sample.")


Child = TypeVar("Child", bound="ChildConfig")


class ChildConfig(Section):
    """All settings of the training of one architecture."""

    architecture: Digits = Field(description="Architecture to train, one digit per gene.")
    seed: int = Field(ge=0, description="Seed of the order of the data, and of random initial weights.")
    threads: int = Field(ge=1, description="Number of CPU threads of TensorFlow.")
    space: PathText = Field(DEFAULT_SPACE, description="Search space, as in the configuration of a run.")
    network: NetworkConfig
    data: DataConfig
    train: Recipe
    evaluation: EvaluationConfig

    @property
    def stages(self) -> List["ChildConfig"]:
        """Settings of each stage, in the order in which the stages run."""
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
        """Return a copy that trains on different GPUs, given as in ``TrainConfig.devices``."""
        if isinstance(self.train, TrainConfig):
            return self.model_copy(update={"train": self.train.model_copy(update={"devices": devices})})
        stages = [stage.model_copy(update={"devices": devices}) for stage in self.train]
        return self.model_copy(update={"train": stages})

    @property
    def epochs(self) -> int:
        """Total number of epochs of all stages."""
        if isinstance(self.train, TrainConfig):
            return self.train.epochs
        return sum(stage.epochs for stage in self.train)


class QueueConfig(Section):
    """Retraining of architectures from the front."""

    size: int = Field(
        4, ge=1, description="Number of architectures to retrain. The rules fps_targets and list ignore it."
    )
    rule: Literal["spread", "knee", "hypervolume", "fps_targets", "list"] = Field(
        "spread",
        description="Rule that selects the architectures. spread: evenly spaced along the front. "
        "knee: the most pronounced knees of the front. hypervolume: those with the largest joint "
        "hypervolume. fps_targets: the best EPE at each frame rate in `fps_targets`. list: those in "
        "`architectures`.",
    )
    fps_targets: List[Annotated[float, Field(gt=0)]] = Field(
        [], description="Frame rates for the rule fps_targets, which selects the best EPE at or above each of them."
    )
    architectures: List[Digits] = Field(
        [], description="Architectures for the rule list. They need not be on the front."
    )
    warm_start: bool = Field(
        True, description="Whether to start from the weights of the supernet. If false, training starts from scratch."
    )
    attempts: int = Field(2, ge=1, description="Number of crashes after which a task is not tried again.")
    train: Recipe = Field(
        TrainConfig(),
        description="Training recipe applied to each architecture, or a list of recipes for consecutive stages.",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> "QueueConfig":
        for rule, key in (("fps_targets", "fps_targets"), ("list", "architectures")):
            if self.rule == rule and not getattr(self, key):
                raise ValueError(f"rule {rule}: needs {key}")
        return self


class DeployConfig(Section):
    """The input on the board, for which `queue collect` scores the retrained networks in int8 and compiles them.

    If this section is left out, it is the input of the training.
    """

    height: Optional[Side] = Field(
        None,
        description="Height of the input on the board, in pixels. Whole images are resized to `height` x `width`, and "
        "their flow is scaled accordingly. null means the height of the data set, whose pairs are then cropped as for "
        "validation.",
    )
    width: Optional[Side] = Field(None, description="Width of the input on the board, in pixels. Set with `height`.")
    data: Optional[DataConfig] = Field(
        None, description="Data set whose validation pairs are scored. null means the data set of the run."
    )
    pairs: int = Field(
        0,
        ge=0,
        description="Number of validation pairs that are scored. 0 means all or, without `data`, "
        "`evaluation.val_pairs`.",
    )
    calibration_pairs: int = Field(
        16,
        ge=1,
        description="Number of training pairs of the run on which the ranges of activations are measured for int8.",
    )
    trim: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Fraction of the calibration pairs that are left out, namely those with the largest predicted "
        "motion. Narrower ranges resolve small values better, but clip large ones.",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> "DeployConfig":
        if (self.height is None) != (self.width is None):
            raise ValueError("needs both height and width, or neither")
        return self


class Config(Section):
    """All settings of a run."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the run, and of its folder in results/."
    )
    strategy: Literal["one_shot", "staged", "independent"] = Field(
        "one_shot",
        description="Strategy of the search. one_shot: one supernet, then an evolutionary search. "
        "staged: a supernet that is trained in three stages (backbones, heads, both). independent: "
        "architectures that share no weights.",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of training, search and retraining.")
    threads: int = Field(
        2, ge=1, description="Number of CPU threads of TensorFlow, and number of threads that read images."
    )
    supernet: Optional[PathText] = Field(
        None,
        description="Trained weights of a supernet, which are used unless the run has trained its "
        "own. null means that the run must train its own.",
    )
    space: PathText = Field(
        DEFAULT_SPACE,
        description="Search space: a YAML file, or the name of one in configs/spaces/: edgeflownet_bilinear, "
        "edgeflownet_bilinear_11 or edgeflownet. [Spaces](spaces.md) describes the files.",
    )
    network: NetworkConfig = NetworkConfig()
    data: DataConfig
    train: SupernetTrainConfig = SupernetTrainConfig()
    evaluation: ScoringConfig = ScoringConfig()
    hardware: HardwareConfig
    evolution: EvolutionConfig = EvolutionConfig()
    staged: StagedConfig = StagedConfig()
    independent: IndependentConfig = IndependentConfig()
    queue: QueueConfig = QueueConfig()
    deploy: DeployConfig = DeployConfig()
    cluster: ClusterConfig = ClusterConfig()
