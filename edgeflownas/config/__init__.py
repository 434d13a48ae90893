"""The configuration of a run.

Strict: an unknown key, a wrong type or an impossible value is refused with the key's full name and what is allowed.
"""

from edgeflownas.config.data import DATA_KINDS, MULTIPLE, DataConfig, FlyingChairs2Data, ProceduralData
from edgeflownas.config.file import dump, load, read_yaml, validate
from edgeflownas.config.run import (
    ChildConfig,
    Config,
    EvaluationConfig,
    EvolutionConfig,
    HardwareConfig,
    NetworkConfig,
    Objective,
    QueueConfig,
    TrainConfig,
)
from edgeflownas.config.section import Section

__all__ = [
    "ChildConfig",
    "Config",
    "DATA_KINDS",
    "DataConfig",
    "EvaluationConfig",
    "EvolutionConfig",
    "FlyingChairs2Data",
    "HardwareConfig",
    "MULTIPLE",
    "NetworkConfig",
    "Objective",
    "ProceduralData",
    "QueueConfig",
    "Section",
    "TrainConfig",
    "dump",
    "load",
    "read_yaml",
    "validate",
]
