"""All keys of a run."""

from typing import Optional

from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config.cluster import ClusterConfig
from edgeflownas.config.data import DataConfig
from edgeflownas.config.evolution import EvolutionConfig
from edgeflownas.config.hardware import DeployConfig, HardwareConfig
from edgeflownas.config.network import DEFAULT_SPACE, NetworkConfig
from edgeflownas.config.queue import QueueConfig
from edgeflownas.config.scoring import ScoringConfig
from edgeflownas.config.section import PathText, Section
from edgeflownas.config.strategies import IndependentConfig, StagedConfig
from edgeflownas.config.training import SupernetTrainConfig


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
