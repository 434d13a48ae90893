"""The training loop, shared by supernet and children, which differ in their steps.

The state is saved after every epoch and when a signal is received. Wherever a training was stopped, it resumes exactly
there: weights, optimizer, sampler, and position in the order of the data.
"""

import contextlib
import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

import numpy as np

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch, read_batches, shuffle_indices
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.progress import Bar, Standing, progress
from edgeflownas.signals import StopFlag, stop_flag
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.files import Place, TrainingFiles, save_failed_batch
from edgeflownas.training.log import report_epoch, write_log
from edgeflownas.training.optimizer import learning_rate
from edgeflownas.training.step import Step

_STOPPING = "saving and stopping"  # fits after a bar in 80 columns


def check_batch_size(dataset: FlowDataset, config: TrainConfig) -> None:
    """Raise InputError if a data set is smaller than a batch."""
    if len(dataset) < config.batch_size:
        raise InputError(
            f"train.batch_size: {config.batch_size} is more than the {len(dataset)} training pairs; lower it"
        )


class Training:
    """A training in a folder, which holds ``last.h5`` (all state), ``best.h5`` (weights), ``log.csv`` and events."""

    def __init__(
        self,
        step: Step,
        dataset: FlowDataset,
        config: TrainConfig,
        seed: int,
        folder: Path,
        identity: Mapping[str, Any],
        zero_flow_epe: float,
        threads: int,
    ) -> None:
        """Describe a training; ``resume`` and ``run`` do the work.

        Args:
            step: Step of the training.
            dataset: Data set of the training pairs.
            config: Recipe of the training.
            seed: Seed of the data's order and augmentation.
            folder: Folder of the training's files.
            identity: Values that must not change between stopping and resuming, by name.
            zero_flow_epe: EPE of predicting no motion, in pixels.
            threads: Number of threads that read data.

        Raises:
            InputError: The data set is smaller than a batch.
        """
        check_batch_size(dataset, config)
        self._step, self._dataset, self._config, self._seed = step, dataset, config, seed
        self._folder, self._zero_flow_epe, self._threads = folder, zero_flow_epe, threads
        self._files = TrainingFiles(folder, identity, config.keep_every)
        self._place = Place()

    def resume(self) -> bool:
        """Restore the state of an earlier training in this folder; return False if there is none.

        Raises:
            InputError: The earlier training had another space, network, data or recipe, or its files are damaged.
        """
        checkpoint = self._files.load()
        if checkpoint is None:
            return False
        tensors, state = checkpoint
        self._place = Place(**state["place"])
        self._step.restore(tensors, state["step"])
        if self._place.history:
            self._files.repair_best(self._step, self._place)
        return True

    def run(self, beat: Callable[[], None] = lambda: None) -> Dict[str, float]:
        """Train to the end.

        Args:
            beat: Function that is called at every step and before every write, as the heartbeat of a lock.

        Returns:
            The last line of the log.

        Raises:
            Interrupted: A signal was received; everything is saved.
            FloatingPointError: The loss or the gradient is not finite; the last good checkpoint is untouched.
        """
        place = self._place
        self._files.remove_leftovers()
        if place.history:
            self._write_reports()  # a training that was killed may not have done so
        with contextlib.closing(tf.summary.FileWriter(str(self._folder / "events"))) as events:
            bar_shown = progress("training", self._total_steps, self._steps_done)
            with bar_shown as bar, stop_flag(lambda: bar.note(_STOPPING)) as stop:
                while place.epoch < self._config.epochs and not self._has_stalled():
                    self._run_epoch(bar, stop, beat)
                    beat()
                    report_epoch(place.history[-1], self._config.epochs, self._zero_flow_epe, events)
                    self._save()
                    stop.raise_if_set()
        return place.history[-1]

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps per epoch; pairs that do not fill a batch are left out, different pairs in each epoch."""
        return len(self._dataset) // self._config.batch_size

    def time_steps(self, steps: int) -> float:
        """Measure the time of a step by taking some at a learning rate of 0; nothing is saved.

        Returns:
            Median time of a step in seconds, including reading its batch, after one warm-up step.
        """
        config, seconds = self._config, []
        order = np.resize(shuffle_indices(len(self._dataset), self._seed, 0), (steps + 1) * config.batch_size)
        reader = read_batches(self._dataset, order.tolist(), config.batch_size, (self._seed, 0), threads=self._threads)
        for _ in range(steps + 1):
            started = time.monotonic()
            self._step.run(next(reader), 0.0, 0.0)
            seconds.append(time.monotonic() - started)
        return float(np.median(seconds[1:]))

    def standing(self) -> Standing:
        """Return the progress of the training; may be called from another thread."""
        place = self._place
        return Standing(place.epoch, self._steps_done, self._total_steps, place.best_epe)

    @property
    def _steps_done(self) -> int:
        return self._place.epoch * self.steps_per_epoch + self._place.batch

    @property
    def _total_steps(self) -> int:
        return self._config.epochs * self.steps_per_epoch

    def _has_stalled(self) -> bool:
        """Return whether the EPE has not improved for the number of epochs that the recipe allows."""
        place = self._place
        waited = place.epoch - place.best_epoch
        return bool(self._config.patience) and place.epoch > 0 and waited >= self._config.patience

    def _run_epoch(self, bar: Bar, stop: StopFlag, beat: Callable[[], None]) -> None:
        place, config = self._place, self._config
        started = time.monotonic()
        count = self.steps_per_epoch * config.batch_size
        order = shuffle_indices(len(self._dataset), self._seed, place.epoch)[:count].tolist()
        augment = (self._seed, place.epoch)
        for batch in read_batches(self._dataset, order, config.batch_size, augment, place.batch, self._threads):
            beat()
            indices = order[place.batch * config.batch_size :][: config.batch_size]
            place.loss_sum += self._take_step(batch, indices)
            place.batch += 1
            bar.advance(_STOPPING if stop else f"loss {place.loss_sum / place.batch:.4f}")
            if stop:
                place.wall_s += time.monotonic() - started
                self._save()
                stop.raise_if_set()
        bar.advance(f"scoring epoch {place.epoch + 1}", steps=0)
        self._end_epoch(time.monotonic() - started)

    def _take_step(self, batch: Batch, indices: np.ndarray) -> float:
        """Take one step; if its loss is not finite, save the batch and end the training."""
        done, total = self._steps_done, self._total_steps
        rate = learning_rate(self._config, done, total)
        uncertainty_weight = float(done >= self._config.uncertainty_from * total)
        try:
            loss = self._step.run(batch, rate, uncertainty_weight)
        except tf.errors.InvalidArgumentError as error:
            if "not finite" not in str(error):
                raise
            loss = float("nan")
        if not np.isfinite(loss):
            save_failed_batch(self._folder, batch, done, [self._dataset.files(int(index)) for index in indices])
            raise FloatingPointError(
                f"training in {self._folder}: loss or gradient is not finite in step {done}; its batch is in "
                f"not-finite.npz, the names of its files are in not-finite.json, the last checkpoint is good: "
                f"check the data (`data check`) or lower train.learning_rate"
            )
        return loss

    def _end_epoch(self, seconds: float) -> None:
        """Score the epoch and record it."""
        place = self._place
        started = time.monotonic()
        epe, steps = self._step.evaluate(), self._steps_done
        if not np.isfinite(epe):
            raise FloatingPointError(
                f"training in {self._folder}: the EPE after step {steps} is not finite; the last checkpoint is good: "
                f"lower train.learning_rate"
            )
        place.epoch, place.batch, loss, place.loss_sum = place.epoch + 1, 0, place.loss_sum / place.batch, 0.0
        place.wall_s += seconds + time.monotonic() - started
        place.history.append(
            {
                "epoch": place.epoch,
                "steps": steps,
                "loss": loss,
                "epe": epe,
                "share": epe / self._zero_flow_epe,
                "wall_s": round(place.wall_s, 1),
            }
        )
        if place.best_epe is None or epe < place.best_epe:
            place.best_epe, place.best_epoch = epe, place.epoch

    def _save(self) -> None:
        self._files.save(self._step, self._place)
        self._write_reports()

    def _write_reports(self) -> None:
        """Write the files that people read."""
        self._step.write_epoch_files(self._folder)
        write_log(self._folder, self._place.history)
