import shutil
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import sha256
from search.queue.build import build
from search.queue.claim import hold_claim
from search.queue.queue import Queue
from tests.search.queue.small import FRONT, SCORES, small_archive, small_queue, small_run


def files(folder: Path) -> Dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def architectures(queue: Queue) -> List[str]:
    return [queue.task(index).config.architecture for index in queue.indices]


def start(queue: Queue, index: int) -> None:
    with hold_claim(queue.task(index)) as claim:
        claim.begin()
        claim.change(state="preempted")


def test_queue_has_the_documented_files(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    names = {f"tasks/00{index}/{name}" for index in range(3) for name in ("task.yaml", "state.json")}
    assert set(files(queue.paths.folder)) == {"queue.yaml", "supernet.h5"} | names
    assert not list(queue.paths.folder.parent.glob(".*"))
    assert (queue.file.rule, queue.file.size, queue.file.tasks, queue.file.seed) == ("spread", 3, 3, 3)


def test_task_contains_everything_that_the_training_depends_on(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    queue = small_queue(tmp_path)
    config = queue.task(1).config
    assert (config.architecture, config.seed, config.attempts) == ("111000000", 3, 2)
    assert (config.train, config.data) == (run.config.queue.train, run.config.data)
    assert (config.network, config.evaluation) == (run.config.network, run.config.evaluation.rules)
    assert (config.found.epe, config.found.fps) == SCORES["111000000"]
    weights = run.supernet_weights()
    assert config.supernet_sha256 == queue.file.supernet_sha256 == checkpoint.digest(weights)
    loaded = queue.task(1).load_first_weights()
    assert loaded is not None and checkpoint.digest(loaded) == checkpoint.digest(weights)
    state = queue.task(1).state()
    assert (state.state, state.attempts) == ("queued", 0)


def test_queue_includes_both_ends_of_the_front_and_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    chosen = architectures(build(run, small_archive(run), FRONT))
    assert chosen == ["222222222", "111000000", "000000000"]
    shutil.rmtree(str(run.queue_folder))
    assert architectures(build(run, small_archive(run), FRONT[::-1])) == chosen


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=4)
@given(st.permutations(range(6)), st.integers(1, 8))
def test_queue_does_not_depend_on_the_order_of_rows_for_any_size(tmp_path: Path, order: List[int], size: int) -> None:
    run = small_run(tmp_path, size=size)
    shutil.rmtree(str(run.queue_folder), ignore_errors=True)
    chosen = architectures(build(run, small_archive(run), FRONT))
    assert len(set(chosen)) == min(size, 6)
    shutil.rmtree(str(run.queue_folder))
    assert architectures(build(run, small_archive(run), np.array(order))) == chosen


def test_queue_from_scratch_has_no_copy_of_the_supernet(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, warm_start=False)
    assert not queue.paths.supernet.exists()
    assert queue.task(0).config.first_weights is None and queue.task(0).load_first_weights() is None


def test_building_the_same_queue_again_changes_nothing(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    start(queue, 1)
    before = files(queue.paths.folder)
    assert architectures(small_queue(tmp_path)) == architectures(queue)
    assert files(queue.paths.folder) == before


def test_id_depends_on_the_tasks_only(tmp_path: Path) -> None:
    first = small_queue(tmp_path / "a").file.id
    assert len(first) == 64 and small_queue(tmp_path / "b").file.id == first
    changes: List[Dict[str, Any]] = [{"size": 2}, {"attempts": 9}, {"rule": "hypervolume"}]
    ids = [small_queue(tmp_path / str(number), **change).file.id for number, change in enumerate(changes)]
    assert len({first, *ids}) == 4


def test_queue_that_was_not_started_is_replaced(tmp_path: Path) -> None:
    small_queue(tmp_path)
    assert len(architectures(small_queue(tmp_path, size=2))) == 2
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["queue"]


@pytest.mark.parametrize("change", [{"size": 2}, {"warm_start": False}, {"train": {"epochs": 3, "batch_size": 2}}])
def test_started_queue_is_replaced_only_with_rebuild(tmp_path: Path, change: Dict[str, Any]) -> None:
    queue = small_queue(tmp_path)
    start(queue, 1)
    before = files(queue.paths.folder)
    with pytest.raises(InputError, match="--rebuild"):
        small_queue(tmp_path, **change)
    assert files(queue.paths.folder) == before
    run = small_run(tmp_path, **change)
    build(run, small_archive(run), FRONT, rebuild=True)
    assert files(tmp_path / "run" / "queue.1") == before
    assert Queue(run.queue_folder).task(1).state().attempts == 0


def test_running_queue_is_never_moved(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    run = small_run(tmp_path)
    with hold_claim(queue.task(2)), pytest.raises(InputError, match="task 2 is still running; stop it first"):
        build(run, small_archive(run), FRONT, rebuild=True)
    assert queue.paths.queue.exists()


def test_damaged_queue_can_be_set_aside(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    queue.paths.queue.write_text("format: [")
    with pytest.raises(InputError, match="queue.yaml: is not valid YAML"):
        small_queue(tmp_path)
    run = small_run(tmp_path)
    build(run, small_archive(run), FRONT, rebuild=True)
    assert len(architectures(Queue(run.queue_folder))) == 3


def test_empty_front_and_missing_queue_are_reported(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    with pytest.raises(InputError, match="front is empty"):
        build(run, small_archive(run), FRONT[:0])
    with pytest.raises(InputError, match="queue build"):
        Queue(run.queue_folder)


def test_full_disk_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    run = small_run(tmp_path)
    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="No space"):
        build(run, small_archive(run), FRONT)
    assert not list(run.folder.iterdir())


@pytest.mark.parametrize(
    "settings, chosen",
    [
        ({"rule": "spread"}, ["222222222", "111000000", "000000000"]),
        # Computed by hand: 000000000 alone has 6 x 90; then 111000000 adds 1.2 x 55, then 111100000 adds 0.8 x 30.
        ({"rule": "hypervolume"}, ["111100000", "111000000", "000000000"]),
        ({"rule": "fps_targets", "fps_targets": [75.0, 20.0, 76.0]}, ["111100000", "100000000"]),
        ({"rule": "list", "architectures": ["012012012", "222222222", "012012012"]}, ["012012012", "222222222"]),
    ],
)
def test_rule_is_followed_and_recorded(tmp_path: Path, settings: Dict[str, Any], chosen: List[str]) -> None:
    queue = small_queue(tmp_path, **settings)
    assert architectures(queue) == chosen
    assert queue.file.rule == settings["rule"] and queue.file.size == len(chosen)
    assert queue.file.fps_targets == settings.get("fps_targets", [])
    assert queue.file.reference_point == ({"epe": 10.0, "fps": 0.0} if settings["rule"] == "hypervolume" else {})


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"rule": "fps_targets", "fps_targets": [1000.0]}, "no architecture on the front reaches any target"),
        ({"rule": "list", "architectures": ["222222221"]}, "222222221 has no score"),
        ({"rule": "list", "architectures": ["22"]}, "22"),
        ({"rule": "list"}, "needs architectures"),
        ({"rule": "fps_targets"}, "needs fps_targets"),
        ({"rule": "best"}, "queue.rule"),
    ],
)
def test_impossible_selection_is_refused(tmp_path: Path, settings: Dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        small_queue(tmp_path, **settings)
    assert "\n" not in str(refused.value) and not (tmp_path / "run" / "queue").exists()


@pytest.mark.parametrize(
    ("train", "key"),
    [
        ({"batch_size": 9}, "queue.train.batch_size"),
        ([{"batch_size": 8}, {"batch_size": 9}], "queue.train.1.batch_size"),
    ],
)
def test_batch_larger_than_the_training_set_is_refused(tmp_path: Path, train: Any, key: str) -> None:
    with pytest.raises(InputError, match=f"^{key}: 9 is more than the 8 training pairs; lower it$"):
        small_queue(tmp_path, train=train)
    assert not small_run(tmp_path).queue_folder.exists()


def test_queue_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    lines = queue.paths.queue.read_text().splitlines(keepends=True)
    queue.paths.queue.write_text("".join(line for line in lines if not line.startswith(("id", "fps_", "reference_"))))
    older = Queue(queue.paths.folder)
    assert older.file == queue.file.model_copy(update={"id": ""})
    older.check("")
    with pytest.raises(InputError, match="was rebuilt after this job was submitted"):
        older.check(queue.file.id)
