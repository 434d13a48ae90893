"""TensorBoard events: curves of a training or a search, written without TensorFlow."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Optional

from edgeflownas.errors import find_reason
from edgeflownas.progress import say

if TYPE_CHECKING:  # it takes a quarter of a second to import, which commands that write no events need not wait for
    from tensorboardX.event_file_writer import EventsWriter


class Events:
    """A writer of events, closed at first.

    Each start of a run writes a new file, and TensorBoard joins the files of a folder. Events are a convenience: if
    they cannot be written, a message says so and the run continues without them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Optional[EventsWriter] = None

    def open(self) -> None:
        """Create a file, and the folder if there is none."""
        from tensorboardX.event_file_writer import EventsWriter

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        except OSError as error:
            self._give_up(error)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write values, so that TensorBoard shows them at once.

        Args:
            step: Place of the values on the horizontal axis, such as the number of training steps.
            values: Values by the name of their curve.
        """
        if self._writer is None:
            return
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        try:
            self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                self._give_up(error)
            self._writer = None

    def _give_up(self, error: OSError) -> None:
        say(f"{self._folder}: no TensorBoard events are written: {find_reason(error)}")
        self._writer = None
