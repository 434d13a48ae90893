import numpy as np
import pytest

from edgeflownas.data.pipeline import read_batches, shuffle_indices
from edgeflownas.errors import InputError
from tests.small import datasets


def all_batches(*args, **kwargs):
    return list(read_batches(*args, **kwargs))


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other))


def test_batches_hold_the_samples_in_order():
    train, _ = datasets()
    order = [3, 1, 2, 9, 0]
    stacked = all_batches(train, order, 2)
    assert [len(batch.images) for batch in stacked] == [2, 2, 1]
    for place, index in enumerate(order):
        sample, batch = train.sample(index, None), stacked[place // 2]
        np.testing.assert_array_equal(batch.images[place % 2], sample.images)
        np.testing.assert_array_equal(batch.flow[place % 2], sample.flow)
        np.testing.assert_array_equal(batch.valid[place % 2, ..., 0], sample.valid)
        assert batch.valid.dtype == np.float32


def test_augmentation_depends_on_seed_epoch_and_place_but_not_on_threads_or_start():
    train, _ = datasets()
    order = shuffle_indices(len(train), seed=1, epoch=0)
    one = all_batches(train, order, 4, augment=(1, 0), threads=1)
    many = all_batches(train, order, 4, augment=(1, 0), threads=4)
    late = all_batches(train, order, 4, augment=(1, 0), start=2)
    assert all(same(a, b) for a, b in zip(one, many))
    assert len(late) == 2 and all(same(a, b) for a, b in zip(one[2:], late))
    for other in ((1, 1), (2, 0)):
        changed = all_batches(train, order, 4, augment=other)
        assert not all(same(a, b) for a, b in zip(one, changed))


def test_order_is_a_different_permutation_for_every_seed_and_epoch():
    orders = [tuple(shuffle_indices(50, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9 and all(sorted(order) == list(range(50)) for order in orders)
    assert tuple(shuffle_indices(50, 2, 1)) in orders


def test_error_of_a_bad_sample_is_passed_on():
    class Broken:
        def __len__(self):
            return 3

        def sample(self, index, rng):
            if index == 2:
                raise InputError("flow 0002.flo: is damaged")
            return datasets()[0].sample(index, rng)

    reader = read_batches(Broken(), range(3), 1)
    assert len(next(reader).images) == 1
    with pytest.raises(InputError, match="0002.flo"):
        list(reader)
