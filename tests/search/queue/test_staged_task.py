from pathlib import Path

from edgeflownas.config import validate
from edgeflownas.storage import checkpoint, record
from search.queue.retrain import Result, retrain
from search.queue.status import read_row
from tests.search.queue.small import CONTENT, TRAIN, small_queue


def test_task_with_two_stages_is_counted_as_one_and_leaves_the_usual_files(tmp_path: Path) -> None:
    other = {**CONTENT["data"], "height": 48, "seed": 5}
    queue = small_queue(tmp_path, train=[TRAIN, {**TRAIN, "epochs": 1, "data": other}])
    task = queue.task(2)
    assert read_row(queue, 2).epochs == 3
    assert retrain(task) == "done"
    state = task.state()
    assert (state.epoch, state.step, state.steps) == (3, 12, 12)
    result: Result = validate(record.read(task.paths.result), Result, "result")
    best, about = checkpoint.load(task.paths.best)
    assert about["identity"]["data"]["seed"] == 5 and result.weights_sha256 == checkpoint.digest(best)
    assert result.epe == about["epe"] and (task.paths.folder / "stage1" / "best.h5").exists()
