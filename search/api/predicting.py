"""Flow of the user's own frames, predicted by an architecture of a run or by an exported network."""

from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.frames import open_frames
from edgeflownas.evaluation.predictor import Predictor, predict_at_size
from edgeflownas.hardware.exported import choose_size, open_exported
from edgeflownas.progress import phase, progress
from edgeflownas.storage.files import sha256, write_json
from search.api.runs import AnyPath, to_path
from search.request import find_request
from search.run import Run

RECORD = "prediction.json"  # the record in a folder of predicted flow

Size = Tuple[int, int]  # height and width, in pixels


class FlowNetwork(NamedTuple):
    """A network that is ready to predict flow.

    Attributes:
        predictor: Predictor for frames of the size that the network takes.
        choose_size: Function that returns the size to which frames of a given size are resized; None: they are not.
        record: Architecture, weights and their digest, origin of the BN statistics, and arithmetic, by name.
    """

    predictor: Predictor
    choose_size: Callable[[Size], Optional[Size]]
    record: Dict[str, Any]

    def predict(self, first: np.ndarray, second: np.ndarray, size: Optional[Size] = None) -> np.ndarray:
        """Predict the flow from one frame to the next.

        Args:
            first: Earlier frame, RGB, uint8 [H, W, 3].
            second: Later frame of the same size.
            size: Height and width to which the frames are resized for the network; if None, only frames of an exported
                network are resized, if they do not fit its input.

        Returns:
            Flow (u, v) to the right and downwards in pixels of the frames, float32 [H, W, 2].
        """
        height, width = first.shape[:2]
        images = np.concatenate([first, second], axis=-1)
        return predict_at_size(self.predictor, images, size or self.choose_size((height, width)))


def open_network(
    run: Run, architecture: Optional[str] = None, weights: Optional[AnyPath] = None, task: Optional[int] = None
) -> FlowNetwork:
    """Prepare an architecture of a run for prediction.

    BN statistics come with the weights of a retrained child. With those of a supernet, they are recomputed from
    training pairs of the run.

    Args:
        run: Run of the architecture.
        architecture: Digits of the architecture; None if ``task`` is given.
        weights: File of weights; if None, the supernet of the run, or the retrained child of the task.
        task: Number of a task of the queue; None for an architecture.

    Raises:
        InputError: The weights or the training pairs cannot be used.
        FloatingPointError: The statistics are not finite.
    """
    request = find_request(run, architecture, to_path(weights), task)
    tensors = request.load_tensors(run)
    with phase("loading TensorFlow"):
        from search.workers.predictors import calibration_images, describe_statistics, open_predictor

    predictor = open_predictor(run, request.architecture, tensors, calibration_images(run), run.config.threads)
    record = {
        "architecture": run.space.format(request.architecture),
        "task": request.task,
        **run.origin(request.weights, tensors).record(),
        "statistics": describe_statistics(run, tensors),
        "arithmetic": "float32",
        "threads": run.config.threads,
    }
    return FlowNetwork(predictor, lambda size: None, record)


def open_exported_network(path: AnyPath) -> FlowNetwork:
    """Open the .tflite file of an exported network for prediction. It needs neither a run nor statistics.

    Raises:
        InputError: The file is not a network that this CPU can run.
    """
    path = Path(path)
    with phase("loading TensorFlow"):
        network = open_exported(path)
    record = {
        "architecture": None,
        "task": None,
        "weights": str(path),
        "weights_sha256": sha256(path),
        "statistics": "part of the exported network",
        "arithmetic": "int8",
        "threads": 1,
    }
    return FlowNetwork(network, lambda size: choose_size(Path(path), network, size), record)


def predict_frames(
    network: FlowNetwork,
    paths: Sequence[AnyPath],
    folder: AnyPath,
    size: Optional[Size] = None,
    scale: Optional[float] = None,
    arrows: bool = False,
    animation: Optional[str] = "mp4",
) -> Dict[str, Any]:
    """Predict the flow between all consecutive frames, and write it to a folder, with pictures.

    For each pair, named after its first frame, the folder gets NAME.flo, NAME_kitti.png, and NAME_flow.png with both
    frames, the flow in colours, and a legend. For several pairs it also gets an animation, ``animation.mp4`` or
    ``animation.gif``. The returned record is written to ``prediction.json``.

    Args:
        network: Network that predicts.
        paths: Images in the order of time, one folder of images, or one video.
        folder: Folder for the files.
        size: Height and width to which the frames are resized for the network; see ``FlowNetwork.predict``.
        scale: Motion that is drawn fully saturated, in pixels; if None, the largest motion of all pairs.
        arrows: Whether to draw the flow as arrows on the first frame.
        animation: Format of the animation, "mp4" or "gif"; if None, there is none.

    Returns:
        Record with the origin of the network, sizes, pairs per second, and the largest and mean motion of each pair.

    Raises:
        InputError: The frames cannot be used.
        FloatingPointError: A flow is not finite.
        OSError: A file cannot be written.
    """
    from edgeflownas.evaluation.sequence import draw_sequence, predict_sequence

    frames, folder = open_frames([Path(path) for path in paths]), Path(folder)
    used = size or network.choose_size(frames.size())
    with progress("predicting flow", frames.count - 1) as bar:
        result = predict_sequence(network.predictor, frames, folder, used, bar.advance)
    count = len(result.pairs)
    movie = folder / f"animation.{animation}" if animation is not None and count > 1 else None
    with progress("drawing", count) as bar:
        draw_sequence(frames, folder, scale or result.longest, arrows, movie, bar.advance)
    record = {
        **network.record,
        "frame_size": list(result.size),
        "network_size": list(used or result.size),
        "fps": result.fps,
        "longest_motion": result.longest,
        "folder": str(folder),
        "animation": None if movie is None else str(movie),
        "pairs": [pair._asdict() for pair in result.pairs],
    }
    write_json(folder / RECORD, record)
    return record
