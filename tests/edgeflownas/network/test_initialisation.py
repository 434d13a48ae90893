from typing import Dict, List

import cv2
import numpy as np
import pytest

from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.initialisation import (
    correlate_taps,
    draw_initial_weights,
    draw_training_weights,
    make_motion_filters,
)
from edgeflownas.network.skeleton import Skeleton

FIRST = "E0/0/kernel"


@pytest.fixture(scope="module", params=[4, 8, 32])
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return default_skeleton(request.param)


def measure_responses(kernel: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return the mean rectified response of each filter to a texture that moves by (x, y) pixels."""
    rng = np.random.default_rng(5)
    texture = cv2.GaussianBlur(rng.standard_normal((160, 160)).astype(np.float32), (0, 0), 2)
    moved = cv2.warpAffine(texture, np.array([[1, 0, x], [0, 1, y]], np.float32), (160, 160))
    frames = [image[24:-24, 24:-24] for image in (texture, moved)]
    responses: List[float] = []
    for i in range(kernel.shape[3]):
        taps = [kernel[:, :, 3 * frame : 3 * frame + 3, i].sum(axis=2) for frame in range(2)]
        summed = sum(cv2.filter2D(image, -1, tap) for image, tap in zip(frames, taps))
        responses.append(float(np.maximum(summed, 0).mean()))
    return np.array(responses)


def test_pairs_of_first_filters_distinguish_opposite_motions(skeleton: Skeleton) -> None:
    kernel = draw_training_weights(skeleton, np.random.default_rng(3))[FIRST]
    for motion in (1.0, 3.0):
        right, left = (measure_responses(kernel, x, 0.0) for x in (motion, -motion))
        down, up = (measure_responses(kernel, 0.0, y) for y in (motion, -motion))
        for pair, (one, other) in enumerate([(right - left, down - up), (down - up, right - left)]):
            minus, plus = one[2 * pair], one[2 * pair + 1]
            assert minus * plus < 0, "neighbours prefer opposite directions"
            assert abs(minus - plus) > 3 * abs(other[2 * pair] - other[2 * pair + 1])


def test_first_filters_do_not_respond_to_uniform_colour(skeleton: Skeleton) -> None:
    kernel = draw_training_weights(skeleton, np.random.default_rng(3))[FIRST]
    np.testing.assert_allclose(kernel.sum(axis=(0, 1)), 0, atol=1e-5)


def test_first_filters_have_the_energy_of_he_normal_ones(skeleton: Skeleton) -> None:
    kernel = draw_training_weights(skeleton, np.random.default_rng(3))[FIRST]
    np.testing.assert_allclose(kernel.std() * np.sqrt(kernel[..., 0].size / 2), 1.0, atol=0.05)


def test_correlated_taps_have_a_common_part() -> None:
    drawn = {"a": np.random.default_rng(1).standard_normal((3, 3, 64, 64)).astype(np.float32)}
    kernel = correlate_taps(drawn, ["a"])["a"]
    assert kernel.var() == pytest.approx(1 + 1 / 3, abs=0.05)
    between = np.corrcoef(kernel[0, 0].ravel(), kernel[2, 1].ravel())[0, 1]
    assert 0.4 < between < 0.8


def test_other_weights_and_the_inputs_stay_unchanged() -> None:
    skeleton = default_skeleton(4)
    drawn = draw_initial_weights(skeleton.parameters(), np.random.default_rng(1))
    before: Dict[str, np.ndarray] = {name: value.copy() for name, value in drawn.items()}
    changed = make_motion_filters(drawn, [FIRST], np.random.default_rng(2))
    assert [name for name in drawn if not np.array_equal(changed[name], drawn[name])] == [FIRST]
    correlate_taps(drawn, ["E1/0/kernel"])
    assert all(np.array_equal(drawn[name], before[name]) for name in drawn)


def test_heads_are_he_normal_and_blocks_start_as_the_identity(skeleton: Skeleton) -> None:
    weights = draw_training_weights(skeleton, np.random.default_rng(1))
    drawn = draw_initial_weights(skeleton.parameters(), np.random.default_rng(1))
    for name, value in weights.items():
        if "Out/" in name:
            np.testing.assert_array_equal(value, drawn[name])
        if name.endswith("bn1/gamma"):
            assert not value.any()


def test_child_has_only_its_own_weights(skeleton: Skeleton) -> None:
    architecture = (2, 1, 0, 0, 1, 2, 0, 0, 1)
    weights = draw_training_weights(skeleton, np.random.default_rng(1), architecture)
    assert {name: value.shape for name, value in weights.items()} == skeleton.parameters(architecture)
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in weights.values())
