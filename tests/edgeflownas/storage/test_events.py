"""TensorBoard events, read back by TensorFlow."""

import errno
from pathlib import Path
from typing import Dict, List, Tuple

from tensorboardX.event_file_writer import EventsWriter

from edgeflownas.storage import events as module
from edgeflownas.storage.events import Events
from edgeflownas.tf_runtime.stack import tf


def read(folder: Path) -> Dict[str, List[Tuple[int, float]]]:
    """Return steps and values by the name of their curve."""
    curves: Dict[str, List[Tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                curves.setdefault(value.tag, []).append((event.step, value.simple_value))
    return curves


def test_values_can_be_read_before_the_file_is_closed(tmp_path):
    events = Events(tmp_path / "events")
    events.open()
    events.add(3, {"loss": 0.5, "best epe": 2.0})
    events.add(7, {"loss": 0.25})
    assert read(tmp_path / "events") == {"loss": [(3, 0.5), (7, 0.25)], "best epe": [(3, 2.0)]}
    events.close()


def test_every_start_keeps_earlier_values(tmp_path, monkeypatch):
    for step in (1, 2):
        monkeypatch.setattr(module.os, "getpid", lambda step=step: step)  # as of two processes
        events = Events(tmp_path)
        events.open()
        events.add(step, {"loss": 1.0})
        events.close()
    assert sorted(read(tmp_path)["loss"]) == [(1, 1.0), (2, 1.0)]


def test_folder_that_cannot_be_created_is_reported_and_nothing_more(tmp_path, capsys):
    (tmp_path / "events").write_text("")
    events = Events(tmp_path / "events")
    events.open()
    events.add(1, {"loss": 1.0})
    events.close()
    assert capsys.readouterr().err == f"{tmp_path / 'events'}: no TensorBoard events are written: File exists\n"


def test_full_disk_is_reported_once(tmp_path, capsys, monkeypatch):
    def flush(self: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    events = Events(tmp_path)
    events.open()
    monkeypatch.setattr(EventsWriter, "flush", flush)
    for step in range(3):
        events.add(step, {"loss": 1.0})
    events.close()
    assert capsys.readouterr().err == f"{tmp_path}: no TensorBoard events are written: No space left on device\n"
