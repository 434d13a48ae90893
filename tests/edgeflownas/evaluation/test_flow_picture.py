"""Pictures of a prediction next to its ground truth."""

import numpy as np
import pytest

from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.data.sample import Sample
from edgeflownas.evaluation.flow_picture import (
    ERROR_COLOURS,
    colour_errors,
    describe_flow,
    draw_legend,
    draw_panels,
    draw_picture,
)
from edgeflownas.evaluation.metrics import FlowMetrics

OUTLIERS = [colour for _, colour in ERROR_COLOURS[5:]]


def make_sample(truth, valid=None):
    shape = truth.shape[:2]
    return Sample(np.full((*shape, 6), 7, np.uint8), truth, np.ones(shape, bool) if valid is None else valid)


def test_errors_have_the_colour_of_their_interval():
    bounds = [bound for bound, _ in ERROR_COLOURS]
    assert bounds[:-1] == [0.1875 * 2**step for step in range(9)] and bounds[4] == 3.0
    errors = np.array([[0.0, 0.1874, 0.1875, 2.9, 3.0, 47.0, 48.0, 1e6, 0.0]])
    valid = np.array([[True] * 8 + [False]])
    expected = [ERROR_COLOURS[step][1] for step in (0, 0, 1, 4, 5, 8, 9, 9)] + [(0, 0, 0)]
    for motion in (np.zeros_like(errors), np.full_like(errors, 59.0)):  # up to 60 px, 3 px are 5 % or more
        assert [tuple(colour) for colour in colour_errors(errors, motion, valid)[0]] == expected


@pytest.mark.parametrize(("error", "motion", "step"), [(10.0, 200.0, 5), (9.9, 200.0, 4), (10.0, 1000.0, 2)])
def test_errors_of_long_motion_have_the_colour_of_their_share(error, motion, step):
    """An error of 10 px is 5 % of 200 px, which is drawn like 3 px, and 1 % of 1,000 px, drawn like 0.6 px."""
    colour = colour_errors(np.array([[error]]), np.array([[motion]]), np.array([[True]]))[0, 0]
    assert tuple(colour) == ERROR_COLOURS[step][1]


def test_pixels_in_warm_colours_are_the_outliers_that_are_counted():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 60, (30, 40, 2)).astype(np.float32)
    sample = make_sample(truth, rng.random((30, 40)) < 0.7)
    prediction = truth + rng.normal(0, 4, truth.shape).astype(np.float32)
    image = draw_panels(sample, prediction)[3]
    warm = sum((image == colour).all(axis=-1) for colour in OUTLIERS).sum()
    metrics = FlowMetrics()
    metrics.add(prediction, sample)
    figures = metrics.figures()
    assert 20 < figures["fl_all"] < 90, "both kinds of pixels occur"
    assert warm == pytest.approx(figures["fl_all"] / 100 * metrics.pixels)


def test_ground_truth_and_prediction_have_the_same_scale():
    truth = np.zeros((2, 3, 2), np.float32)
    truth[0, 0] = (4, 0)
    sample = make_sample(truth)
    image, true, predicted, error = draw_panels(sample, truth / 2)
    assert (image == 7).all() and (predicted == colour_flow(truth / 2, 4.0)).all()
    assert (true == colour_flow(truth)).all() and (predicted != true).any()
    assert tuple(error[0, 0]) == ERROR_COLOURS[4][1]  # 2 px
    assert describe_flow(sample, truth / 2) == "longest flow 4.0 px, predicted 2.0 px"


@pytest.mark.parametrize("known", [True, False])
def test_flow_of_static_and_of_unlabelled_pairs_has_its_own_scale(known):
    flow = np.zeros((20, 30, 2), np.float32)
    flow[3, 4] = (0, 2)
    sample = make_sample(np.zeros_like(flow), np.full(flow.shape[:2], known))
    _, true, predicted, error = draw_panels(sample, flow)
    assert (predicted == colour_flow(flow, 2.0)).all() and (true == (255 if known else 0)).all()
    assert error.any() == known
    assert describe_flow(sample, flow) == f"longest flow {'0.0 px' if known else 'n/a'}, predicted 2.0 px"
    picture = draw_picture(sample, flow, 0.1 if known else None)
    assert (picture[:20, :120] == np.concatenate(draw_panels(sample, flow), axis=1)).all()


def test_picture_has_the_legend_at_its_bottom_and_is_wide_enough_for_it():
    legend = draw_legend()
    for colour in (colour for _, colour in ERROR_COLOURS):
        assert (legend == colour).all(axis=-1).sum() == 16 * 40
    for width in (32, 200):
        flow = np.ones((10, width, 2), np.float32)
        picture = draw_picture(make_sample(flow), 2 * flow, 1.5)
        assert picture.shape[1] >= max(4 * width, legend.shape[1])
        assert (picture[-legend.shape[0] :, : legend.shape[1]] == legend).all()
        assert (picture[10:-legend.shape[0]] < 128).any(), "the EPE and the longest flow are written"
