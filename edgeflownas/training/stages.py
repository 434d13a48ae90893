"""The retraining of one architecture, in one stage or in several that follow one another, each on its own data.

A stage begins with the best weights of the one before. The last one lies in the folder itself, so that a reader finds
there what a training in one stage leaves; those before it lie in ``stage1``, ``stage2`` and so on.
"""

from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Union

import numpy as np

from edgeflownas.config import ChildConfig, TrainConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.progress import Standing, say
from edgeflownas.storage import checkpoint, record
from edgeflownas.training.child import Datasets, child_identity, make_first_weights, prepare_child_training
from edgeflownas.training.loop import Training

_FINISHED = "finished.json"  # in the folder of a stage that is followed by another

Weights = Mapping[str, np.ndarray]


class TrainingStage(NamedTuple):
    """One of the trainings: what it is, where it lies, its data, and its number of steps."""

    config: ChildConfig
    folder: Path
    datasets: Datasets
    epochs: int
    steps: int


class StagedTraining:
    """Trainings that follow one another, used as one."""

    def __init__(self, config: ChildConfig, folder: Path, weights: Optional[Weights] = None) -> None:
        """Opens the data of all stages, so that none is missing days later, and finds the stage to go on with.

        Args:
            config: what to train, and how.
            folder: that keeps the state.
            weights: to begin with, the supernet's or the architecture's own; None for random ones.

        Raises:
            InputError: the data or the weights cannot be used, or an earlier stage was trained in another way.
        """
        self._stages = open_stages(config, folder)
        self._wall_s = 0.0  # of the stages that are finished
        number = 0
        while (self._stages[number].folder / _FINISHED).exists() and number < len(self._stages) - 1:
            weights = self._finished(self._stages[number], weights)
            number += 1
        self._current = number, self._open(number, weights)

    def resume(self) -> bool:
        """Goes back to where an earlier training in this folder was; False if there is none.

        Raises:
            InputError: it was a training of another network, data or recipe.
        """
        number, training = self._current
        return training.resume() or number > 0

    def run(self, beat: Callable[[], None] = lambda: None) -> Dict[str, float]:
        """Trains to the end of the last stage; raises what ``Training.run`` raises.

        Returns:
            The last line of the last stage's log; its seconds are those of all stages.
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
        """How far it is, all stages together; one that ended early counts as whole. May be asked from a thread."""
        number, training = self._current
        now, before = training.standing(), self._stages[:number]
        return Standing(
            sum(stage.epochs for stage in before) + now.epoch,
            sum(stage.steps for stage in before) + now.step,
            sum(stage.steps for stage in self._stages),
            now.best_epe,
        )

    def _open(self, number: int, weights: Optional[Weights]) -> Training:
        stage = self._stages[number]
        return prepare_child_training(stage.config, stage.folder, weights, stage.datasets)

    def _finished(self, stage: TrainingStage, weights: Optional[Weights]) -> Weights:
        """The best weights of a finished stage, once it is sure that it was this very one."""
        path = stage.folder / "best.h5"
        best, state = checkpoint.load(path)
        identity = child_identity(stage.config, make_first_weights(stage.config, weights), stage.datasets[0])
        finished = record.read(stage.folder / _FINISHED)
        before = {**state["identity"], "weights": finished["weights_sha256"]}
        checkpoint.check_same(path, before, {**identity, "weights": checkpoint.digest(best)})
        self._wall_s += finished["wall_s"]
        return best


def open_stages(config: ChildConfig, folder: Path) -> List[TrainingStage]:
    """The stages of a training with their data.

    Raises:
        InputError: the data of one cannot be used.
    """
    stages = []
    for number, stage in enumerate(config.stages):
        last = number == len(config.stages) - 1
        datasets = open_datasets(stage.data, "data" if stage.data == config.data else f"train.{number}.data")
        recipe = stage.train
        assert isinstance(recipe, TrainConfig), "one stage"
        for dataset in datasets:
            dataset.sample(0, None)  # tells of a crop that does not fit
        steps = recipe.epochs * (len(datasets[0]) // recipe.batch_size)
        if not steps:
            raise InputError(
                f"train.{number}.batch_size: {recipe.batch_size} is more than the {len(datasets[0])} training pairs"
            )
        place = folder if last else folder / f"stage{number + 1}"
        stages.append(TrainingStage(stage, place, datasets, recipe.epochs, steps))
    return stages


def prepare_retraining(
    config: ChildConfig, folder: Path, weights: Optional[Weights] = None
) -> Union[Training, StagedTraining]:
    """Sets up the training of one architecture, in as many stages as its recipe has.

    Args:
        config: what to train, and how.
        folder: that keeps the training's state.
        weights: to begin with, the supernet's or the architecture's own; None for random ones.

    Raises:
        InputError: the architecture is not in the space, the weights do not fit it, or the data cannot be used.
    """
    if isinstance(config.train, TrainConfig):
        return prepare_child_training(config, folder, weights)
    return StagedTraining(config, folder, weights)
