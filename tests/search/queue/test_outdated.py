"""Queues whose search was extended."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from search.queue.build import build
from search.queue.outdated import list_dominated, read_search_front
from tests.search.queue.small import FRONT, small_archive, small_run
from tests.search.report.made import at_root, searched


@pytest.mark.parametrize("settings, expected", [
    ({"rule": "spread", "size": 6}, ["000000000"]),
    ({"rule": "fps_targets", "fps_targets": [85.0, 20.0]}, ["000000000"]),
    ({"rule": "list", "architectures": ["000000000", "222222222"]}, []),  # chosen by the user, not from the front
])  # fmt: skip
def test_architectures_that_left_the_front_are_listed(tmp_path: Path, settings: Any, expected: Any) -> None:
    run = small_run(tmp_path, **settings)
    archive = small_archive(run)
    queue = build(run, archive, FRONT)
    front = set(archive.architectures(FRONT))
    assert list_dominated(queue, run.space, front) == []
    assert list_dominated(queue, run.space, front - {run.space.parse("000000000")}) == expected


def test_front_of_a_search_is_read_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with at_root():
        short, long = searched(tmp_path / "short", 1), searched(tmp_path / "long", 3)
        before, after = read_search_front(short), read_search_front(long)
        assert before is not None and after is not None and before - after
        shutil.copy(str(long.search_file), str(short.search_file))
        assert read_search_front(short) == after
        short.search_file.write_bytes(short.search_file.read_bytes()[:-9])
        assert read_search_front(short) is None and "cannot be compared" in capsys.readouterr().err
        short.search_file.unlink()
        assert read_search_front(short) is None
