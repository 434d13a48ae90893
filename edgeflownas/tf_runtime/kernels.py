"""The hand-written CPU kernels that are faster than TensorFlow's own on the stack in use."""

from typing import NamedTuple

from edgeflownas.tf_runtime.stack import MODERN


class Kernels(NamedTuple):
    """A choice of kernels for convolutions and batch normalisations on a CPU.

    Attributes:
        convolves_gradients: Whether both gradients of a convolution are computed as forward convolutions.
        packed_outputs: Largest number of output channels for which a convolution packs 2 x 2 pixels into channels.
        packed_scoring: The same for convolutions that are only run forward.
        packs_strides: Whether large kernels with a stride of 2 pack 2 x 2 pixels into channels.
        merged_outputs: Largest number of output channels for which a 3x3 convolution is merged with the upsampling
            before it; larger kernels always are.
        normalised_rows: Largest number of channels for which batch normalisation works on rows of pixels.
    """

    convolves_gradients: bool
    packed_outputs: int
    packed_scoring: int
    packs_strides: bool
    merged_outputs: int
    normalised_rows: int


BUILT_IN = Kernels(
    convolves_gradients=False,
    packed_outputs=0,
    packed_scoring=0,
    packs_strides=False,
    merged_outputs=0,
    normalised_rows=0,
)
# By `python -m benchmarks.kernels` and `python -m benchmarks.fair_cycle`. TensorFlow 1.15's kernels for gradients are
# up to twelve times slower than those for forward passes, and slow where channels are few.
LEGACY = Kernels(
    convolves_gradients=True,
    packed_outputs=8,
    packed_scoring=8,
    packs_strides=True,
    merged_outputs=16,
    normalised_rows=8,
)
# oneDNN's kernels are fast in both directions, so only less arithmetic is a gain. They compute 16 output channels at a
# time: 6 channels take as long as 16, and the 24 of four packed pixels only twice as long. For a forward pass this is
# worth rearranging the pixels; with the gradients it is not.
ONEDNN = BUILT_IN._replace(packed_scoring=8, merged_outputs=16)
FAST = ONEDNN if MODERN else LEGACY
