import numpy as np
import pytest

from edgeflownas.data.sample import Sample
from edgeflownas.evaluation.metrics import FlowMetrics


def pair(height, width, seed, size=30.0, share=0.7, occlusion=False):
    rng = np.random.default_rng(seed)
    flow = rng.normal(0, size, (height, width, 2)).astype(np.float32)
    valid = rng.random((height, width)) < share
    occluded = rng.random((height, width)) < 0.3 if occlusion else None
    flow[~valid] = 0
    sample = Sample(np.zeros((height, width, 6), np.uint8), flow, valid, occluded)
    return flow + rng.normal(0, 3, flow.shape).astype(np.float32), sample


def test_figures_match_their_definitions_over_all_pixels_of_all_images():
    pairs = [pair(20, 30, 1, 5.0), pair(11, 17, 2, 40.0), pair(8, 8, 3)]
    metrics = FlowMetrics()
    images = [metrics.add(*prediction_and_sample) for prediction_and_sample in pairs]
    errors, motions, means = [], [], []
    for prediction, sample in pairs:
        image_errors = []
        for y, x in zip(*np.nonzero(sample.valid)):
            image_errors.append(float(np.hypot(*(prediction[y, x].astype(float) - sample.flow[y, x]))))
            motions.append(float(np.hypot(*sample.flow[y, x].astype(float))))
        errors += image_errors
        means.append(sum(image_errors) / len(image_errors))
    figures = metrics.figures()
    assert figures["epe"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert figures["zero_flow_epe"] == pytest.approx(np.mean(motions), rel=1e-6)
    assert images == pytest.approx(means, rel=1e-6) and figures["epe_per_image"] == pytest.approx(np.mean(means))
    for name, least, most in (("epe_s0_10", 0, 10), ("epe_s10_40", 10, 40), ("epe_s40", 40, 1e9)):
        selected = [error for error, motion in zip(errors, motions) if least <= motion < most]
        assert selected and figures[name] == pytest.approx(np.mean(selected), rel=1e-5)
    outliers = [error > 3 and error / motion > 0.05 for error, motion in zip(errors, motions)]
    assert 0 < figures["fl_all"] < 100 and figures["fl_all"] == pytest.approx(100 * np.mean(outliers))
    assert metrics.pixels == len(errors) and "epe_occluded" not in figures


def test_visible_and_occluded_pixels_have_separate_figures():
    prediction, sample = pair(20, 30, 1, occlusion=True)
    metrics = FlowMetrics()
    metrics.add(prediction, sample)
    distance = np.linalg.norm(prediction - sample.flow, axis=-1)
    figures = metrics.figures()
    assert figures["epe_occluded"] == pytest.approx(distance[sample.valid & sample.occluded].mean(), rel=1e-5)
    assert figures["epe_visible"] == pytest.approx(distance[sample.valid & ~sample.occluded].mean(), rel=1e-5)


def test_invalid_pixels_are_ignored_and_absent_pixels_have_no_figure():
    prediction, sample = pair(10, 10, 1, size=1.0)
    metrics, other = FlowMetrics(), FlowMetrics()
    metrics.add(prediction, sample)
    other.add(np.where(sample.valid[..., None], prediction, np.float32(1e6)), sample)
    assert metrics.figures() == other.figures() and metrics.figures()["epe_s40"] is None
    nothing = Sample(sample.images, sample.flow * 0, np.zeros_like(sample.valid))
    assert other.add(prediction, nothing) is None
    assert metrics.figures() == other.figures()


def test_prediction_that_is_not_finite_is_refused():
    prediction, sample = pair(10, 10, 1)
    prediction[3, 3, 0] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        FlowMetrics().add(prediction, sample)
