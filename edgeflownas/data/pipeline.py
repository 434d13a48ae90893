"""Batches of a data set, read in parallel and ahead of their use, in an order fixed by a seed."""

import contextlib
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.sample import FlowDataset
from edgeflownas.tf_runtime.devices import CPU
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

_AHEAD = 4  # batches


class Batch(NamedTuple):
    """Stacked samples.

    Attributes:
        images: Pairs of images, uint8 [B, H, W, 6].
        flow: Flow in pixels, float32 [B, H, W, 2].
        valid: 1 where the flow is known, otherwise 0, float32 [B, H, W, 1].
    """

    images: np.ndarray
    flow: np.ndarray
    valid: np.ndarray


def shuffle_indices(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the samples in an epoch, which depends only on the seed and the epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def read_batches(
    dataset: FlowDataset,
    indices: Sequence[int],
    batch_size: int,
    augment: Optional[Tuple[int, int]] = None,
    start: int = 0,
    threads: int = 2,
) -> Iterator[Batch]:
    """Read batches of samples in the given order.

    Args:
        dataset: Data set to read from.
        indices: Indices of the samples, in order.
        batch_size: Samples per batch; the last batch may be smaller.
        augment: Seed and epoch of the augmentation; if None, no augmentation. The augmentation of a sample depends only
            on these and on its place in the order, not on the number of threads or on ``start``.
        start: Number of batches to skip.
        threads: Number of threads that read samples.

    Yields:
        Batches.

    Raises:
        InputError: A sample cannot be used.
    """
    failure: List[Exception] = []

    def read(place: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = None if augment is None else np.random.default_rng([*augment, int(place)])
        try:
            sample = dataset.sample(int(indices[int(place)]), rng)
        except Exception as error:
            failure.append(error)
            raise
        return sample.images, sample.flow, sample.valid[..., None].astype(np.float32)

    with tf.Graph().as_default() as graph:
        places = tf.data.Dataset.range(start * batch_size, len(indices))
        samples = places.map(
            lambda place: tf.numpy_function(read, [place], [tf.uint8, tf.float32, tf.float32]), threads
        )
        next_batch = tf.data.make_one_shot_iterator(samples.batch(batch_size).prefetch(_AHEAD)).get_next()
    with contextlib.closing(open_session(graph, threads + 1, CPU)) as reader:
        while True:
            try:
                batch = reader.run(next_batch)
            except tf.errors.OutOfRangeError:
                return
            except tf.errors.OpError:
                if failure:
                    raise failure[0] from None
                raise
            yield Batch(*batch)
