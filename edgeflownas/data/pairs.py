"""Data set of pairs in files, in any layout."""

from typing import Optional, Sequence, Tuple

import cv2
import numpy as np

from edgeflownas.config import FileData
from edgeflownas.data.augmentation import augment, crop
from edgeflownas.data.formats import BadFileError, read_flow, read_image, read_mask
from edgeflownas.data.listing import Listing, show_name
from edgeflownas.data.sample import Sample
from edgeflownas.errors import InputError


class PairDataset:
    """Pairs in files, read on demand.

    Attributes:
        listing: Listing of the pairs.
    """

    def __init__(self, listing: Listing, config: FileData, key: str = "data") -> None:
        """Set up the data set.

        Args:
            listing: Listing of the pairs.
            config: Size of the crop, and augmentation.
            key: Key of the data set in the configuration, for messages.
        """
        self.listing = listing
        self._config, self._key = config, key

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.listing.pairs)

    def select(self, count: int) -> Sequence[int]:
        """Return evenly spaced indices, because neighbouring pairs are often frames of one sequence."""
        count = min(count, len(self))
        return [i * len(self) // count for i in range(count)]

    def files(self, index: int) -> Tuple[str, ...]:
        """Return the names of the images and of the flow of a pair, in which bytes that are not UTF-8 are escaped."""
        pair = self.listing.pairs[index]
        return tuple(show_name(self.listing.name(file)) for file in (pair.first, pair.second, pair.flow))

    def full_sample(self, index: int) -> Sample:
        """Read a pair at its full size. Flow without any finite value is treated as unknown, not as an error."""
        return self._read(index, may_be_unlabelled=True)

    def _read(self, index: int, may_be_unlabelled: bool) -> Sample:
        pair = self.listing.pairs[index]
        images = [read_image(path) for path in (pair.first, pair.second)]
        flow, valid = read_flow(pair.flow, may_be_unlabelled)
        occluded = None
        for path, image in zip((pair.first, pair.second), images):
            if image.shape[:2] != valid.shape:
                raise BadFileError("image", path, f"and its flow {pair.flow} differ in size")
        for mask in (pair.invalid, pair.occluded):
            if mask is None:
                continue
            where = read_mask(mask)
            if where.shape != valid.shape:
                raise BadFileError("mask", mask, f"and its flow {pair.flow} differ in size")
            if mask is pair.invalid:
                valid = valid & ~where
                flow = np.where(valid[..., None], flow, np.float32(0))
            else:
                occluded = where
        return Sample(cv2.merge(images), flow, valid, occluded)

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Read a pair: augmented if there is a generator, otherwise cropped at its centre."""
        sample = self._read(index, may_be_unlabelled=False)
        height, width = sample.valid.shape
        zoom = 1.0 if rng is None else max(1.0, self._config.scale[1])
        if height * zoom < self._config.height or width * zoom < self._config.width:
            raise InputError(
                f"pair {self.listing.pairs[index].flow}: is {width}x{height} pixels, smaller than the crop; lower "
                f"{self._key}.width and {self._key}.height"
            )
        return crop(sample, self._config, None) if rng is None else augment(sample, self._config, rng)
