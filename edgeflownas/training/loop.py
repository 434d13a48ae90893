"""The training loop, shared by the supernet and children, which differ only in their steps.

The state is saved after every epoch and when a signal is received. Training resumes exactly where
it was stopped: with the same weights, optimizer, sampler and position in the order of the data.
"""

import contextlib
import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

import numpy as np

from edgeflownas.progress import Bar, Standing, progress, say
from edgeflownas.signals import StopFlag, stop_flag
from edgeflownas.storage.events import Events
from edgeflownas.storage.pairs import Identities
from edgeflownas.training.files import TrainingFiles
from edgeflownas.training.log import report_epoch, write_log
from edgeflownas.training.place import Place
from edgeflownas.training.schedule import Schedule
from edgeflownas.training.step import Step

_STOPPING = "saving and stopping"  # fits after a bar in 80 columns


class Training:
    """A training run in a folder, which holds ``last.h5`` (all state), ``best.h5`` (weights), ``log.csv`` and events.

    Attributes:
        schedule: Steps of the training run.
    """

    def __init__(self, schedule: Schedule, identity: Mapping[str, Any], zero_flow_epe: float) -> None:
        """Set up a training run; ``resume`` and ``run`` do the work.

        Args:
            schedule: Steps of the training run.
            identity: Values that must not change between stopping and resuming, by name.
            zero_flow_epe: EPE of predicting no motion, in pixels.
        """
        self.schedule, self._zero_flow_epe = schedule, zero_flow_epe
        self._step, self._config, self._folder = schedule.step, schedule.config, schedule.folder
        self._files = TrainingFiles(self._folder, identity, self._config.keep_every)
        self._place = Place()

    @property
    def pairs(self) -> Identities:
        """Fingerprints of the pairs that are read; empty for drawn scenes."""
        return self._files.pairs

    def resume(self) -> bool:
        """Restore the state of an earlier training run in this folder; return False if there is none.

        Raises:
            InputError: The earlier run used a different space, network, data set or recipe, or its files are damaged.
        """
        saved = self._files.load()
        if saved is None:
            return False
        self._place = saved.place
        self._step.restore(saved.tensors, saved.step)
        remarks = [saved.remark]
        if self._place.history:
            remarks.append(self._files.repair_best(self._step, self._place))
        for remark in filter(None, remarks):
            say(remark)
        return True

    def run(self, beat: Callable[[], None] = lambda: None) -> Dict[str, float]:
        """Train to the end.

        Args:
            beat: Function that is called after every step and before every write, such as the heartbeat of a lock.

        Returns:
            The last line of the log.

        Raises:
            Interrupted: A signal was received; everything is saved.
            FloatingPointError: The loss or the gradient is not finite; the last good checkpoint is untouched.
        """
        place = self._place
        self._files.remove_leftovers()
        if place.history:
            self._write_reports()  # a run that was killed may not have done so
        events = Events(self._folder / "events")
        events.open()
        with contextlib.closing(events):
            bar_shown = progress("training", self.schedule.steps, self._steps_done)
            with bar_shown as bar, stop_flag(lambda: bar.note(_STOPPING)) as stop:
                while place.epoch < self._config.epochs and not place.has_stalled(self._config.patience):
                    self._run_epoch(bar, stop, beat)
                    beat()
                    report_epoch(place.history[-1], self._config.epochs, self._zero_flow_epe, events)
                    self._save()
                    stop.raise_if_set()
        return place.history[-1]

    def standing(self) -> Standing:
        """Return the progress of the training; may be called from another thread."""
        return Standing(self._place.epoch, self._steps_done, self.schedule.steps, self._place.best_epe)

    @property
    def _steps_done(self) -> int:
        return self._place.epoch * self.schedule.steps_per_epoch + self._place.batch

    def _run_epoch(self, bar: Bar, stop: StopFlag, beat: Callable[[], None]) -> None:
        """Take the remaining steps of the epoch, then score it."""
        place, started = self._place, time.monotonic()
        for loss in self.schedule.run_epoch(place.epoch, place.batch):
            place.count_batch(loss)
            beat()
            bar.advance(_STOPPING if stop else f"loss {place.mean_loss:.4f}")
            if stop:
                place.wall_s += time.monotonic() - started
                self._save()
                stop.raise_if_set()
        bar.advance(f"scoring epoch {place.epoch + 1}", steps=0)
        steps = self._steps_done
        epe = _score(self._step, self._folder, steps)
        place.wall_s += time.monotonic() - started
        place.complete_epoch(epe, steps, self._zero_flow_epe)

    def _save(self) -> None:
        self._files.save(self._step, self._place)
        self._write_reports()

    def _write_reports(self) -> None:
        """Write the files that are meant for people."""
        self._step.write_epoch_files(self._folder)
        write_log(self._folder, self._place.history)


def _score(step: Step, folder: Path, steps: int) -> float:
    """Return the EPE after a number of steps; raise FloatingPointError if it is not finite."""
    epe = step.evaluate()
    if not np.isfinite(epe):
        raise FloatingPointError(
            f"training in {folder}: the EPE after step {steps} is not finite; the last checkpoint is good: "
            f"lower train.learning_rate"
        )
    return epe
