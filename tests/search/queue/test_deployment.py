import shutil
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

from edgeflownas.config import DeployConfig, validate
from edgeflownas.data.augmentation import resize
from edgeflownas.data.datasets import open_part
from edgeflownas.errors import InputError
from edgeflownas.evaluation.prediction import FlowPredictor
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from search.queue import deployment
from search.queue.deployment import Deployment
from search.queue.retrain import retrain
from search.queue.task import Task
from tests.edgeflownas.data.written import WRITERS, flow, put_flo
from tests.search.queue.small import small_queue

Trained = Tuple[Task, Dict[str, np.ndarray], float]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished task, its weights, and its EPE as scored in training."""
    task = small_queue(tmp_path_factory.mktemp("queue")).task(2)
    assert retrain(task) == "done"
    tensors, best = checkpoint.load(task.paths.best)
    return task, tensors, best["epe"]


def open_deployment(task: Task, **keys: Any) -> Deployment:
    return Deployment(validate({"calibration_pairs": 4, **keys}, DeployConfig, "test"), task.config, True)


def test_without_a_section_the_input_is_that_of_the_training(trained: Trained) -> None:
    task, tensors, epe = trained
    scored = open_deployment(task).score(task, tensors)
    assert scored.settings["size"] == [32, 32] and scored.pairs == 2
    assert scored.epe == pytest.approx(epe, rel=1e-5)
    assert scored.int8_epe != scored.epe and scored.int8_epe == pytest.approx(epe, rel=0.3)


def test_whole_images_are_resized_with_their_flow_and_padded(trained: Trained) -> None:
    """Compared with a network that predicts the resized images, whose padding is cropped."""
    task, tensors, _ = trained
    board = open_deployment(task, height=24, width=40)
    scored = board.score(task, tensors)
    assert board.padded_size == (32, 48)
    skeleton = default_skeleton(task.config.network.width)
    architecture = Space.from_skeleton(skeleton).parse(task.config.architecture)
    predictor = FlowPredictor(skeleton, architecture, tensors, select_statistics(tensors), 1)
    val, errors, lengths = open_part(task.config.data, "val"), [], []
    for index in range(2):
        sample = resize(val.full_sample(index), 24, 40)
        errors.append(np.linalg.norm(predictor.flow(sample.images) - sample.flow, axis=-1))
        lengths.append(np.linalg.norm(val.full_sample(index).flow * [40 / 32, 24 / 32], axis=-1))
    predictor.close()
    assert scored.epe == pytest.approx(np.mean(errors), rel=1e-5)
    assert scored.zero_flow_epe == pytest.approx(np.mean(lengths), rel=0.02)


def test_epes_are_measured_once_per_weights_settings_and_pairs(trained: Trained) -> None:
    task, tensors, _ = trained
    scored = open_deployment(task).score(task, tensors)
    written = task.paths.deployed.stat().st_mtime_ns
    assert open_deployment(task).score(task, tensors) == scored
    assert task.paths.deployed.stat().st_mtime_ns == written
    assert open_deployment(task, pairs=1).score(task, tensors).pairs == 1
    task.paths.deployed.write_text("{")
    assert open_deployment(task).score(task, tensors) == scored, "a damaged file is not used"
    other = {**tensors, "E0/bn/beta": tensors["E0/bn/beta"] + 1}
    assert open_deployment(task).score(task, other).epe != scored.epe


def test_large_loss_is_examined(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    task, tensors, _ = trained
    scored = open_deployment(task, pairs=1).score(task, tensors)
    assert not scored.layers and not scored.trials
    monkeypatch.setattr(deployment, "NOTABLE_LOSS", -1.0)
    scored = open_deployment(task, pairs=2).score(task, tensors)
    assert [layer.layer for layer in scored.layers][::16] == ["E0", "flow 1/1"]
    assert {(trial.calibration_pairs, trial.trim) for trial in scored.trials} == {(8, 0.0), (4, 0.25), (8, 0.25)}
    more = open_deployment(task, calibration_pairs=8, trim=0.25).score(task, tensors)
    trials = {(trial.calibration_pairs, trial.trim): trial.int8_epe for trial in scored.trials}
    assert more.int8_epe == trials[8, 0.25], "a trial is what the keys give"


def test_pairs_of_another_data_set_are_scored(trained: Trained, tmp_path: Path) -> None:
    task, tensors, _ = trained
    content = WRITERS["list"](tmp_path / "data")
    keys: Dict[str, Any] = {"data": {**content, "height": 16, "width": 16}, "height": 32, "width": 32}
    scored = open_deployment(task, **keys).score(task, tensors)
    assert scored.settings["data"]["kind"] == "list" and list(scored.fingerprints) == ["validation"]
    put_flo(tmp_path / "data" / "a.flo", flow(77))
    assert open_deployment(task, **keys).score(task, tensors).epe != scored.epe, "the pairs have changed"
    known = open_deployment(task, **keys).score(task, tensors)
    shutil.rmtree(str(tmp_path / "data"))
    assert open_deployment(task, **keys).score(task, tensors) == known
    with pytest.raises(InputError, match=r"deploy\.data"):
        open_deployment(task, **{**keys, "pairs": 1}).score(task, tensors)


def test_more_pairs_than_exist_are_refused(trained: Trained) -> None:
    task, tensors, _ = trained
    with pytest.raises(InputError, match="deploy.pairs: asks for 9 validation pairs, but the data set has 2"):
        open_deployment(task, pairs=9).score(task, tensors)
