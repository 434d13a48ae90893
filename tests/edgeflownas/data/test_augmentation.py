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
    """A pair whose second image is the first one, warped by a flow that is known at every point: an affine map."""
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
    """How far the second image, fetched along the flow, is from the first, as a share of the error without flow."""
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
def test_after_every_geometric_change_the_flow_still_explains_the_second_image(changes):
    sample = smooth(96, 120)
    assert photometric_error(sample) < 0.1
    for seed in range(8):
        found = augment(sample, config(**changes), np.random.default_rng(seed))
        assert found.images.shape == (48, 64, 6) and found.valid.shape == (48, 64)
        assert photometric_error(found) < 0.2
        wrong = Sample(found.images, -found.flow, found.valid)
        assert photometric_error(wrong) > 0.7


def test_everything_switched_off_is_the_crop_at_the_centre():
    sample = smooth(60, 80)
    found = augment(sample, config(), np.random.default_rng(0))
    np.testing.assert_array_equal(found.images, sample.images[6:54, 8:72])
    np.testing.assert_array_equal(found.flow, sample.flow[6:54, 8:72])


@pytest.mark.parametrize(
    "changes", [{"crop": True}, {"scale": [1.0, 1.3]}, {"flips": True}, {"colour": 0.4}, {"noise": 9}]
)
def test_each_switch_changes_something_and_repeats_itself_by_seed(changes):
    sample = smooth(60, 80)
    plain = augment(sample, config(), np.random.default_rng(0)).images
    found = [augment(sample, config(**changes), np.random.default_rng(seed)).images for seed in (1, 2, 3, 1)]
    assert any((each != plain).any() for each in found[:3])
    np.testing.assert_array_equal(found[0], found[3])


def test_scaling_an_image_scales_its_flow():
    sample = smooth(48, 64)
    found = resize(sample, 96, 192)
    np.testing.assert_allclose(found.flow[48, 96] / sample.flow[24, 32], (3, 2), rtol=0.05)


def test_nothing_unknown_leaks_into_what_is_known_when_scaling():
    flow = np.zeros((48, 64, 2), np.float32)
    valid = np.random.default_rng(0).random((48, 64)) < 0.2
    flow[valid] = (4.0, -6.0)
    occluded = ~valid
    for size in ((96, 128), (31, 43)):
        found = resize(Sample(np.zeros((48, 64, 6), np.uint8), flow, valid, occluded), *size)
        assert 0.1 < found.valid.mean() < 0.3 and (found.occluded == ~found.valid).all()
        expected = np.array([4.0 * size[1] / 64, -6.0 * size[0] / 48], np.float32)
        np.testing.assert_allclose(found.flow[found.valid], np.tile(expected, (found.valid.sum(), 1)), rtol=1e-6)


def test_a_zoom_never_needs_more_than_there_is():
    sample = smooth(50, 70)
    for seed in range(10):
        assert crop(sample, config(scale=[0.1, 2.0], crop=True), np.random.default_rng(seed)).valid.shape == (48, 64)


def test_colours_change_alike_in_both_images_most_of_the_time_and_geometry_never():
    sample = smooth(48, 64)
    same = Sample(np.concatenate([sample.images[..., :3]] * 2, -1), sample.flow, sample.valid)
    alike = 0
    for seed in range(200):
        found = augment(same, config(colour=0.4), np.random.default_rng(seed))
        alike += int((found.images[..., :3] == found.images[..., 3:]).all())
        np.testing.assert_array_equal(found.flow, same.flow)
    assert 130 < alike < 185


def test_grey_stays_grey_but_for_its_brightness_and_noise_has_the_size_that_is_asked_for():
    grey = Sample(np.full((48, 64, 6), 128, np.uint8), np.zeros((48, 64, 2), np.float32), np.ones((48, 64), bool))
    for seed in range(20):
        found = augment(grey, config(colour=0.5), np.random.default_rng(seed)).images
        assert np.ptp(found[..., :3].astype(int)) <= 1
    spread = [augment(grey, config(noise=10), np.random.default_rng(seed)).images.std() for seed in range(60)]
    assert max(spread) < 10.5 and 4 < np.mean(spread) < 6


def test_batches_are_the_same_whatever_the_number_of_threads():
    sample, all_on = smooth(60, 80), config(crop=True, flips=True, scale=[0.8, 1.4], colour=0.4, noise=5)

    class One:
        def sample(self, index, rng):
            return augment(sample, all_on, rng)

    found = [list(read_batches(One(), range(12), 4, augment=(3, 1), threads=threads)) for threads in (1, 4)]
    for one, other in zip(*found):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)
    assert (found[0][0].images[0] != found[0][0].images[1]).any()
