"""Final EPEs of a retrained child on whole images of the data sets in its recipe, without recalibration."""

from typing import Any, Dict, List, Mapping, Optional

import numpy as np
from pydantic import Field

from edgeflownas.config import ProceduralData, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Space
from edgeflownas.progress import progress, say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.pairs import Fingerprint, drop_places
from search.hints import complete, folder_options
from search.queue.task import Task


class FinalEpe(Section):
    """Final EPE on one data set."""

    data: Dict[str, Any] = Field(description="the data set's section of the configuration")
    epe: float = Field(ge=0, description="mean over all valid pixels of all validation pairs, pixels")
    zero_flow_epe: float = Field(ge=0, description="EPE of zero flow, pixels")
    pairs: int = Field(ge=1)
    fingerprint: Fingerprint = Field({}, description="fingerprint of the pairs; empty for drawn scenes")


class FinalEpes(Section):
    """Content of ``final.json``, so that the same weights are not scored twice."""

    weights_sha256: str
    epes: Dict[str, FinalEpe]


def score_final_epes(task: Task, tensors: Mapping[str, np.ndarray]) -> Dict[str, FinalEpe]:
    """Score a child on the validation pairs of every stage's data, at their original sizes.

    The BN statistics stored with the weights are used, as on the device. EPEs of the same pairs that were scored
    earlier are kept. A data set that cannot be read on this machine is reported and left out, unless its EPE is known.

    Args:
        task: Finished task.
        tensors: Weights and BN statistics of the child.

    Returns:
        Final EPE by name of the data set.
    """
    digest = checkpoint.digest(tensors)
    sections = _name_data_sets([stage.data.model_dump() for stage in task.config.stages])
    known = _load_known(task, digest)
    epes = {}
    for name, data in sections.items():
        earlier = known.get(name)
        if earlier is not None and drop_places(earlier.data) != drop_places(data):
            earlier = None
        try:
            epes[name] = _score(task, tensors, name, data, earlier)
        except InputError as error:
            if earlier is None:
                problem = complete(str(error), folder_options(task.queue.folder.parent))
                say(f"architecture {task.config.architecture}: no final EPE on {name}: {problem}")
            else:
                epes[name] = earlier
    if epes != known:
        record.write(task.paths.final, FinalEpes(weights_sha256=digest, epes=epes).model_dump())
    return epes


def _name_data_sets(sections: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Return the distinct data sets by name, the last stage's first; the name is the kind, numbered if repeated."""
    named: Dict[str, Dict[str, Any]] = {}
    for data in reversed(sections):
        if data not in named.values():
            same = sum(other["kind"] == data["kind"] for other in named.values())
            named[f"{data['kind']} {same + 1}" if same else data["kind"]] = data
    return named


def _load_known(task: Task, digest: str) -> Dict[str, FinalEpe]:
    """Return the EPEs that were scored earlier with the same weights."""
    try:
        kept: FinalEpes = validate(record.read(task.paths.final), FinalEpes, str(task.paths.final))
    except InputError:
        return {}
    return kept.epes if kept.weights_sha256 == digest else {}


def _score(
    task: Task, tensors: Mapping[str, np.ndarray], name: str, data: Dict[str, Any], earlier: Optional[FinalEpe]
) -> FinalEpe:
    """Return the EPE on a data set, which is the earlier one if its pairs are the same."""
    from edgeflownas.data.datasets import open_part
    from edgeflownas.data.identity import identify_pairs
    from edgeflownas.evaluation.assessment import assess
    from edgeflownas.evaluation.prediction import FlowPredictor

    config = task.config
    source = next(stage.data for stage in config.stages if stage.data.model_dump() == data)
    is_drawn = isinstance(source, ProceduralData)
    if earlier is not None and is_drawn:
        return earlier
    dataset = open_part(source, "val")
    fingerprint = {} if is_drawn else identify_pairs(dataset, range(len(dataset)), True, config.threads)
    if earlier is not None and earlier.fingerprint == fingerprint:
        return earlier
    skeleton = open_skeleton(config)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    mismatch = skeleton.find_mismatch(tensors, architecture)
    if mismatch is not None:
        raise InputError(f"{task.paths.best}: {mismatch} is missing or has a different shape")
    predictor = FlowPredictor(skeleton, architecture, tensors, select_statistics(tensors), config.threads)
    try:
        with progress(f"{config.architecture} on {name}", len(dataset)) as bar:
            assessment = assess(predictor, dataset, range(len(dataset)), True, config.threads, None, bar.advance)
    finally:
        predictor.close()
    figures = assessment.metrics.figures()
    epe, zero = figures.get("epe"), figures.get("zero_flow_epe")
    if epe is None or zero is None:
        raise InputError("no flow of the validation pairs is known")
    return FinalEpe(data=data, epe=epe, zero_flow_epe=zero, pairs=len(dataset), fingerprint=fingerprint)
