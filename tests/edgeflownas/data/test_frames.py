from pathlib import Path

import numpy as np
import pytest

from edgeflownas.data.formats import write_image
from edgeflownas.data.frames import open_frames
from edgeflownas.errors import InputError
from edgeflownas.evaluation.animation import write_animation


def write(path: Path, value: int, height: int = 8) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_image(path, np.full((height, 12, 3), value, np.uint8))
    return path


def test_images_of_a_folder_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for value, name in ((2, "f_2.png"), (10, "f_10.png"), (3, "f_3.PNG"), (9, ".f_1.png")):
        write(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("not a frame")
    frames = open_frames([tmp_path])
    assert [(frame.name, frame.image[0, 0, 0]) for frame in frames.read()] == [("f_2", 2), ("f_3", 3), ("f_10", 10)]
    assert frames.count == 3 and frames.size() == (8, 12)
    assert [(first.name, second.name) for first, second in frames.pairs()] == [("f_2", "f_3"), ("f_3", "f_10")]


def test_images_of_the_same_name_get_unique_names(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "0.png", 0) for folder in ("left", "right")]
    assert [frame.name for frame in open_frames(paths).read()] == ["00000_0", "00001_0"]


def test_frames_of_a_video_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "moving.mp4"
    with write_animation(path, 25.0) as add:
        for value in (50, 120, 200):
            add(np.full((48, 64, 3), value, np.uint8))
    frames = open_frames([path])
    assert (frames.count, frames.rate, frames.size()) == (3, 25.0, (48, 64))
    for frame, name, value in zip(frames.read(), ("moving_00000", "moving_00001", "moving_00002"), (50, 120, 200)):
        assert frame.name == name and abs(int(frame.image.mean()) - value) <= 10
    assert len(list(frames.pairs())) == 2 == len(list(frames.pairs())), "frames are read as often as needed"


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    frames = open_frames([write(tmp_path / "a.png", 0), write(tmp_path / "b.png", 0, height=9)])
    with pytest.raises(InputError, match=r"frame b: is 9x12, but a is 8x12; all frames must have the same size"):
        list(frames.pairs())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["missing.png"], r"missing.png: does not exist; name two images or more, a folder of images, or a video"),
        (["a.png"], r"a.png: flow needs at least two images"),
        (["empty"], r"empty: flow needs at least two images"),
        (["a.png", "empty"], r"empty: is a folder; name one folder, or images only"),
        (["text.mp4"], r"text.mp4: is not a video that OpenCV can read"),
    ],
)
def test_unusable_frames_are_refused_at_once(tmp_path: Path, names: list, message: str) -> None:
    write(tmp_path / "a.png", 0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match=message):
        open_frames([tmp_path / name for name in names])


def test_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(write(tmp_path / "a.png", 0).read_bytes()[:-9])
    with pytest.raises(InputError, match=r"image .*b.png: cannot be read as an image: .*; name another image"):
        list(open_frames([tmp_path / "a.png", tmp_path / "b.png"]).pairs())
