import numpy as np
import pytest

from edgeflownas.evaluation.predictor import pad_images, predict_at_size


class Shifted:
    """Predicts a motion of (3, -2) pixels of the images it sees."""

    def flow(self, images: np.ndarray) -> np.ndarray:
        self.seen = images
        return np.full((*images.shape[:2], 2), (3, -2), np.float32)


@pytest.mark.parametrize(("size", "expected"), [((24, 96), (1.5, -4.0)), ((48, 48), (3.0, -2.0)), (None, (3.0, -2.0))])
def test_flow_is_in_pixels_of_the_given_images(size: object, expected: object) -> None:
    """Half as many columns make a column twice as wide; a motion by 3 of them is one by 6 of the image's."""
    predictor = Shifted()
    flow = predict_at_size(predictor, np.zeros((48, 48, 6), np.uint8), size)  # type: ignore[arg-type]
    assert predictor.seen.shape == (*(size or (48, 48)), 6)  # type: ignore[misc]
    assert flow.shape == (48, 48, 2) and flow.dtype == np.float32
    np.testing.assert_allclose(flow, np.broadcast_to(np.array(expected, np.float32), flow.shape))


def test_both_frames_are_resized_alike() -> None:
    predictor, images = Shifted(), np.random.default_rng(0).integers(0, 256, (40, 60, 6)).astype(np.uint8)
    images[..., 3:] = images[..., :3]
    predict_at_size(predictor, images, (20, 30))
    assert (predictor.seen[..., 3:] == predictor.seen[..., :3]).all()
    mean = images[:2, :2, 0].mean()
    assert abs(float(predictor.seen[0, 0, 0]) - mean) <= 0.5, "pixels are averaged"


def test_padding_repeats_the_edges() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 7, 6)).astype(np.uint8)
    padded = pad_images(images, 8, 16)
    assert padded.shape == (8, 16, 6) and (padded[:5, :7] == images).all()
    assert (padded[5:, :7] == images[-1]).all() and (padded[:5, 7:] == images[:, -1:]).all()
