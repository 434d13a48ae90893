"""One pair of images with its ground truth."""

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

import numpy as np
from typing_extensions import Protocol


@dataclass(frozen=True)
class Sample:
    """A pair of images and the flow from the first to the second.

    Attributes:
        images: uint8 [H, W, 6], two RGB frames stacked.
        flow: float32 [H, W, 2], (u, v) in pixels; finite, and 0 where it is not known.
        valid: bool [H, W], where the flow is known.
        occluded: bool [H, W], where the second frame does not show the point; None if the data set does not say.
    """

    images: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: Optional[np.ndarray] = None


class FlowDataset(Protocol):
    """A data set: a fixed number of samples of one size."""

    def __len__(self) -> int:
        """Number of samples."""

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Reads a sample, augmented by the generator's draws, or plainly where there is none.

        Raises:
            InputError: the sample's files cannot be used; the message names the file.
        """

    def full_sample(self, index: int) -> Sample:
        """Reads a sample as large as it is."""

    def select(self, count: int) -> Sequence[int]:
        """Indices of so many samples, or of all, that stand for the whole set; always the same ones."""

    def files(self, index: int) -> Tuple[str, ...]:
        """Names of what a sample is read from, for people."""


def pad(sample: Sample, height: int, width: int) -> Sample:
    """A sample of height x width pixels, grown at the bottom and on the right.

    What is added repeats the images' edges, and its flow is not known: neither a loss nor an EPE sees it. So this is
    the same as padding images before the network, and cropping its flow behind.
    """
    grown = ((0, height - sample.valid.shape[0]), (0, width - sample.valid.shape[1]))
    return Sample(
        np.pad(sample.images, (*grown, (0, 0)), mode="edge"),
        np.pad(sample.flow, (*grown, (0, 0)), mode="constant"),
        np.pad(sample.valid, grown, mode="constant"),
        None if sample.occluded is None else np.pad(sample.occluded, grown, mode="constant"),
    )


def mirror(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirrors a sample left-right and up-down, each with probability 1/2; the flow's signs follow."""
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
