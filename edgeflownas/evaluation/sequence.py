"""Prediction of the flow between frames, without ground truth, written to files."""

import contextlib
import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np

from edgeflownas.data.formats import read_flo, write_flo, write_image, write_kitti_flow
from edgeflownas.data.frames import Frames
from edgeflownas.evaluation.animation import write_animation
from edgeflownas.evaluation.prediction_picture import draw_prediction
from edgeflownas.evaluation.predictor import Predictor, predict_at_size

_PANEL_WIDTH = 640  # largest width of a frame in an animation, in pixels
_REPEATS, _REPEATING_S = 10, 0.3  # number of predictions of the first pair, and seconds that they may take


class PairFlow(NamedTuple):
    """The flow of one pair of frames.

    Attributes:
        name: Name of the files, without suffix.
        longest: Length of the longest flow vector, in pixels.
        mean: Mean length of the flow vectors, in pixels.
    """

    name: str
    longest: float
    mean: float


class SequenceFlow(NamedTuple):
    """The flow of all pairs of consecutive frames.

    Attributes:
        pairs: Flow of each pair.
        size: Height and width of the frames, in pixels.
        fps: Pairs per second that the network alone takes, without reading, resizing and writing.
    """

    pairs: List[PairFlow]
    size: Tuple[int, int]
    fps: float

    @property
    def longest(self) -> float:
        """Length of the longest flow vector of all pairs, in pixels."""
        return max(pair.longest for pair in self.pairs)


class TimedPredictor:
    """A predictor that measures its time.

    The first prediction is not measured, because it sets up the network. The first pair is predicted several times, so
    that a single pair gives a figure.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._seconds: List[float] = []

    def flow(self, images: np.ndarray) -> np.ndarray:
        """Predict the flow of a pair; see ``Predictor.flow``."""
        if self._seconds:
            return self._measure(images)
        self._predictor.flow(images)
        flow = self._measure(images)
        while len(self._seconds) < _REPEATS and sum(self._seconds) < _REPEATING_S:
            self._measure(images)
        return flow

    @property
    def fps(self) -> float:
        """Predictions per second, by the median time of a prediction."""
        return 1 / float(np.median(self._seconds))

    def _measure(self, images: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        flow = self._predictor.flow(images)
        self._seconds.append(time.perf_counter() - start)
        return flow


def predict_sequence(
    predictor: Predictor,
    frames: Frames,
    folder: Path,
    size: Optional[Tuple[int, int]] = None,
    done: Callable[[str], None] = lambda name: None,
) -> SequenceFlow:
    """Predict the flow of all pairs of consecutive frames, and write it as NAME.flo and NAME_kitti.png.

    NAME is the name of a pair's first frame.

    Args:
        predictor: Predictor of the flow.
        frames: Frames of one size.
        folder: Folder of the files, which is created.
        size: Height and width to which frames are resized for the network; if None, they are not resized.
        done: Callback that is called after each pair, with its name.

    Raises:
        InputError: A frame cannot be read or has a different size, or there is only one.
        FloatingPointError: A flow is not finite.
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    timed = TimedPredictor(predictor)
    pairs = []
    for first, second in frames.pairs():
        flow = predict_at_size(timed, np.concatenate([first.image, second.image], axis=-1), size)
        if not np.isfinite(flow).all():
            raise FloatingPointError(f"the flow of {first.name} is not finite")
        write_flo(folder / f"{first.name}.flo", flow)
        write_kitti_flow(folder / f"{first.name}_kitti.png", flow)
        lengths = np.linalg.norm(flow, axis=-1)
        pairs.append(PairFlow(first.name, float(lengths.max()), float(lengths.mean())))
        done(first.name)
    return SequenceFlow(pairs, (flow.shape[0], flow.shape[1]), timed.fps)


def draw_sequence(
    frames: Frames,
    folder: Path,
    longest: float,
    arrows: bool = False,
    animation: Optional[Path] = None,
    done: Callable[[str], None] = lambda name: None,
) -> None:
    """Draw the flow that ``predict_sequence`` has written, as NAME_flow.png beside the frames, and as an animation.

    Args:
        frames: The same frames.
        folder: Folder of the flow.
        longest: Length that is drawn fully saturated in all pictures, in pixels.
        arrows: Whether to draw the flow as arrows on the first frame.
        animation: File for the animation, which ends in .gif or .mp4; if None, there is none.
        done: Callback that is called after each pair, with its name.

    Raises:
        OSError: A file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        add = None if animation is None else stack.enter_context(write_animation(animation, frames.rate))
        for first, second in frames.pairs():
            flow = read_flo(folder / f"{first.name}.flo")
            picture = draw_prediction([first.image, second.image], flow, longest, arrows)
            write_image(folder / f"{first.name}_flow.png", picture)
            if add is not None:
                add(draw_prediction([first.image], flow, longest, arrows, _PANEL_WIDTH))
            done(first.name)
