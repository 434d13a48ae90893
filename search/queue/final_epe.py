"""The final EPE of a retrained child on each data set that its recipe names: on whole images, as the network is."""

from typing import Any, Dict, List, Mapping

import numpy as np
from pydantic import Field

from edgeflownas.config import Section, validate
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint, record
from search.queue.task import Task


class FinalEpe(Section):
    """On one data set."""

    data: Dict[str, Any] = Field(description="its section of the configuration")
    epe: float = Field(ge=0, description="over all valid pixels of all validation pairs, pixels")
    zero_flow_epe: float = Field(gt=0, description="of predicting no motion, pixels")
    pairs: int = Field(ge=1)


class FinalEpes(Section):
    """The content of ``final.json``: what was scored once is not scored again."""

    weights_sha256: str
    epes: Dict[str, FinalEpe]


def score_final_epes(task: Task, tensors: Mapping[str, np.ndarray]) -> Dict[str, FinalEpe]:
    """Scores a child on the validation pairs of every stage's data, each pair as large as it is.

    Its BN statistics are those that are kept with its weights, as they are on the device. A data set that cannot be
    read here is told, and left out.

    Args:
        task: that is done.
        tensors: its weights and BN statistics.
    """
    digest = checkpoint.digest(tensors)
    wanted = _named([stage.data.model_dump() for stage in task.config.stages])
    known = _known(task, digest)
    found = {}
    for name, data in wanted.items():
        if name in known and known[name].data == data:
            found[name] = known[name]
            continue
        try:
            found[name] = _scored(task, tensors, name, data)
        except InputError as error:
            say(f"architecture {task.config.architecture}: no final EPE on {name}: {error}")
    if found != known:
        record.write(task.paths.final, FinalEpes(weights_sha256=digest, epes=found).model_dump())
    return found


def _named(data: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Distinct data sets by name: what kind they are, numbered where that is not enough. The last stage's is first."""
    found: Dict[str, Dict[str, Any]] = {}
    for each in reversed(data):
        if each not in found.values():
            same = sum(other["kind"] == each["kind"] for other in found.values())
            found[f"{each['kind']} {same + 1}" if same else each["kind"]] = each
    return found


def _known(task: Task, digest: str) -> Dict[str, FinalEpe]:
    """What was scored before, of these weights."""
    try:
        kept: FinalEpes = validate(record.read(task.paths.final), FinalEpes, str(task.paths.final))
    except InputError:
        return {}
    return kept.epes if kept.weights_sha256 == digest else {}


def _scored(task: Task, tensors: Mapping[str, np.ndarray], name: str, data: Dict[str, Any]) -> FinalEpe:
    from edgeflownas.data.datasets import open_part
    from edgeflownas.evaluation.assessment import assess
    from edgeflownas.evaluation.prediction import FlowPredictor

    config = task.config
    skeleton = Skeleton(config.network.width)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    wrong = skeleton.find_mismatch(tensors, architecture)
    if wrong is not None:
        raise InputError(f"{task.paths.best}: {wrong} is missing or of another shape")
    source = next(stage.data for stage in config.stages if stage.data.model_dump() == data)
    dataset = open_part(source, "val")
    predictor = FlowPredictor(skeleton, architecture, tensors, select_statistics(tensors), config.threads)
    try:
        with progress(f"{config.architecture} on {name}", len(dataset)) as bar:
            found = assess(predictor, dataset, range(len(dataset)), True, config.threads, None, bar.advance)
    finally:
        predictor.close()
    figures = found.metrics.figures()
    epe, zero = figures.get("epe"), figures.get("zero_flow_epe")
    if epe is None or not zero:
        raise InputError("the pairs know of no motion")
    return FinalEpe(data=data, epe=epe, zero_flow_epe=zero, pairs=len(dataset))
