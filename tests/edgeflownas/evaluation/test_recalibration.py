import numpy as np

from edgeflownas.evaluation.recalibration import combine_statistics


def test_statistics_of_uneven_batches_equal_those_of_all_images():
    rng = np.random.default_rng(0)
    images = rng.normal(3.0, 2.0, (10, 4, 5, 6)) * np.arange(1, 7)
    parts = [images[:4], images[4:8], images[8:]]
    batches = [
        (len(part), {"bn": (part.mean(axis=(0, 1, 2)), part.var(axis=(0, 1, 2)))}) for part in parts
    ]
    mean, variance = combine_statistics(batches)["bn"]
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(variance, images.var(axis=(0, 1, 2)), rtol=1e-6)
    assert mean.dtype == variance.dtype == np.float32


def test_constant_channel_has_zero_variance():
    constant = np.full(3, 1234.567)
    batches = [(count, {"bn": (constant, np.zeros(3))}) for count in (3, 5, 7)]
    assert (combine_statistics(batches)["bn"][1] >= 0).all()
    np.testing.assert_allclose(combine_statistics(batches)["bn"][1], 0, atol=1e-12)
