"""The training loop, the same for the supernet and for one child; they differ in what a step is.

Saved after every epoch and on a polite signal, a training that was stopped anywhere goes on exactly where it was:
weights, optimizer, sampler, and the place in the data's order.
"""

import contextlib
import csv
import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

import numpy as np
from typing_extensions import Protocol

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch, read_batches, shuffle_indices
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.progress import Bar, Standing, progress, say
from edgeflownas.signals import StopFlag, stop_flag
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import previous, remove_leftovers, write_json, write_text
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.optimizer import learning_rate

_STOPPING = "saves and stops"  # has room behind a bar in 80 columns
_FILES = ("last.h5", "best.h5", "log.csv")
_STUCK = 0.98  # of zero flow's EPE: what is not below has not begun to learn


class Step(Protocol):
    """What one step of a training is, and how its result is scored."""

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        """Takes one step and returns its loss."""

    def evaluate(self) -> float:
        """EPE on the validation set, in pixels."""

    def tensors(self) -> Dict[str, np.ndarray]:
        """Weights and optimizer state by name."""

    def weight_names(self) -> List[str]:
        """The weights among the tensors."""

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Goes back to saved tensors and a saved state."""

    def state(self) -> Dict[str, Any]:
        """All else that the next step depends on, for JSON."""

    def write_epoch_files(self, folder: Path) -> None:
        """Leaves what the step keeps count of beside the checkpoints."""


@dataclass
class _Place:
    """How far a training is; the part of a checkpoint that is not tensors."""

    epoch: int = 0  # epochs completed
    batch: int = 0  # batches done of the epoch under way
    loss_sum: float = 0.0  # over those
    best_epe: Optional[float] = None
    best_epoch: int = 0
    wall_s: float = 0.0
    history: List[Dict[str, float]] = field(default_factory=list)


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
        """Describes a training; ``resume`` and ``run`` do the rest.

        Args:
            step: what a step is.
            dataset: of the training pairs.
            config: the recipe.
            seed: of the data's order and augmentation.
            folder: that keeps the state.
            identity: what must not change between stop and continuation, by name.
            zero_flow_epe: EPE of predicting no motion, pixels.
            threads: that read data.

        Raises:
            InputError: the data set is smaller than a batch.
        """
        if len(dataset) < config.batch_size:
            raise InputError(
                f"train.batch_size: {config.batch_size} is more than the {len(dataset)} training pairs; lower it"
            )
        self._step, self._dataset, self._config, self._seed = step, dataset, config, seed
        self._folder, self._identity, self._zero, self._threads = folder, dict(identity), zero_flow_epe, threads
        self._per_epoch = len(dataset) // config.batch_size
        self._place = _Place()

    def resume(self) -> bool:
        """Goes back to where an earlier training in this folder was; False if there is none.

        Raises:
            InputError: it was a training of another space, network, data or recipe; or its files are damaged.
        """
        path = self._folder / "last.h5"
        if not path.exists():
            if previous(path).exists():
                raise InputError(
                    f"{path}: is missing, but not the one before it: go on from that with --from-previous, or move "
                    f"{previous(path).name} away to begin anew"
                )
            return False
        tensors, state = checkpoint.load(path)
        if "place" not in state:
            raise InputError(f"{path}: holds weights, but not the state of a training; move it away")
        checkpoint.check_same(path, state["identity"], self._identity)
        self._place = _Place(**state["place"])
        self._step.restore(tensors, state["step"])
        if self._place.history:
            self._check_best()
        return True

    def run(self, beat: Callable[[], None] = lambda: None) -> Dict[str, float]:
        """Trains to the end.

        Args:
            beat: is called at every step and before every write, for the lock of whoever holds one.

        Returns:
            The last line of the log.

        Raises:
            Interrupted: a signal came; all is saved.
            FloatingPointError: the loss or the gradient is not finite; the last good checkpoint is untouched.
        """
        place = self._place
        for name in _FILES:
            remove_leftovers(self._folder / name)
        if place.history:
            self._tell()
        events = tf.summary.FileWriter(str(self._folder / "events"))
        try:
            total = self._config.epochs * self._per_epoch
            with progress("training", total, self._steps_done()) as bar, stop_flag(lambda: bar.note(_STOPPING)) as stop:
                while place.epoch < self._config.epochs and not self._early():
                    self._run_epoch(bar, stop, beat)
                    beat()
                    self._log(events)
                    self._save()
                    stop.raise_if_set()
        finally:
            events.close()
        return place.history[-1]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; what does not fill a batch is left out, every time other pairs."""
        return self._per_epoch

    def time_steps(self, steps: int) -> float:
        """Takes some steps for their time, at a learning rate of 0; nothing is saved.

        Returns:
            Seconds of a step, its batch's reading included: the median, after one step that is not counted.
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
        """How far it is; may be asked from another thread."""
        place = self._place
        return Standing(place.epoch, self._steps_done(), self._config.epochs * self._per_epoch, place.best_epe)

    def _steps_done(self) -> int:
        return self._place.epoch * self._per_epoch + self._place.batch

    def _early(self) -> bool:
        """Whether the EPE has not improved for as long as the recipe allows."""
        place = self._place
        waited = place.epoch - place.best_epoch
        return bool(self._config.patience) and place.epoch > 0 and waited >= self._config.patience

    def _run_epoch(self, bar: Bar, stop: StopFlag, beat: Callable[[], None]) -> None:
        place, config = self._place, self._config
        started = time.monotonic()
        order = shuffle_indices(len(self._dataset), self._seed, place.epoch)[: self._per_epoch * config.batch_size]
        augment = (self._seed, place.epoch)
        steps = config.epochs * self._per_epoch
        for batch in read_batches(self._dataset, order, config.batch_size, augment, place.batch, self._threads):
            beat()
            indices = order[place.batch * config.batch_size :][: config.batch_size]
            done = self._steps_done()
            rate = learning_rate(config, done, steps)
            uncertain = float(done >= config.uncertainty_from * steps)
            place.loss_sum += self._take(batch, indices, rate, uncertain)
            place.batch += 1
            bar.advance(_STOPPING if stop else f"loss {place.loss_sum / place.batch:.4f}")
            if stop:
                place.wall_s += time.monotonic() - started
                self._save()
                stop.raise_if_set()
        bar.advance(f"scoring epoch {place.epoch + 1}", steps=0)
        self._end_epoch(time.monotonic() - started)

    def _take(self, batch: Batch, indices: np.ndarray, rate: float, uncertain: float) -> float:
        """Takes one step; a loss that is not finite ends the training, its batch and its files kept."""
        try:
            loss = self._step.run(batch, rate, uncertain)
        except tf.errors.InvalidArgumentError as error:
            if "not finite" not in str(error):
                raise
            loss = float("nan")
        if not np.isfinite(loss):
            np.savez(str(self._folder / "not-finite.npz"), **batch._asdict())
            files = [self._dataset.files(int(index)) for index in indices]
            write_json(self._folder / "not-finite.json", {"step": self._steps_done(), "files": files})
            raise FloatingPointError(
                f"training in {self._folder}: loss or gradient is not finite in step {self._steps_done()}; its batch "
                f"is in not-finite.npz, the names of its files are in not-finite.json, the last checkpoint is good: "
                f"check the data (`data check`) or lower train.learning_rate"
            )
        return loss

    def _end_epoch(self, seconds: float) -> None:
        """Scores the epoch and counts it."""
        place = self._place
        started = time.monotonic()
        epe, steps = self._step.evaluate(), self._steps_done()
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
                "share": epe / self._zero,
                "wall_s": round(place.wall_s, 1),
            }
        )
        if place.best_epe is None or epe < place.best_epe:
            place.best_epe, place.best_epoch = epe, place.epoch

    def _log(self, events: Any) -> None:
        line = self._place.history[-1]
        say(
            f"epoch {line['epoch']}/{self._config.epochs}: loss {line['loss']:.4f}, EPE {line['epe']:.3f} px, "
            f"{line['share']:.3f} of zero flow's {self._zero:.3f} px"
        )
        if line["epoch"] == 3 and line["share"] > _STUCK:
            say("the network still predicts no motion: raise train.clip_norm or train.learning_rate, or train longer")
        values = [tf.Summary.Value(tag=name, simple_value=line[name]) for name in ("loss", "epe", "share")]
        events.add_summary(tf.Summary(value=values), line["steps"])
        events.flush()

    def _save(self) -> None:
        """Writes the state; the best weights first, so that a state which knows of them finds them."""
        tensors, place = self._step.tensors(), self._place
        if place.batch == 0 and place.best_epoch == place.epoch:
            self._save_best(tensors)
        self._keep(tensors)
        state = {"identity": self._identity, "place": vars(place), "step": self._step.state()}
        checkpoint.save(self._folder / "last.h5", tensors, state)
        self._tell()

    def _save_best(self, tensors: Mapping[str, np.ndarray]) -> None:
        weights = {name: tensors[name] for name in self._step.weight_names()}
        state = {"epoch": self._place.best_epoch, "epe": self._place.best_epe, "identity": self._identity}
        checkpoint.save(self._folder / "best.h5", weights, state)

    def _check_best(self) -> None:
        """Where an earlier best took the place of damaged weights, puts the best back, if its epoch is still there."""
        place, path, last = self._place, self._folder / "best.h5", self._folder / "last.h5"
        _, best = checkpoint.load(path)
        if best["epoch"] >= place.best_epoch:  # of a later epoch if it was killed before it wrote the rest
            return
        for file in (last, previous(last)):
            with contextlib.suppress(InputError):  # there need not be one before the last
                tensors, state = checkpoint.load(file)
                if (state["place"]["epoch"], state["place"]["batch"]) == (place.best_epoch, 0):
                    self._save_best(tensors)
                    return
        say(f"{path}: is of epoch {best['epoch']}; those of epoch {place.best_epoch}, the best, are lost")
        place.best_epe, place.best_epoch = best["epe"], best["epoch"]

    def _tell(self) -> None:
        """Writes what people read; of a training that was killed right before, it is made up for."""
        self._step.write_epoch_files(self._folder)
        self._write_log()

    def _keep(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Keeps the weights of an epoch, for the trend over the training."""
        place, every = self._place, self._config.keep_every
        if place.batch == 0 and every and place.epoch % every == 0:
            weights = {name: tensors[name] for name in self._step.weight_names()}
            state = {"epoch": place.epoch, "epe": place.history[-1]["epe"], "identity": self._identity}
            checkpoint.save(kept_weights_path(self._folder, place.epoch), weights, state)

    def _write_log(self) -> None:
        place = self._place
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "steps", "loss", "epe", "share", "wall_s"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(place.history)
        write_text(self._folder / "log.csv", text.getvalue())


def kept_weights_path(folder: Path, epoch: int) -> Path:
    """Where a training in a folder keeps the weights of an epoch, if it is to keep them."""
    return folder / "epochs" / f"{epoch:04d}.h5"
