from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from edgeflownas.evaluation.animation import write_animation
from edgeflownas.evaluation.prediction_picture import draw_prediction


def write(path: Path, count: int, rate: float) -> None:
    with write_animation(path, rate) as add:
        for place in range(count):
            picture = np.full((51, 65, 3), 255, np.uint8)
            picture[:, 10 * place : 10 * place + 10] = (200, 0, 0)
            add(picture)


def test_gif_plays_all_pictures_at_the_rate(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", 4, 10.0)
    with Image.open(tmp_path / "a.gif") as gif:
        assert len(list(ImageSequence.Iterator(gif))) == 4 and gif.size == (65, 51)
        assert (gif.info["duration"], gif.info["loop"]) == (100, 0)
        gif.seek(3)
        assert gif.convert("RGB").getpixel((35, 25)) == (200, 0, 0)


def test_gif_keeps_the_colours_of_a_small_legend(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flow = np.full((240, 320, 2), (-3, -1), np.float32) + rng.normal(0, 0.5, (240, 320, 2)).astype(np.float32)
    picture = draw_prediction([rng.integers(0, 90, (240, 320, 3)).astype(np.uint8)], flow, 5.0)
    with write_animation(tmp_path / "a.gif", 10.0) as add:
        add(picture)
    with Image.open(tmp_path / "a.gif") as gif:
        drawn = np.asarray(gif.convert("RGB")).astype(int)
    legend = (slice(246, 306), slice(6, 66))
    assert np.abs(drawn[legend] - picture[legend]).mean() < 10


def test_video_plays_all_pictures_at_the_rate(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 4, 10.0)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 10.0
    pictures = [image for read, image in iter(video.read, (False, None)) if read]
    assert len(pictures) == 4 and pictures[0].shape == (50, 64, 3)
    blue, green, red = pictures[3][25, 35].astype(int)
    assert red > 150 > 60 > max(green, blue)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"], "no temporary file is left"


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_failed_animation_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_animation(path, 10.0) as add:
        add(np.zeros((48, 64, 3), np.uint8))
        raise RuntimeError
    assert path.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == [path.name]
