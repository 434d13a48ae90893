import math
from typing import Any, Callable, Dict

import pytest
import yaml

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint, record
from search.queue.queue import Queue
from search.queue.status import read_row
from search.queue.task import make_printable
from tests.search.queue.small import small_queue

Edit = Callable[[Dict[str, Any]], None]


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Queue:
    return small_queue(tmp_path_factory.mktemp("queue"))


def edit_task(queue: Queue, **changes: Any) -> Queue:
    """Return the queue, reopened after changing the original task 0."""
    path = queue.paths.task(0).task
    original = queue.paths.task(2).task
    content = {**yaml.safe_load(original.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "removed"}))
    return Queue(queue.paths.folder)


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"command": "rm -rf /"}, "command: no such key"),
        ({"seed": "removed"}, "seed: is missing"),
        ({"seed": "3"}, "seed: should be a valid integer"),
        ({"seed": -1}, "seed: .*greater"),
        ({"attempts": 0}, "attempts"),
        ({"architecture": "0; rm -rf ~"}, "architecture: .*pattern"),
        ({"architecture": [0]}, "architecture: should be text"),
        ({"supernet_sha256": "x"}, "supernet_sha256"),
        ({"format_version": 2}, "format_version"),
        ({"data": {"kind": "pickle", "path": "/etc/passwd"}}, "data"),
        ({"network": {"width": 7}}, "network.width"),
        ({"found": {"epe": math.nan, "fps": 1.0}}, "found"),
        ({"first_weights": ["supernet.h5"]}, "first_weights"),
    ],
)
def test_task_file_with_invalid_content_is_refused(queue: Queue, changes: Dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        edit_task(queue, **changes).task(0)
    assert "\n" not in str(refused.value) and "task.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch pwned']",
        "!!python/name:os.system",
        "seed: 1\nseed: 2",
        "- a list",
        "just words",
        "\x00\x01",
        "seed: 2001-99-99",
        "[" * 5000,
        "a: &a [1]\nb: &b [*a, *a]\n" + "x: {? [y] : z}",
    ],
    ids=["call", "name", "twice", "list", "words", "binary", "date", "deep", "key"],
)
def test_task_file_that_is_not_plain_data_is_refused(queue: Queue, text: str) -> None:
    queue.paths.task(0).task.write_text(text)
    with pytest.raises(InputError) as refused:
        Queue(queue.paths.folder).task(0)
    assert "\n" not in str(refused.value)


def test_value_with_exponential_aliases_is_refused_at_once(queue: Queue) -> None:
    lines = ["architecture:", "- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    queue.paths.task(0).task.write_text("\n".join(lines))
    with pytest.raises(InputError, match="is not valid YAML: it contains more than 50000 values") as refused:
        Queue(queue.paths.folder).task(0)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "name", ["../supernet.h5", "/etc/passwd", "tasks/../../../trained.h5", ".", "", "link.h5", "long" * 99]
)
def test_weights_outside_the_queue_are_never_opened(queue: Queue, name: str) -> None:
    link = queue.paths.folder / "link.h5"
    if not link.exists():
        link.symlink_to(queue.paths.folder.parent.parent / "trained.h5")
    with pytest.raises(InputError, match="leads out of the queue"):
        edit_task(queue, first_weights=name).task(0).load_first_weights()


def test_weights_other_than_those_of_the_search_are_refused(queue: Queue) -> None:
    weights, _ = checkpoint.load(queue.paths.supernet)
    name = sorted(weights)[0]
    checkpoint.save(queue.paths.folder / "other.h5", {**weights, name: weights[name] + 1}, {})
    with pytest.raises(InputError, match="does not hold the weights"):
        edit_task(queue, first_weights="other.h5").task(0).load_first_weights()
    with pytest.raises(InputError, match="gone.h5"):
        edit_task(queue, first_weights="gone.h5").task(0).load_first_weights()


@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_missing_task_is_reported(queue: Queue, index: int) -> None:
    with pytest.raises(InputError, match="tasks 0 to 2"):
        queue.task(index)


@pytest.mark.parametrize(
    "change", [{"state": "lost"}, {"attempts": -1}, {"rate": "fast"}, {"more": 1}, {"changed": None}, None]
)
def test_damaged_state_is_reported_and_other_tasks_are_still_shown(queue: Queue, change: Any) -> None:
    path = queue.paths.task(1).state
    good = record.read(queue.paths.task(2).state)
    if change is None:
        path.write_text('{"state": "run')
    else:
        record.write(path, {**good, **change})
    assert read_row(queue, 1).word == "damaged" and "state.json" in str(read_row(queue, 1).reason)
    assert read_row(queue, 2).word == "queued"
    record.write(path, good)


def test_text_from_files_cannot_control_the_terminal() -> None:
    assert make_printable("\x1b[2Jgone\r\nback\u202e") == " [2Jgone  back"


def test_log_tail_returns_the_last_lines(queue: Queue) -> None:
    task = queue.task(2)
    assert task.log_tail(3) == []
    task.paths.output.write_bytes(b"\xff\xfe\n" + b"".join(b"line %d\n\n" % i for i in range(5000)) + b"\x1b[31mred")
    assert task.log_tail(3) == ["line 4998", "line 4999", " [31mred"]
