"""Assessment of an architecture's flow on a data set that is read as a stream, with pictures of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.flow_picture import draw_picture
from edgeflownas.data.formats import write_flo, write_image
from edgeflownas.data.reading import read_ahead
from edgeflownas.data.sample import FlowDataset, Sample
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.prediction import FlowPredictor


@dataclass
class Assessment:
    """Result of an assessment.

    Attributes:
        metrics: Metrics over all pairs.
        pairs: File names of each pair and its EPE in pixels; the EPE is None if no flow of the pair is known.
    """

    metrics: FlowMetrics = field(default_factory=FlowMetrics)
    pairs: List[Tuple[Tuple[str, ...], Optional[float]]] = field(default_factory=list)


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
        folder: Folder for the predicted flow as .flo and, next to the ground truth, as .png; None: it is not saved.
        beat: Function that is called after each pair, with its name.

    Raises:
        FloatingPointError: A prediction is not finite.
        InputError: A pair cannot be used.
    """
    result = Assessment()
    read = dataset.full_sample if whole else lambda index: dataset.sample(index, None)
    for index, sample in zip(indices, read_ahead(read, indices, threads)):
        flow = predictor.flow(sample.images)
        files = dataset.files(index)
        try:
            result.pairs.append((files, result.metrics.add(flow, sample)))
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}: {' '.join(files)}") from None
        if folder is not None:
            _write_prediction(folder, f"{index:05d}_{_stem(files[-1])}", flow, sample, result.pairs[-1][1])
        beat(files[-1])
    return result


def _write_prediction(folder: Path, name: str, flow: np.ndarray, sample: Sample, epe: Optional[float]) -> None:
    """Write NAME.flo, and NAME.png with first image, true flow, predicted flow, error, EPE and a legend."""
    folder.mkdir(parents=True, exist_ok=True)
    write_flo(folder / f"{name}.flo", flow)
    write_image(folder / f"{name}.png", draw_picture(sample, flow, epe))


def _stem(name: str) -> str:
    """Return the stem of a file name, with characters that a file system may refuse replaced."""
    return "".join(letter if letter.isalnum() else "_" for letter in Path(name).stem)
