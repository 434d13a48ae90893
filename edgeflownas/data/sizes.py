"""Data sets whose samples are those of another data set, at a different size."""

from typing import Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.augmentation import resize
from edgeflownas.data.sample import FlowDataset, Sample, pad


class _View:
    """Data set that changes the samples of another data set.

    Attributes:
        dataset: Data set with the samples.
    """

    def __init__(self, dataset: FlowDataset) -> None:
        """Wrap a data set."""
        self.dataset = dataset

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    def full_sample(self, index: int) -> Sample:
        """Read a sample at its full size, unchanged."""
        return self.dataset.full_sample(index)

    def select(self, count: int) -> Sequence[int]:
        """Return indices of samples that represent the data set."""
        return self.dataset.select(count)

    def files(self, index: int) -> Tuple[str, ...]:
        """Return the names of the files of a sample."""
        return self.dataset.files(index)


class _SizedView(_View):
    """Data set that brings the samples of another data set to one size."""

    def __init__(self, dataset: FlowDataset, size: Tuple[int, int]) -> None:
        """Wrap a data set.

        Args:
            dataset: Data set to wrap.
            size: Height and width of the samples, in pixels.
        """
        super().__init__(dataset)
        self._size = size


class PaddedDataset(_SizedView):
    """Data set whose samples are padded to a size that the network accepts."""

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Read a sample and pad it."""
        return pad(self.dataset.sample(index, rng), *self._size)


class ResizedDataset(_SizedView):
    """Data set whose samples are resized, with their flow."""

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Read a sample and resize it."""
        return resize(self.dataset.sample(index, rng), *self._size)


class WholeDataset(_View):
    """Data set whose samples are whole images, without cropping or augmentation."""

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Read a sample at its full size."""
        return self.dataset.full_sample(index)


def find_source(dataset: FlowDataset) -> FlowDataset:
    """Return the data set that a data set takes its samples from, which may be itself."""
    while isinstance(dataset, _View):
        dataset = dataset.dataset
    return dataset
