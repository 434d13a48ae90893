"""The data set that a configuration names."""

from pathlib import Path
from typing import Tuple

from edgeflownas.config import DataConfig, FlyingChairs2Data, ProceduralData
from edgeflownas.data.flyingchairs2 import FlyingChairs2Dataset
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.data.sample import FlowDataset


def open_datasets(config: DataConfig) -> Tuple[FlowDataset, FlowDataset]:
    """Opens the training and the validation part.

    Raises:
        InputError: a folder is missing or holds no pairs.
    """
    if isinstance(config, FlyingChairs2Data):
        train = FlyingChairs2Dataset(Path(config.train_dir), config, "data.train_dir")
        return train, FlyingChairs2Dataset(Path(config.val_dir), config, "data.val_dir")
    assert isinstance(config, ProceduralData)
    return ProceduralDataset(config, "train"), ProceduralDataset(config, "val")
