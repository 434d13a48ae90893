import numpy as np

from edgeflownas.config import ProceduralData
from edgeflownas.data.augmentation import resize
from edgeflownas.data.datasets import open_datasets, open_whole

DATA = ProceduralData(kind="procedural", height=32, width=48, train_pairs=4, val_pairs=2, motion=4.0)


def test_resized_pairs_have_scaled_flow_and_are_padded() -> None:
    small = DATA.model_copy(update={"resize": [24, 36]})
    assert (small.size, small.padded_size) == ((24, 36), (32, 48))
    original, resized = (open_datasets(config)[1].sample(1, None) for config in (DATA, small))
    expected = resize(original, 24, 36)
    np.testing.assert_array_equal(resized.images[:24, :36], expected.images)
    np.testing.assert_array_equal(resized.flow[:24, :36], expected.flow)
    assert resized.valid.shape == (32, 48) and not resized.valid[24:].any()


def test_whole_images_are_those_before_resizing() -> None:
    small = DATA.model_copy(update={"resize": [16, 16]})
    whole, direct = (open_whole(config, "val", (64, 96)).sample(0, None) for config in (small, DATA))
    np.testing.assert_array_equal(whole.images, direct.images)
    np.testing.assert_array_equal(whole.flow, direct.flow)
