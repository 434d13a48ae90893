"""What can be configured?

The configuration is strict: an unknown key, a wrong type or an invalid value is an error that names the key and what is
allowed.
"""

from edgeflownas.config.cluster import ClusterConfig
from edgeflownas.config.data import (
    DATA_KINDS,
    MULTIPLE,
    DataConfig,
    DataFile,
    FileData,
    FlyingChairs2Data,
    FlyingChairsData,
    FlyingShapesData,
    FlyingThings3DData,
    KittiData,
    ListData,
    MiddleburyData,
    ProceduralData,
    SintelData,
    pad_size,
)
from edgeflownas.config.evolution import Bound, CostFigure, EvolutionConfig, Objective
from edgeflownas.config.file import dump, load, read_yaml, validate
from edgeflownas.config.hardware import DeployConfig, HardwareConfig
from edgeflownas.config.network import DEFAULT_SPACE, NetworkConfig
from edgeflownas.config.queue import ChildConfig, QueueConfig
from edgeflownas.config.run import Config
from edgeflownas.config.scoring import EvaluationConfig, ScoringConfig
from edgeflownas.config.section import Section
from edgeflownas.config.strategies import IndependentConfig, StagedConfig
from edgeflownas.config.training import StageConfig, SupernetTrainConfig, TrainConfig

__all__ = [
    "Bound",
    "ChildConfig",
    "ClusterConfig",
    "Config",
    "CostFigure",
    "DATA_KINDS",
    "DEFAULT_SPACE",
    "DataConfig",
    "DataFile",
    "DeployConfig",
    "EvaluationConfig",
    "EvolutionConfig",
    "FileData",
    "FlyingChairs2Data",
    "FlyingChairsData",
    "FlyingShapesData",
    "FlyingThings3DData",
    "HardwareConfig",
    "IndependentConfig",
    "KittiData",
    "ListData",
    "MULTIPLE",
    "MiddleburyData",
    "NetworkConfig",
    "Objective",
    "ProceduralData",
    "QueueConfig",
    "ScoringConfig",
    "Section",
    "SintelData",
    "StageConfig",
    "StagedConfig",
    "SupernetTrainConfig",
    "TrainConfig",
    "dump",
    "load",
    "pad_size",
    "read_yaml",
    "validate",
]
