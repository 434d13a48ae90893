from pathlib import Path

import numpy as np
import pytest

from edgeflownas.data.formats import read_flow, read_image, write_image
from edgeflownas.data.frames import open_frames
from edgeflownas.evaluation.prediction_picture import draw_prediction
from edgeflownas.evaluation.sequence import draw_sequence, predict_sequence


class Brightness:
    """Predicts the brightness of the first frame as horizontal motion, and a tenth of that of the second downwards."""

    def flow(self, images: np.ndarray) -> np.ndarray:
        first, second = images[..., 0], images[..., 3]
        return np.stack([first, second / 10], axis=-1).astype(np.float32)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for value in (10, 20, 30):
        write_image(folder / f"{value}.png", np.full((40, 60, 3), value, np.uint8))
    return folder


def test_flow_of_all_pairs_is_written_in_both_formats(frames: Path, tmp_path: Path) -> None:
    names: list = []
    result = predict_sequence(Brightness(), open_frames([frames]), tmp_path / "flow", done=names.append)
    assert names == ["10", "20"] and result.size == (40, 60) and result.fps > 0
    for pair, (u, v) in zip(result.pairs, ((10, 2), (20, 3))):
        assert pair.longest == pytest.approx(np.hypot(u, v)) == pytest.approx(pair.mean)
        for suffix in (".flo", "_kitti.png"):
            flow, valid = read_flow(tmp_path / "flow" / f"{pair.name}{suffix}")
            assert valid.all() and np.allclose(flow, (u, v))
    assert result.longest == result.pairs[1].longest


def test_all_pictures_have_one_scale(frames: Path, tmp_path: Path) -> None:
    opened, folder = open_frames([frames]), tmp_path / "flow"
    longest = predict_sequence(Brightness(), opened, folder).longest
    draw_sequence(opened, folder, longest, arrows=True, animation=folder / "animation.gif")
    for name, second in (("10", "20"), ("20", "30")):
        images = [read_image(frames / f"{image}.png") for image in (name, second)]
        flow, _ = read_flow(folder / f"{name}.flo")
        assert (read_image(folder / f"{name}_flow.png") == draw_prediction(images, flow, longest, True)).all()
    assert (folder / "animation.gif").stat().st_size > 100


def test_flow_that_is_not_finite_is_an_error(frames: Path, tmp_path: Path) -> None:
    class Broken:
        def flow(self, images: np.ndarray) -> np.ndarray:
            return np.full((*images.shape[:2], 2), np.nan, np.float32)

    with pytest.raises(FloatingPointError, match="the flow of 10 is not finite"):
        predict_sequence(Broken(), open_frames([frames]), tmp_path / "flow")
    assert not list((tmp_path / "flow").iterdir())
