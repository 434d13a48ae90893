"""How good an architecture's flow is on a data set, read as a stream; and pictures of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.flow_picture import add_captions, draw_panels
from edgeflownas.data.formats import write_flo, write_image
from edgeflownas.data.reading import read_ahead
from edgeflownas.data.sample import FlowDataset, Sample
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.prediction import FlowPredictor


@dataclass
class Assessment:
    """What came out.

    Attributes:
        metrics: over all pairs.
        pairs: names of each pair's files, and its EPE, pixels; None where no flow is known.
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
    """Predicts the flow of pairs of a data set, and compares it with the truth.

    Args:
        predictor: of the flow.
        dataset: gives the pairs.
        indices: of the pairs.
        whole: pairs as large as they are; false: cropped as for validation.
        threads: that read pairs.
        folder: for the predicted flow, as .flo and beside the truth as .png; None: it is not kept.
        beat: is called after each pair with its name.

    Raises:
        FloatingPointError: a prediction is not finite.
        InputError: a pair cannot be used.
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
            _keep(folder, f"{index:05d}_{_stem(files[-1])}", flow, sample, result.pairs[-1][1])
        beat(files[-1])
    return result


def _keep(folder: Path, name: str, flow: np.ndarray, sample: Sample, epe: Optional[float]) -> None:
    """Writes NAME.flo, and NAME.png: first image, true flow, predicted flow, error, and the EPE."""
    folder.mkdir(parents=True, exist_ok=True)
    write_flo(folder / f"{name}.flo", flow)
    said = "no flow known" if epe is None else f"EPE {epe:.3f} px"
    write_image(folder / f"{name}.png", add_captions(draw_panels(sample, flow), said))


def _stem(name: str) -> str:
    """The last part of a file's name, without what a file system might not like."""
    return "".join(letter if letter.isalnum() else "_" for letter in Path(name).stem)
