"""Pictures of flow: what some architectures of a run see in validation pairs."""

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from edgeflownas.data.flow_picture import ERROR_COLOURS, LABELS, draw_panels
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.progress import phase, progress, say
from search.queue.status import read_rows
from search.report.chart import Picture, Section, Table
from search.report.contents import Contents
from search.report.explorer import chosen
from search.report.points import Points

TITLE = "Flow"
_HEADINGS = ("run", "architecture", "weights", "pair", "epe")


class _Subject(NamedTuple):
    """Whose flow is drawn, by which weights."""

    architecture: Architecture
    weights: Path
    said: str


def flow_section(
    runs: Sequence[Contents], points: Sequence[Optional[Points]], wanted: Sequence[str], pairs: int
) -> Section:
    """Draws the flow of architectures on validation pairs.

    Args:
        runs: of the architectures.
        points: of each run; None where it has none.
        wanted: architectures, as digits; none: the ends of each front and its knee.
        pairs: of each run's validation set; 0: no picture.

    Raises:
        InputError: an architecture is none of the space.
    """
    pictures: List[Picture] = []
    lines: List[Tuple[Any, ...]] = []
    for contents, each in zip(runs, points):
        subjects = _subjects(contents, each, wanted) if pairs else []
        for picture, line in _drawn(contents, subjects, pairs, len(runs) > 1):
            pictures.append(picture)
            lines.append(line)
    if not pictures:
        return Section("flow", TITLE, (_why_none(pairs),))
    bounds = [f"{bound:.2g}" for bound, _ in ERROR_COLOURS[:-1]]
    text = (
        "Flow in Middlebury's colours: the hue is the direction, the saturation the length. Errors in KITTI's, from "
        f"dark blue up to {bounds[0]} px, doubling, to dark red from {bounds[-1]} px; what is yellow or red is off by "
        "3 px or more. Black is not known.",
    )
    return Section("flow", TITLE, text, pictures=tuple(pictures), data=Table("", _HEADINGS, tuple(lines)))


def _why_none(pairs: int) -> str:
    if not pairs:
        return "No pictures were asked for (`--pairs 0`)."
    return "There is nothing to draw yet: pictures need a trained supernet and a front, or `--flow ARCH`."


def _subjects(contents: Contents, points: Optional[Points], wanted: Sequence[str]) -> List[_Subject]:
    """What is drawn of a run: with a retrained child's weights where there are some."""
    run = contents.run
    if wanted:
        architectures = [run.space.parse(text) for text in wanted]
    elif points is None:
        return []
    else:
        architectures = [tuple(points.genes[row].tolist()) for row in chosen(points)]
    retrained = {}
    if contents.queue is not None:
        done = [row for row in read_rows(contents.queue) if row.word == "done"]
        files = {row.architecture: contents.queue.paths.task(row.index).best for row in done}
        retrained = {architecture: path for architecture, path in files.items() if path.exists()}
    found = []
    for architecture in architectures:
        own = retrained.get(run.space.format(architecture))
        if own is not None:
            found.append(_Subject(architecture, own, "retrained"))
        elif run.supernet_file.exists():
            found.append(_Subject(architecture, run.supernet_file, "supernet's weights"))
    return found


def _drawn(
    contents: Contents, subjects: Sequence[_Subject], pairs: int, several: bool
) -> List[Tuple[Picture, Tuple[Any, ...]]]:
    """Pictures with a line of the data for each; none, with a word, where images or weights cannot be read."""
    if not subjects:
        return []
    with phase("loading TensorFlow"):
        from edgeflownas.data.datasets import open_part
        from search.workers.predictors import calibration_images, open_predictor

    run = contents.run
    found: List[Tuple[Picture, Tuple[Any, ...]]] = []
    try:
        dataset = open_part(run.config.data, "val")
        indices = dataset.select(min(pairs, len(dataset)))
        images = calibration_images(run)
        with progress("drawing flow", len(subjects) * len(indices)) as bar:
            for subject in subjects:
                name = run.space.format(subject.architecture)
                predicting = open_predictor(run, subject.architecture, subject.weights, images)
                for index in indices:
                    sample = dataset.sample(index, None)
                    flow = predicting.flow(sample.images)
                    errors = np.linalg.norm(flow - sample.flow, axis=-1)[sample.valid]
                    epe = float(errors.mean()) if errors.size else None
                    said = "no flow known" if epe is None else f"EPE {epe:.3f} px"
                    where = f"{contents.name}, " if several else ""
                    title = f"{where}{name}, {subject.said}, pair {index}: {said}"
                    found.append((
                        Picture(title, _png(draw_panels(sample, flow)), LABELS),
                        (contents.name, name, str(subject.weights), index, epe),
                    ))  # fmt: skip
                    bar.advance(name)
                predicting.close()
    except InputError as error:
        say(f"{contents.name}: no pictures of flow: {error}")
        return []
    return found


def _png(images: Sequence[np.ndarray]) -> bytes:
    """Images side by side, as a PNG file."""
    joined = np.ascontiguousarray(np.concatenate(list(images), axis=1)[..., ::-1])
    whole, content = cv2.imencode(".png", joined)
    if not whole:
        raise OSError("a picture of flow cannot be made a PNG")
    return bytes(content.tobytes())
