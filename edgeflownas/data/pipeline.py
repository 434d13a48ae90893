"""Batches of a data set: read in parallel, ahead of the step that uses them, in an order that a seed fixes."""

import contextlib
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.sample import FlowDataset
from edgeflownas.tf_runtime.devices import CPU
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

_AHEAD = 4  # batches


class Batch(NamedTuple):
    """Samples stacked: images uint8 [B, H, W, 6], flow float32 [B, H, W, 2], valid float32 [B, H, W, 1]."""

    images: np.ndarray
    flow: np.ndarray
    valid: np.ndarray


def shuffle_indices(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's samples; depends on nothing but the seed and the epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def read_batches(
    dataset: FlowDataset,
    indices: Sequence[int],
    batch_size: int,
    augment: Optional[Tuple[int, int]] = None,
    start: int = 0,
    threads: int = 2,
) -> Iterator[Batch]:
    """Reads samples in the given order.

    Args:
        dataset: gives the samples.
        indices: of the samples, in order.
        batch_size: samples per batch; the last batch may be smaller.
        augment: (seed, epoch) of the augmentation; None for plain samples. A sample's draws depend on these and on
            its place in the order only, so neither threads nor a later start change them.
        start: batches to skip.
        threads: that read.

    Yields:
        Batches.

    Raises:
        InputError: a sample cannot be used.
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
        following = tf.data.make_one_shot_iterator(samples.batch(batch_size).prefetch(_AHEAD)).get_next()
    with contextlib.closing(open_session(graph, threads + 1, CPU)) as reader:
        while True:
            try:
                batch = reader.run(following)
            except tf.errors.OutOfRangeError:
                return
            except tf.errors.OpError:
                if failure:
                    raise failure[0] from None
                raise
            yield Batch(*batch)
