"""The receptive field of a network: how far apart image pixels can be that affect the same pixel of the flow."""

from typing import Sequence

from edgeflownas.network.operations import Convolution, Method
from edgeflownas.network.skeleton import Skeleton


def measure_receptive_field(skeleton: Skeleton, architecture: Sequence[int]) -> int:
    """Return the largest side of the square of image pixels that affect a pixel of the flow.

    Channel attention and gates are left out: they depend on the mean of the whole image.

    Args:
        skeleton: Definition of the network.
        architecture: One option per gene.
    """
    side, flow, scale = 1, 0, 1  # sides for the activation and for the flow, and the scale of the activation
    for stage, option in skeleton.route(architecture):
        grown = side
        for convolution in skeleton.convolutions(stage, option):
            if convolution.scale is not None:
                grown += _count_steps(convolution) * _find_step(convolution)
            if convolution.method is Method.UPSAMPLED:
                grown += scale  # between two pixels of the map
        if stage.is_flow:
            upsampled = flow + 2 * skeleton.scale(stage) if flow else 0
            flow = max(upsampled, grown)
        else:
            side, scale = grown, skeleton.scale(stage)
    return flow


def _count_steps(convolution: Convolution) -> int:
    """Return the number of steps between the first and the last pixel that a pixel of the output depends on."""
    if convolution.method is Method.TRANSPOSED:
        return -(-convolution.kernel // convolution.stride) - 1
    return (convolution.kernel - 1) * convolution.dilation


def _find_step(convolution: Convolution) -> int:
    """Return the distance of neighbouring pixels of the input, in image pixels."""
    assert convolution.scale is not None, "a convolution of a map"
    return convolution.scale if convolution.method is Method.TRANSPOSED else convolution.scale // convolution.stride
