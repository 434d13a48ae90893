"""The steps of a training run in order: the batch and the learning rate of every step, and the check of its loss."""

import time
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np

from edgeflownas.config import TrainConfig
from edgeflownas.data.pipeline import Batch, read_batches, shuffle_indices
from edgeflownas.data.sample import FlowDataset
from edgeflownas.storage.files import write_json
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.optimizer import learning_rate
from edgeflownas.training.step import Step


class Schedule:
    """The steps of a training run. The order of the data depends only on the seed and the epoch.

    Attributes:
        step: Training step.
        config: Training recipe.
        folder: Folder of the training files.
        steps_per_epoch: Number of steps per epoch. Pairs that do not fill a batch are left out, different pairs in each
            epoch.
        steps: Number of steps of all epochs.
    """

    def __init__(
        self, step: Step, dataset: FlowDataset, config: TrainConfig, seed: int, folder: Path, threads: int
    ) -> None:
        """Plan the steps.

        Args:
            step: Training step.
            dataset: Training pairs, at least as many as a batch has.
            config: Training recipe.
            seed: Seed of the data's order and augmentation.
            folder: Folder of the training files, such as the batch of a failed step.
            threads: Number of threads that read data.
        """
        self.step, self.config, self.folder = step, config, folder
        self._dataset, self._seed, self._threads = dataset, seed, threads
        self.steps_per_epoch = len(dataset) // config.batch_size
        self.steps = config.epochs * self.steps_per_epoch

    def run_epoch(self, epoch: int, start: int) -> Iterator[float]:
        """Take the steps of an epoch.

        Args:
            epoch: Number of the epoch, counted from 0.
            start: Number of steps to skip.

        Yields:
            Loss of each step.

        Raises:
            FloatingPointError: The loss or the gradient is not finite; the batch is saved.
        """
        size = self.config.batch_size
        order = shuffle_indices(len(self._dataset), self._seed, epoch)[: self.steps_per_epoch * size].tolist()
        batches = read_batches(self._dataset, order, size, (self._seed, epoch), start, self._threads)
        for number, batch in enumerate(batches, start):
            yield self._take_step(epoch * self.steps_per_epoch + number, batch, order[number * size :][:size])

    def time_steps(self, steps: int) -> float:
        """Measure the time of a step by taking some at a learning rate of 0; nothing is saved.

        Returns:
            Median time of a step in seconds, including reading its batch, after one warm-up step.
        """
        size, seconds = self.config.batch_size, []
        order = np.resize(shuffle_indices(len(self._dataset), self._seed, 0), (steps + 1) * size)
        reader = read_batches(self._dataset, order.tolist(), size, (self._seed, 0), threads=self._threads)
        for _ in range(steps + 1):
            started = time.monotonic()
            self.step.run(next(reader), 0.0, 0.0)
            seconds.append(time.monotonic() - started)
        return float(np.median(seconds[1:]))

    def _take_step(self, number: int, batch: Batch, indices: Sequence[int]) -> float:
        """Take one step and return its loss; if that is not finite, save the batch and end the training."""
        rate = learning_rate(self.config, number, self.steps)
        uncertainty_weight = float(number >= self.config.uncertainty_from * self.steps)
        try:
            loss = self.step.run(batch, rate, uncertainty_weight)
        except tf.errors.InvalidArgumentError as error:
            if "not finite" not in str(error):
                raise
            loss = float("nan")
        if not np.isfinite(loss):
            files = [self._dataset.files(index) for index in indices]
            np.savez(str(self.folder / "not-finite.npz"), **batch._asdict())
            write_json(self.folder / "not-finite.json", {"step": number, "files": files})
            raise FloatingPointError(
                f"training in {self.folder}: loss or gradient is not finite in step {number}; its batch is in "
                f"not-finite.npz, the names of its files are in not-finite.json, the last checkpoint is good: "
                f"check the data (`data check`) or lower train.learning_rate"
            )
        return loss
