"""Samples: pairs of images with their ground truth."""

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

import numpy as np
from typing_extensions import Protocol


@dataclass(frozen=True)
class Sample:
    """Pair of images and the flow from the first to the second.

    Attributes:
        images: Two stacked RGB images, uint8 [H, W, 6].
        flow: Flow (u, v) in pixels, float32 [H, W, 2]; finite, and 0 where it is unknown.
        valid: Pixels with known flow, bool [H, W].
        occluded: Pixels that the second image does not show, bool [H, W]; None if the data set does not record them.
    """

    images: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: Optional[np.ndarray] = None


class FlowDataset(Protocol):
    """Data set: a fixed number of samples of one size."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Read a sample.

        Args:
            index: Index of the sample.
            rng: Generator of the augmentation; if None, no augmentation.

        Raises:
            InputError: A file of the sample cannot be used; the message names the file.
        """

    def full_sample(self, index: int) -> Sample:
        """Read a sample at its full size."""

    def select(self, count: int) -> Sequence[int]:
        """Return the indices of a representative subset.

        Args:
            count: Number of samples; if there are fewer, all are selected.

        Returns:
            Indices in ascending order; the same count always gives the same indices.
        """

    def files(self, index: int) -> Tuple[str, ...]:
        """Return the names of the files of a sample, for messages."""


def pad(sample: Sample, height: int, width: int) -> Sample:
    """Pad a sample to height x width pixels, at the bottom and on the right.

    The padding repeats the edges of the images. Its flow is unknown, so it counts towards neither a loss nor an EPE.
    The result is the same as padding the images for the network and cropping its flow.
    """
    margins = ((0, height - sample.valid.shape[0]), (0, width - sample.valid.shape[1]))
    return Sample(
        np.pad(sample.images, (*margins, (0, 0)), mode="edge"),
        np.pad(sample.flow, (*margins, (0, 0)), mode="constant"),
        np.pad(sample.valid, margins, mode="constant"),
        None if sample.occluded is None else np.pad(sample.occluded, margins, mode="constant"),
    )


def mirror(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirror a sample left-right and up-down with probability 1/2 each, and flip the signs of its flow accordingly."""
    signs = np.ones(2, np.float32)
    steps = [slice(None), slice(None)]
    for axis, component in ((1, 0), (0, 1)):
        if rng.random() < 0.5:
            steps[axis] = slice(None, None, -1)
            signs[component] = -1.0
    where = tuple(steps)
    occluded = None if sample.occluded is None else np.ascontiguousarray(sample.occluded[where])
    return Sample(
        np.ascontiguousarray(sample.images[where]),
        np.ascontiguousarray(sample.flow[where] * signs),
        np.ascontiguousarray(sample.valid[where]),
        occluded,
    )
