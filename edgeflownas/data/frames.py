"""Frames to predict flow between: image files, the images of a folder, or a video."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

from edgeflownas.data.formats import BadFileError, read_image
from edgeflownas.errors import InputError
from edgeflownas.tf_runtime.messages import hide_native_messages

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
IMAGE_RATE = 10.0  # frames per second at which images are played


class Frame(NamedTuple):
    """One frame.

    Attributes:
        name: Name for the files of results, unique among the frames.
        image: RGB image, uint8 [H, W, 3].
    """

    name: str
    image: np.ndarray


@dataclass(frozen=True)
class Frames:
    """Frames in the order of time. They are read one by one, as often as needed.

    Attributes:
        read: Function that yields all frames.
        count: Number of frames; for a video, that in its header, which may be wrong.
        rate: Number of frames per second.
    """

    read: Callable[[], Iterator[Frame]]
    count: int
    rate: float

    def size(self) -> Tuple[int, int]:
        """Return height and width of the first frame, in pixels."""
        height, width = next(self.read()).image.shape[:2]
        return int(height), int(width)

    def pairs(self) -> Iterator[Tuple[Frame, Frame]]:
        """Yield all pairs of consecutive frames.

        Raises:
            InputError: A frame cannot be read or has a different size than the first, or there is only one frame.
        """
        frames = self.read()
        first = previous = next(frames)
        for frame in frames:
            if frame.image.shape != first.image.shape:
                raise InputError(
                    f"frame {frame.name}: is {_describe_size(frame.image)}, but {first.name} is "
                    f"{_describe_size(first.image)}; all frames must have the same size"
                )
            yield previous, frame
            previous = frame
        if previous is first:
            raise InputError(f"frame {first.name}: is the only frame; flow needs at least two")


def open_frames(paths: Sequence[Path]) -> Frames:
    """Open frames.

    Args:
        paths: Images in the order of time, one folder of images, or one video. The images of a folder are in the order
            of their names, in which numbers are compared as numbers.

    Raises:
        InputError: A file does not exist, or there are fewer than two images.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: does not exist; name two images or more, a folder of images, or a video")
    if len(paths) == 1 and paths[0].is_file() and paths[0].suffix.lower() not in IMAGE_SUFFIXES:
        return _open_video(paths[0])
    images = _list_images(paths[0]) if len(paths) == 1 and paths[0].is_dir() else list(paths)
    for path in images:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; name one folder, or images only")
    if len(images) < 2:
        raise InputError(f"{paths[0]}: flow needs at least two images; name them, a folder of images, or a video")
    names = [path.stem for path in images]
    if len(set(names)) < len(names):
        names = [f"{place:05d}_{name}" for place, name in enumerate(names)]
    return Frames(lambda: map(_read_frame, names, images), len(images), IMAGE_RATE)


def _list_images(folder: Path) -> List[Path]:
    """Return the images of a folder; hidden files are left out."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    return sorted(images, key=_split_numbers)


def _split_numbers(path: Path) -> List[Tuple[bool, Union[int, str]]]:
    """Return a key that sorts frame_2 before frame_10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in re.split(r"(\d+)", path.name)]


def _read_frame(name: str, path: Path) -> Frame:
    try:
        return Frame(name, read_image(path))
    except BadFileError as error:
        raise InputError(f"image {path}: {error.reason}; name another image") from None


def _open_video(path: Path) -> Frames:
    """Describe a video.

    Raises:
        InputError: OpenCV cannot read it.
    """
    video = _capture(path)
    count, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), float(video.get(cv2.CAP_PROP_FPS))
    if count <= 0:
        count = sum(1 for _ in iter(video.grab, False))
    video.release()
    return Frames(lambda: _read_video(path), count, rate if 0 < rate < 1000 else IMAGE_RATE)


def _capture(path: Path) -> cv2.VideoCapture:
    with hide_native_messages():
        video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise InputError(f"{path}: is not a video that OpenCV can read; name a video, images, or a folder of images")
    return video


def _read_video(path: Path) -> Iterator[Frame]:
    video, place = _capture(path), 0
    try:
        while True:
            read, image = video.read()
            if not read:
                break
            yield Frame(f"{path.stem}_{place:05d}", np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))
            place += 1
    finally:
        video.release()
    if not place:
        raise InputError(f"{path}: contains no frame that OpenCV can read; name another video")


def _describe_size(image: np.ndarray) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
