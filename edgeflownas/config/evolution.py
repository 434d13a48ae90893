"""Keys of the evolutionary search."""

from typing import Any, Dict, List, Optional

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Annotated, Literal

from edgeflownas.config.section import Section, WrittenInt

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
