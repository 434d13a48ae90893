import cv2
import numpy as np
import pytest

from edgeflownas.config import ListData
from edgeflownas.data.augmentation import augment, crop, resize
from edgeflownas.data.pipeline import read_batches
from edgeflownas.data.sample import Sample


def config(**changes):
    off = {"crop": False, "flips": False}
    return ListData(kind="list", val_list="none", height=48, width=64, **{**off, **changes})


def smooth(height, width, seed=0):
    """Return a pair whose second image is the first one, warped by an affine map, with the exact flow."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (height * 3, width * 3, 3)).astype(np.float32), (0, 0), 4)
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    matrix = np.array([[1.05, 0.04, 2.0], [-0.03, 0.97, -1.5]], np.float32)
    flow = cv2.transform(grid, matrix) - grid
    origin = np.array([width, height], np.float32)
    back = cv2.transform(grid, cv2.invertAffineTransform(matrix))
    frames = [cv2.remap(texture, *np.moveaxis(where + origin, -1, 0), cv2.INTER_LINEAR) for where in (grid, back)]
    images = np.clip(np.rint(np.concatenate(frames, -1)), 0, 255).astype(np.uint8)
    return Sample(images, flow.astype(np.float32), np.ones((height, width), bool))


def photometric_error(sample):
    """Return the error of the second image, warped by the flow, relative to the error without flow."""
    height, width = sample.valid.shape
    first, second = (sample.images[..., part].astype(np.float32) for part in (slice(3), slice(3, 6)))
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    target = grid + sample.flow
    inside = ((target >= 0) & (target <= (width - 1, height - 1))).all(-1) & sample.valid
    warped = cv2.remap(second, target[..., 0], target[..., 1], cv2.INTER_LINEAR)
    return np.abs(warped - first)[inside].mean() / np.abs(second - first)[inside].mean()


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": True},
        {"scale": [1.5, 1.5]},
        {"scale": [0.6, 0.6]},
        {"flips": True},
        {"crop": True, "flips": True, "scale": [0.5, 2.0]},
    ],
)
def test_flow_explains_the_second_image_after_geometric_changes(changes):
    sample = smooth(96, 120)
    assert photometric_error(sample) < 0.1
    for seed in range(8):
        changed = augment(sample, config(**changes), np.random.default_rng(seed))
        assert changed.images.shape == (48, 64, 6) and changed.valid.shape == (48, 64)
        assert photometric_error(changed) < 0.2
        wrong = Sample(changed.images, -changed.flow, changed.valid)
        assert photometric_error(wrong) > 0.7


def test_without_augmentation_the_sample_is_the_central_crop():
    sample = smooth(60, 80)
    changed = augment(sample, config(), np.random.default_rng(0))
    np.testing.assert_array_equal(changed.images, sample.images[6:54, 8:72])
    np.testing.assert_array_equal(changed.flow, sample.flow[6:54, 8:72])


@pytest.mark.parametrize(
    "changes", [{"crop": True}, {"scale": [1.0, 1.3]}, {"flips": True}, {"colour": 0.4}, {"noise": 9}]
)
def test_each_kind_of_augmentation_changes_images_and_is_reproducible(changes):
    sample = smooth(60, 80)
    plain = augment(sample, config(), np.random.default_rng(0)).images
    images = [augment(sample, config(**changes), np.random.default_rng(seed)).images for seed in (1, 2, 3, 1)]
    assert any((image != plain).any() for image in images[:3])
    np.testing.assert_array_equal(images[0], images[3])


def test_resize_scales_the_flow():
    sample = smooth(48, 64)
    changed = resize(sample, 96, 192)
    np.testing.assert_allclose(changed.flow[48, 96] / sample.flow[24, 32], (3, 2), rtol=0.05)


def test_resize_does_not_leak_unknown_flow_into_known_flow():
    flow = np.zeros((48, 64, 2), np.float32)
    valid = np.random.default_rng(0).random((48, 64)) < 0.2
    flow[valid] = (4.0, -6.0)
    occluded = ~valid
    for size in ((96, 128), (31, 43)):
        changed = resize(Sample(np.zeros((48, 64, 6), np.uint8), flow, valid, occluded), *size)
        assert 0.1 < changed.valid.mean() < 0.3 and (changed.occluded == ~changed.valid).all()
        expected = np.array([4.0 * size[1] / 64, -6.0 * size[0] / 48], np.float32)
        np.testing.assert_allclose(changed.flow[changed.valid], np.tile(expected, (changed.valid.sum(), 1)), rtol=1e-6)


def test_crop_has_the_configured_size_even_if_the_zoom_is_too_small():
    sample = smooth(50, 70)
    for seed in range(10):
        assert crop(sample, config(scale=[0.1, 2.0], crop=True), np.random.default_rng(seed)).valid.shape == (48, 64)


def test_colours_usually_change_alike_in_both_images_and_flow_never():
    sample = smooth(48, 64)
    same = Sample(np.concatenate([sample.images[..., :3]] * 2, -1), sample.flow, sample.valid)
    alike = 0
    for seed in range(200):
        changed = augment(same, config(colour=0.4), np.random.default_rng(seed))
        alike += int((changed.images[..., :3] == changed.images[..., 3:]).all())
        np.testing.assert_array_equal(changed.flow, same.flow)
    assert 130 < alike < 185


def test_grey_stays_grey_and_noise_has_the_configured_strength():
    grey = Sample(np.full((48, 64, 6), 128, np.uint8), np.zeros((48, 64, 2), np.float32), np.ones((48, 64), bool))
    for seed in range(20):
        changed = augment(grey, config(colour=0.5), np.random.default_rng(seed)).images
        assert np.ptp(changed[..., :3].astype(int)) <= 1
    spread = [augment(grey, config(noise=10), np.random.default_rng(seed)).images.std() for seed in range(60)]
    assert max(spread) < 10.5 and 4 < np.mean(spread) < 6


def test_batches_do_not_depend_on_the_number_of_threads():
    sample, all_on = smooth(60, 80), config(crop=True, flips=True, scale=[0.8, 1.4], colour=0.4, noise=5)

    class One:
        def sample(self, index, rng):
            return augment(sample, all_on, rng)

    runs = [list(read_batches(One(), range(12), 4, augment=(3, 1), threads=threads)) for threads in (1, 4)]
    for one, other in zip(*runs):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)
    assert (runs[0][0].images[0] != runs[0][0].images[1]).any()
