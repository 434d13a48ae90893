import numpy as np
import pytest

from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.evaluation.prediction_picture import draw_prediction, draw_wheel

RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (240, 300, 3)).astype(np.uint8) for _ in range(2)]
FLOW = RNG.normal(0, 3, (240, 300, 2)).astype(np.float32)


def test_frames_and_flow_are_beside_each_other_above_the_legend() -> None:
    picture = draw_prediction(FRAMES, FLOW, 5.0)
    for place, panel in enumerate([*FRAMES, colour_flow(FLOW, 5.0)]):
        assert (picture[:240, place * 300 : (place + 1) * 300] == panel).all()
    legend = picture[240:]
    assert (legend[6:-6, 6:66] == draw_wheel(60)).all() and (legend[:, 80:300] < 128).any(), "wheel and text"


def test_small_frames_are_enlarged_and_large_ones_are_made_smaller_on_request() -> None:
    small = draw_prediction([FRAMES[0][:64, :96]], FLOW[:64, :96], 5.0)
    assert small.shape == (4 * 64 + 72, 2 * 4 * 96, 3)
    assert (small[:256:4, :384:4] == FRAMES[0][:64, :96]).all()
    wide = draw_prediction([FRAMES[0][:2]], FLOW[:2], 5.0)
    assert wide.shape == (4 + 72, 2 * 600, 3), "a narrow strip is not enlarged without limit"
    large = draw_prediction(FRAMES[:1], FLOW, 5.0, largest_width=150)
    assert large.shape[0] == 120 + 72 and (large[:120, 300:] == 255).all(), "the legend may be wider"


def test_arrows_are_on_the_first_frame_only() -> None:
    plain, arrows = (draw_prediction(FRAMES, FLOW, 5.0, arrows=on) for on in (False, True))
    assert (plain[:240, :300] != arrows[:240, :300]).any() and (plain[:240, 300:] == arrows[:240, 300:]).all()


def test_arrows_point_along_the_flow_in_proportion() -> None:
    """On a black frame, white pixels right of the middle column are those of arrows to the right."""
    flow = np.zeros((240, 240, 2), np.float32)
    flow[120:, :, 0] = 4.0
    drawn = draw_prediction([np.full((240, 240, 3), 100, np.uint8)], flow, 4.0, arrows=True)[:240, :240]
    white = (drawn > 200).all(axis=-1)
    rows = white.sum(axis=1)
    assert rows[120:].max() > 4 * rows[:118].max(), "no motion gives points, motion gives lines"


@pytest.mark.parametrize(("x", "y"), [(1, 0), (-1, 0), (0, 1), (0, -1), (0.5, 0.5)])
def test_wheel_has_the_colour_of_each_direction(x: float, y: float) -> None:
    wheel = draw_wheel(101)
    expected = colour_flow(np.array([[(x, y)]], np.float32), 1.0)[0, 0]
    np.testing.assert_allclose(wheel[round(50 + 50 * y), round(50 + 50 * x)].astype(int), expected.astype(int), atol=3)
    assert (wheel[0, 0] == 255).all() and (wheel[50, 50] == 255).all()
