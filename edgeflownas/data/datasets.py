"""The data set that a configuration names."""

from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from edgeflownas.config import DataConfig, FlyingChairs2Data, ProceduralData
from edgeflownas.data.flyingchairs2 import FlyingChairs2Dataset
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.data.sample import FlowDataset, Sample, padded


class PaddedDataset:
    """A data set whose samples are grown to the size that the network works at."""

    def __init__(self, dataset: FlowDataset, size: Tuple[int, int]) -> None:
        """Wraps a data set; the size is height and width in pixels."""
        self._dataset, self._size = dataset, size

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._dataset)

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Reads a sample, and pads it."""
        return padded(self._dataset.sample(index, rng), *self._size)


def open_datasets(config: DataConfig) -> Tuple[FlowDataset, FlowDataset]:
    """Opens the training and the validation part, padded to the size that the network works at.

    Raises:
        InputError: a folder is missing or holds no pairs.
    """
    train, val = _opened(config)
    if config.padded_size == (config.height, config.width):
        return train, val
    return PaddedDataset(train, config.padded_size), PaddedDataset(val, config.padded_size)


def _opened(config: DataConfig) -> Tuple[FlowDataset, FlowDataset]:
    if isinstance(config, FlyingChairs2Data):
        train = FlyingChairs2Dataset(Path(config.train_dir), config, "data.train_dir")
        return train, FlyingChairs2Dataset(Path(config.val_dir), config, "data.val_dir")
    assert isinstance(config, ProceduralData)
    return ProceduralDataset(config, "train"), ProceduralDataset(config, "val")
