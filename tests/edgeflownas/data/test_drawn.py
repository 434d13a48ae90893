from typing import Any, Dict

import cv2
import numpy as np
import pytest

from edgeflownas.config import FlyingShapesData, ProceduralData
from edgeflownas.data.datasets import open_part

SIZES: Dict[str, Any] = {"height": 64, "width": 96, "seed": 3, "train_pairs": 40, "val_pairs": 12}
CONFIGS = [
    ProceduralData(kind="procedural", **SIZES),
    FlyingShapesData(kind="flying_shapes", motion=12, **SIZES),
]


@pytest.fixture(params=CONFIGS, ids=lambda config: config.kind)
def config(request):
    return request.param


def grid(sample):
    height, width = sample.valid.shape
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


def warp_back(sample):
    """Warp the second frame by the flow, so that it shows what the first frame shows."""
    target = grid(sample) + sample.flow
    second = sample.images[..., 3:].astype(np.float32)
    return cv2.remap(second, target[..., 0], target[..., 1], cv2.INTER_LINEAR)


def test_index_determines_the_scene(config):
    train, again, val = (open_part(config, part) for part in ("train", "train", "val"))
    first = train.sample(5, None)
    np.testing.assert_array_equal(first.images, again.sample(5, None).images)
    np.testing.assert_array_equal(first.flow, again.sample(5, None).flow)
    others = [train.sample(6, None), val.sample(5, None)]
    others.append(open_part(config.model_copy(update={"seed": 4}), "train").sample(5, None))
    assert all((other.images != first.images).any() for other in others)


def test_samples_have_the_documented_types_and_shapes(config):
    dataset = open_part(config, "val")
    assert len(dataset) == 12
    for index in range(len(dataset)):
        sample = dataset.sample(index, None)
        assert sample.images.shape == (64, 96, 6) and sample.images.dtype == np.uint8
        assert sample.flow.shape == (64, 96, 2) and sample.flow.dtype == np.float32
        assert sample.valid.all() and np.isfinite(sample.flow).all()


def test_flow_leads_to_the_same_colours_in_the_second_frame(config):
    """Where nothing is occluded, the second frame at x + flow shows the colour of the first frame at x."""
    with_flow, without = 0.0, 0.0
    for index in range(20):
        sample = open_part(config, "train").sample(index, None)
        first, second = (sample.images[..., part].astype(np.float32) for part in (slice(3), slice(3, 6)))
        seen = ~sample.occluded
        with_flow += np.abs(warp_back(sample) - first)[seen].mean()
        without += np.abs(second - first)[seen].mean()
    assert with_flow < 0.1 * without


def test_occluded_points_are_out_of_frame_or_look_different(config):
    """The warped frame differs far more from the first frame at occluded points than elsewhere."""
    hidden_errors, seen_errors = [], []
    for index in range(20):
        sample = open_part(config, "train").sample(index, None)
        target = grid(sample) + sample.flow
        inside = (target >= 0).all(-1) & (target[..., 0] <= 95) & (target[..., 1] <= 63)
        assert sample.occluded[~inside].all()
        error = np.abs(warp_back(sample) - sample.images[..., :3]).mean(-1)
        hidden_errors.extend(error[sample.occluded & inside])
        seen_errors.extend(error[~sample.occluded])
    assert len(hidden_errors) > 500
    assert np.median(hidden_errors) > 20 * max(np.median(seen_errors), 1.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_mirroring_keeps_images_and_flow_consistent(config, axis):
    dataset = open_part(config, "train")
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


def test_motion_scales_with_the_configuration(config):
    small, large = (open_part(config.model_copy(update={"motion": motion}), "train") for motion in (2.0, 20.0))
    speeds = [np.mean([np.abs(dataset.sample(i, None).flow).mean() for i in range(10)]) for dataset in (small, large)]
    assert speeds[1] > 2 * speeds[0]
