import cv2
import numpy as np
import pytest

from edgeflownas.config import ProceduralData
from edgeflownas.data.procedural import ProceduralDataset

CONFIG = ProceduralData(kind="procedural", height=64, width=96, seed=3, train_pairs=40, val_pairs=12)


def grid(sample):
    height, width = sample.valid.shape
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


def test_index_determines_the_scene():
    train, again, val = (ProceduralDataset(CONFIG, part) for part in ("train", "train", "val"))
    first = train.sample(5, None)
    np.testing.assert_array_equal(first.images, again.sample(5, None).images)
    np.testing.assert_array_equal(first.flow, again.sample(5, None).flow)
    others = [train.sample(6, None), val.sample(5, None)]
    others.append(ProceduralDataset(CONFIG.model_copy(update={"seed": 4}), "train").sample(5, None))
    assert all((other.images != first.images).any() for other in others)


def test_samples_have_the_documented_types_and_shapes():
    dataset = ProceduralDataset(CONFIG, "val")
    assert len(dataset) == 12
    for index in range(len(dataset)):
        sample = dataset.sample(index, None)
        assert sample.images.shape == (64, 96, 6) and sample.images.dtype == np.uint8
        assert sample.flow.shape == (64, 96, 2) and sample.flow.dtype == np.float32
        assert sample.valid.all() and np.isfinite(sample.flow).all()


def test_flow_leads_to_the_same_colours_in_the_second_frame():
    """Where nothing is occluded, the second frame at x + flow shows the colour of the first frame at x."""
    ratios = []
    for index in range(20):
        sample = ProceduralDataset(CONFIG, "train").sample(index, None)
        target = grid(sample) + sample.flow
        second = sample.images[..., 3:].astype(np.float32)
        warped = cv2.remap(second, target[..., 0], target[..., 1], cv2.INTER_LINEAR)
        seen = ~sample.occluded
        first = sample.images[..., :3].astype(np.float32)
        with_flow, without = (np.abs(image - first)[seen].mean() for image in (warped, second))
        ratios.append(with_flow / without)
    assert np.mean(ratios) < 0.1 and max(ratios) < 0.35


def test_occluded_points_are_out_of_frame_or_look_different():
    """The warped frame differs far more from the first frame at occluded points than elsewhere."""
    hidden_errors, seen_errors = [], []
    for index in range(20):
        sample = ProceduralDataset(CONFIG, "train").sample(index, None)
        target = grid(sample) + sample.flow
        inside = (target >= 0).all(-1) & (target[..., 0] <= 95) & (target[..., 1] <= 63)
        assert sample.occluded[~inside].all()
        second = sample.images[..., 3:].astype(np.float32)
        warped = cv2.remap(second, target[..., 0], target[..., 1], cv2.INTER_LINEAR)
        error = np.abs(warped - sample.images[..., :3]).mean(-1)
        hidden_errors.extend(error[sample.occluded & inside])
        seen_errors.extend(error[~sample.occluded])
    assert len(hidden_errors) > 500
    assert np.median(hidden_errors) > 20 * max(np.median(seen_errors), 1.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_mirroring_keeps_images_and_flow_consistent(axis):
    dataset = ProceduralDataset(CONFIG, "train")
    plain = dataset.sample(7, None)
    seen = set()
    for seed in range(20):
        mirrored = dataset.sample(7, np.random.default_rng(seed))
        for steps in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            where = tuple(slice(None, None, step) for step in steps)
            if (mirrored.images == plain.images[where]).all():
                signs = np.float32([steps[1], steps[0]])
                np.testing.assert_array_equal(mirrored.flow, plain.flow[where] * signs)
                np.testing.assert_array_equal(mirrored.occluded, plain.occluded[where])
                seen.add(steps)
    assert {steps[axis] for steps in seen} == {1, -1} and len(seen) == 4


def test_motion_scales_with_the_configuration():
    small, large = (
        ProceduralDataset(CONFIG.model_copy(update={"motion": motion}), "train") for motion in (2.0, 12.0)
    )
    speeds = [np.mean([np.abs(dataset.sample(i, None).flow).mean() for i in range(10)]) for dataset in (small, large)]
    assert speeds[1] > 2 * speeds[0]
