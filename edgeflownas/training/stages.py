"""Retraining of one architecture, in one stage or in several consecutive stages that each have their own data.

A stage begins with the best weights of the previous one. The last stage uses the folder itself, which therefore holds
the same files as after training in a single stage; earlier stages use ``stage1``, ``stage2`` and so on.
"""

from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Union

import numpy as np

from edgeflownas.config import ChildConfig, TrainConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.enough import check_batch_size, check_scoring_pairs
from edgeflownas.data.identity import identify_training
from edgeflownas.progress import Standing, say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.pairs import Identities
from edgeflownas.training.child import Datasets, child_identity, make_first_weights, prepare_child_training
from edgeflownas.training.loop import Training

_FINISHED = "finished.json"  # in the folder of every finished stage except the last

Weights = Mapping[str, np.ndarray]


class TrainingStage(NamedTuple):
    """One stage of retraining.

    Attributes:
        config: Architecture, data and recipe of the stage.
        folder: Folder of the stage's files.
        datasets: Training and validation pairs.
        epochs: Number of epochs.
        steps: Number of steps in all epochs.
    """

    config: ChildConfig
    folder: Path
    datasets: Datasets
    epochs: int
    steps: int


class StagedTraining:
    """Consecutive training stages with the interface of a single training run."""

    def __init__(self, config: ChildConfig, folder: Path, weights: Optional[Weights] = None) -> None:
        """Open the data of all stages, so that missing data are noticed at the start, and find the stage to resume.

        Args:
            config: Architecture to train, with data and recipes.
            folder: Folder of the training state.
            weights: Initial weights, of the supernet or of the architecture; if None, random ones.

        Raises:
            InputError: The data or the weights cannot be used, or an earlier stage was trained differently.
        """
        self._stages = open_stages(config, folder)
        self._wall_s = 0.0  # of the finished stages
        number = 0
        while (self._stages[number].folder / _FINISHED).exists() and number < len(self._stages) - 1:
            weights = self._load_finished(self._stages[number], weights)
            number += 1
        self._current = number, self._open(number, weights)

    @property
    def pairs(self) -> Identities:
        """Fingerprints of the pairs of the last stage, which the result is scored on; empty for drawn scenes."""
        number, training = self._current
        last = self._stages[-1]
        if number == len(self._stages) - 1:
            return training.pairs
        return identify_training(*last.datasets, last.config.evaluation, last.config.threads)

    def resume(self) -> bool:
        """Restore the state of an earlier training run in this folder; return False if there is none.

        Raises:
            InputError: The earlier run used a different network, data set or recipe.
        """
        number, training = self._current
        return training.resume() or number > 0

    def run(self, beat: Callable[[], None] = lambda: None) -> Dict[str, float]:
        """Train to the end of the last stage; see ``Training.run``.

        Returns:
            The last line of the last stage's log, with the total time of all stages.
        """
        while True:
            number, training = self._current
            stage = self._stages[number]
            say(f"stage {number + 1} of {len(self._stages)}, on {stage.config.data.kind}, in {stage.folder}")
            line = training.run(beat)
            if number == len(self._stages) - 1:
                return {**line, "wall_s": line["wall_s"] + self._wall_s}
            beat()
            best, _ = checkpoint.load(stage.folder / "best.h5")
            finished = {"weights_sha256": checkpoint.digest(best), "wall_s": line["wall_s"]}
            record.write(stage.folder / _FINISHED, finished)
            self._wall_s += line["wall_s"]
            following = self._open(number + 1, best)
            following.resume()
            self._current = number + 1, following

    def standing(self) -> Standing:
        """Return the progress over all stages; a stage that ended early counts in full. Thread-safe."""
        number, training = self._current
        now, finished = training.standing(), self._stages[:number]
        return Standing(
            sum(stage.epochs for stage in finished) + now.epoch,
            sum(stage.steps for stage in finished) + now.step,
            sum(stage.steps for stage in self._stages),
            now.best_epe,
        )

    def _open(self, number: int, weights: Optional[Weights]) -> Training:
        stage = self._stages[number]
        return prepare_child_training(stage.config, stage.folder, weights, stage.datasets)

    def _load_finished(self, stage: TrainingStage, weights: Optional[Weights]) -> Weights:
        """Check that a finished stage was trained as configured, and return its best weights."""
        path = stage.folder / "best.h5"
        best, state = checkpoint.load(path)
        identity = child_identity(stage.config, make_first_weights(stage.config, weights), stage.datasets)
        finished = record.read(stage.folder / _FINISHED)
        stored = {**state["identity"], "weights": finished["weights_sha256"]}
        remark = checkpoint.check_same(path, stored, {**identity, "weights": checkpoint.digest(best)})
        if remark:
            say(remark)
        self._wall_s += finished["wall_s"]
        return best


def open_stages(config: ChildConfig, folder: Path) -> List[TrainingStage]:
    """Open the data of all training stages.

    Raises:
        InputError: The data of a stage cannot be used.
    """
    stages = []
    for number, stage in enumerate(config.stages):
        last = number == len(config.stages) - 1
        section = "queue.train" if isinstance(config.train, TrainConfig) else f"queue.train.{number}"
        datasets = open_datasets(stage.data, "data" if stage.data == config.data else f"{section}.data")
        recipe = stage.train
        assert isinstance(recipe, TrainConfig), "a single stage"
        for dataset in datasets:
            dataset.sample(0, None)  # reports a crop that does not fit
        check_batch_size(datasets[0], recipe.batch_size, section)
        check_scoring_pairs(*datasets, stage.evaluation)
        steps = recipe.epochs * (len(datasets[0]) // recipe.batch_size)
        stage_folder = folder if last else folder / f"stage{number + 1}"
        stages.append(TrainingStage(stage, stage_folder, datasets, recipe.epochs, steps))
    return stages


def prepare_retraining(
    config: ChildConfig, folder: Path, weights: Optional[Weights] = None
) -> Union[Training, StagedTraining]:
    """Prepare the training of one architecture, in the stages of its recipe.

    Args:
        config: Architecture to train, with data and recipes.
        folder: Folder of the training state.
        weights: Initial weights, of the supernet or of the architecture; if None, random ones.

    Raises:
        InputError: The architecture is not in the space, the weights do not fit it, or the data cannot be used.
    """
    if isinstance(config.train, TrainConfig):
        return prepare_child_training(config, folder, weights)
    return StagedTraining(config, folder, weights)
