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
)
from edgeflownas.config.file import dump, load, read_yaml, validate
from edgeflownas.config.run import (
    DEFAULT_SPACE,
    Bound,
    ChildConfig,
    Config,
    CostFigure,
    EvaluationConfig,
    EvolutionConfig,
    HardwareConfig,
    IndependentConfig,
    NetworkConfig,
    Objective,
    QueueConfig,
    ScoringConfig,
    StageConfig,
    StagedConfig,
    SupernetTrainConfig,
    TrainConfig,
)
from edgeflownas.config.section import Section

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
    "read_yaml",
    "validate",
]
