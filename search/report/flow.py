"""Section with pictures of the flow that some architectures of a run predict on validation pairs."""

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.evaluation.flow_picture import LABELS, describe_flow, draw_legend, draw_panels
from edgeflownas.network.space import Architecture
from edgeflownas.progress import phase, progress, say
from search.queue.status import read_rows
from search.report.chart import Picture, ReportSection, Table
from search.report.contents import Contents
from search.report.explorer import select_representatives
from search.report.points import Points

TITLE = "Flow"
_HEADINGS = ("run", "architecture", "weights", "pair", "epe")


class _Subject(NamedTuple):
    """An architecture whose flow is drawn, and the weights it uses.

    Attributes:
        architecture: The architecture.
        weights: Path of the checkpoint.
        origin: Description of the weights, for the picture's title.
    """

    architecture: Architecture
    weights: Path
    origin: str


def flow_section(
    runs: Sequence[Contents], points: Sequence[Optional[Points]], wanted: Sequence[str], pairs: int
) -> ReportSection:
    """Draw the flow of architectures on validation pairs.

    Args:
        runs: Runs of the report.
        points: Points of each run; None if it has none.
        wanted: Architectures as digits; if empty, the ends of each front and its knee.
        pairs: Number of pairs of each run's validation set; 0: no pictures.

    Raises:
        InputError: An architecture is not in the space.
    """
    pictures: List[Picture] = []
    rows: List[Tuple[Any, ...]] = []
    for contents, run_points in zip(runs, points):
        subjects = _select_subjects(contents, run_points, wanted) if pairs else []
        for picture, row in _draw_pictures(contents, subjects, pairs, len(runs) > 1):
            pictures.append(picture)
            rows.append(row)
    if not pictures:
        return ReportSection("flow", TITLE, (_explain_absence(pairs),))
    pictures.append(Picture("Colours of errors", _encode_png([draw_legend()]), ()))
    text = (
        "Flow is shown in Middlebury's colours: hue is the direction, saturation the length, up to that of the longest "
        "true flow; longer predictions are dark. Errors are shown in KITTI's colours, by the smaller of the absolute "
        "error and the error relative to the true flow, as in the last picture; yellow and red pixels have an error of "
        "3 px and 5 % or more. In black pixels the flow is not known.",
    )
    return ReportSection("flow", TITLE, text, pictures=tuple(pictures), data=Table("", _HEADINGS, tuple(rows)))


def _explain_absence(pairs: int) -> str:
    if not pairs:
        return "No pictures were requested (`--pairs 0`)."
    return "There is nothing to draw yet: pictures need a trained supernet and a front, or `--flow ARCH`."


def _select_subjects(contents: Contents, points: Optional[Points], wanted: Sequence[str]) -> List[_Subject]:
    """Select the architectures to draw, with the weights of a retrained child if available."""
    run = contents.run
    if wanted:
        architectures = [run.space.parse(text) for text in wanted]
    elif points is None:
        return []
    else:
        architectures = [tuple(points.genes[row].tolist()) for row in select_representatives(points)]
    retrained = {}
    if contents.queue is not None:
        done = [row for row in read_rows(contents.queue) if row.word == "done"]
        paths = {row.architecture: contents.queue.paths.task(row.index).best for row in done}
        retrained = {architecture: path for architecture, path in paths.items() if path.exists()}
    subjects = []
    for architecture in architectures:
        own_weights = retrained.get(run.space.format(architecture))
        if own_weights is not None:
            subjects.append(_Subject(architecture, own_weights, "retrained"))
        elif contents.supernet is not None and not contents.has_other_supernet:
            subjects.append(_Subject(architecture, run.supernet_file, "supernet weights"))
    return subjects


def _draw_pictures(
    contents: Contents, subjects: Sequence[_Subject], pairs: int, several: bool
) -> List[Tuple[Picture, Tuple[Any, ...]]]:
    """Return pictures and their rows of data; if images or weights cannot be read, report it and return none."""
    if not subjects:
        return []
    with phase("loading TensorFlow"):
        from edgeflownas.data.datasets import open_part
        from search.workers.predictors import calibration_images, open_predictor

    run = contents.run
    pictures: List[Tuple[Picture, Tuple[Any, ...]]] = []
    try:
        dataset = open_part(run.config.data, "val")
        indices = dataset.select(min(pairs, len(dataset)))
        images = calibration_images(run)
        with progress("drawing flow", len(subjects) * len(indices)) as bar:
            for subject in subjects:
                name = run.space.format(subject.architecture)
                tensors = run.load_tensors(subject.weights, subject.architecture)
                predicting = open_predictor(run, subject.architecture, tensors, images)
                for index in indices:
                    sample = dataset.sample(index, None)
                    flow = predicting.flow(sample.images)
                    errors = np.linalg.norm(flow - sample.flow, axis=-1)[sample.valid]
                    epe = float(errors.mean()) if errors.size else None
                    result = "EPE n/a" if epe is None else f"EPE {epe:.3f} px"
                    prefix = f"{contents.name}, " if several else ""
                    title = f"{prefix}{name}, {subject.origin}, pair {index}: {result}; {describe_flow(sample, flow)}"
                    pictures.append((
                        Picture(title, _encode_png(draw_panels(sample, flow)), LABELS),
                        (contents.name, name, str(subject.weights), index, epe),
                    ))  # fmt: skip
                    bar.advance(name)
                predicting.close()
    except InputError as error:
        say(f"{contents.name}: no pictures of flow: {contents.run.complete(str(error))}")
        return []
    return pictures


def _encode_png(images: Sequence[np.ndarray]) -> bytes:
    """Encode images side by side as a PNG file."""
    joined = np.ascontiguousarray(np.concatenate(list(images), axis=1)[..., ::-1])
    encoded, content = cv2.imencode(".png", joined)
    if not encoded:
        raise OSError("a picture of flow cannot be encoded as PNG")
    return bytes(content.tobytes())
