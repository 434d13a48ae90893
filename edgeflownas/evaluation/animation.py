"""Animations: pictures of one size as a GIF or as an MP4 video."""

import contextlib
from pathlib import Path
from typing import Callable, Iterator, List

import cv2
import numpy as np
from PIL import Image

from edgeflownas.storage.files import replacing
from edgeflownas.tf_runtime.messages import hide_native_messages

_CODEC = "vp09"  # VP9, which browsers play and OpenCV's packages can write; they have no encoder of H.264

Add = Callable[[np.ndarray], None]


@contextlib.contextmanager
def write_animation(path: Path, rate: float) -> Iterator[Add]:
    """Write an animation.

    Args:
        path: Path of the file, which ends in .gif or .mp4. An existing file is replaced.
        rate: Number of pictures per second.

    Yields:
        Function that adds a picture, RGB, uint8 [H, W, 3]; all have the same size.

    Raises:
        OSError: The file cannot be written.
    """
    write = _write_gif if path.suffix == ".gif" else _write_video
    with replacing(path) as temporary, write(temporary, rate) as add:
        yield add


@contextlib.contextmanager
def _write_gif(path: Path, rate: float) -> Iterator[Add]:
    """Write a GIF; the pictures are kept as palette images until the end.

    The palettes are those of an octree: Pillow's default would drop most colours of the small legend.
    """
    pictures: List[Image.Image] = []
    yield lambda picture: pictures.append(Image.fromarray(picture).quantize(256, method=Image.Quantize.FASTOCTREE))
    if pictures:
        duration = max(20, round(1000 / rate))  # ms; viewers show shorter times more slowly
        pictures[0].save(
            path, format="GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0, optimize=False
        )


@contextlib.contextmanager
def _write_video(path: Path, rate: float) -> Iterator[Add]:
    """Write a video by OpenCV, which chooses the format by the suffix of the file."""
    named = path.with_name(f"{path.name}.mp4")
    writers: List[cv2.VideoWriter] = []

    def add(picture: np.ndarray) -> None:
        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2  # VP9 stores colours at half the size
        if not writers:
            with hide_native_messages():
                writers.append(cv2.VideoWriter(str(named), cv2.VideoWriter.fourcc(*_CODEC), rate, (width, height)))
            if not writers[0].isOpened():
                raise OSError(f"{path}: OpenCV cannot write this video; choose a .gif")
        writers[0].write(np.ascontiguousarray(picture[:height, :width, ::-1]))

    try:
        yield add
        for writer in writers:
            writer.release()
        if writers:
            named.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            named.unlink()
