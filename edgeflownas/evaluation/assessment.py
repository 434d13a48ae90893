"""Assessment of an architecture's flow on a data set that is read as a stream, with pictures of it."""

import collections
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Callable, Counter, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.formats import write_flo, write_image
from edgeflownas.data.reading import read_ahead
from edgeflownas.data.sample import FlowDataset, Sample
from edgeflownas.evaluation.flow_picture import draw_picture
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.prediction import FlowPredictor

_LONGEST_NAME = 80  # characters of the name of a saved prediction, besides its index


@dataclass
class Assessment:
    """Result of an assessment.

    Attributes:
        metrics: Metrics over all pairs.
        pairs: File names of each pair and its EPE in pixels; the EPE is None if no flow of the pair is known.
        sizes: Number of pairs by height and width, in pixels.
    """

    metrics: FlowMetrics = field(default_factory=FlowMetrics)
    pairs: List[Tuple[Tuple[str, ...], Optional[float]]] = field(default_factory=list)
    sizes: Counter[Tuple[int, int]] = field(default_factory=collections.Counter)


def assess(
    predictor: FlowPredictor,
    dataset: FlowDataset,
    indices: Sequence[int],
    whole: bool,
    threads: int,
    folder: Optional[Path] = None,
    beat: Callable[[str], None] = lambda name: None,
) -> Assessment:
    """Predict the flow of pairs of a data set, and compare it with the ground truth.

    Args:
        predictor: Predictor of the flow.
        dataset: Data set with the pairs.
        indices: Indices of the pairs.
        whole: Whether to use pairs at their full size, rather than cropped as for validation.
        threads: Number of threads that read pairs.
        folder: Folder for the predicted flow as .flo and, next to the ground truth, as .png, under the names of
            ``name_predictions``; if None, it is not saved.
        beat: Function that is called after each pair, with its name.

    Raises:
        FloatingPointError: A prediction is not finite.
        InputError: A pair cannot be used.
    """
    result = Assessment()
    read = dataset.full_sample if whole else lambda index: dataset.sample(index, None)
    names = name_predictions([dataset.files(index) for index in indices])
    for index, name, sample in zip(indices, names, read_ahead(read, indices, threads)):
        flow = predictor.flow(sample.images)
        files = dataset.files(index)
        try:
            result.pairs.append((files, result.metrics.add(flow, sample)))
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}: {' '.join(files)}") from None
        height, width = sample.valid.shape
        result.sizes[height, width] += 1
        if folder is not None:
            _write_prediction(folder, name, flow, sample, result.pairs[-1][1])
        beat(files[-1])
    return result


def name_predictions(pairs: Sequence[Sequence[str]]) -> List[str]:
    """Return the names, without suffix, under which the predictions of pairs are saved.

    A name is the place of the pair, and the path of its first image without the folders that all pairs share, such as
    ``00001_alley_1_frame_0002``; at least the folder of the image is kept. Other characters than letters and digits
    become underscores.

    Args:
        pairs: File names of the pairs.
    """
    firsts = [PurePosixPath(files[0]) for files in pairs]
    shared = len(os.path.commonprefix([first.parent.parts for first in firsts]))
    if any(len(first.parent.parts) == shared for first in firsts):
        shared = max(0, shared - 1)
    names = []
    for place, first in enumerate(firsts):
        text = "_".join([*first.parts[shared:-1], first.stem])
        plain = "".join(letter if letter.isalnum() else "_" for letter in text)
        names.append(f"{place:05d}_{plain[-_LONGEST_NAME:]}")
    return names


def _write_prediction(folder: Path, name: str, flow: np.ndarray, sample: Sample, epe: Optional[float]) -> None:
    """Write NAME.flo, and NAME.png with first image, true flow, predicted flow, error, EPE and a legend."""
    folder.mkdir(parents=True, exist_ok=True)
    write_flo(folder / f"{name}.flo", flow)
    write_image(folder / f"{name}.png", draw_picture(sample, flow, epe))
