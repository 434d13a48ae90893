import numpy as np
import pytest

from edgeflownas.data.flow_colour import colour_flow


@pytest.mark.parametrize(
    ("flow", "colour"),
    [
        ((0, 0), (255, 255, 255)),  # no motion is white
        ((1, 0), (255, 0, 0)),  # to the right: red, as in the wheel of Baker et al., figure 7
        ((-1, 0), (0, 209, 255)),  # to the left: between cyan and blue
        ((0, 1), (255, 229, 0)),  # downwards: nearly yellow
        ((0, -1), (88, 0, 255)),  # upwards: violet
    ],
)
def test_directions_have_the_colours_of_the_middlebury_wheel(flow, colour):
    drawn = colour_flow(np.array([[flow]], np.float32), longest=1.0)[0, 0]
    np.testing.assert_allclose(drawn.astype(int), colour, atol=2)


def test_length_is_saturation_and_flow_beyond_the_scale_is_darker():
    flow = np.array([[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (4.0, 0.0)]], np.float32)
    image = colour_flow(flow, longest=2.0)[0].astype(int)
    assert image[0].tolist() == [255, 255, 255] and image[2].tolist() == [255, 0, 0]
    assert image[1].tolist() == [255, 127, 127] and image[3].tolist() == [191, 0, 0]


def test_longest_valid_flow_sets_the_scale_and_invalid_flow_is_black():
    flow = np.array([[(2.0, 0.0), (900.0, 0.0)]], np.float32)
    image = colour_flow(flow, valid=np.array([[True, False]]))
    assert image[0, 0].tolist() == [255, 0, 0] and image[0, 1].tolist() == [0, 0, 0]
    assert (colour_flow(np.zeros((2, 2, 2), np.float32)) == 255).all()
