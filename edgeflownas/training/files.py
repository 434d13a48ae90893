"""The checkpoints of a training run in its folder."""

import contextlib
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import previous, remove_leftovers
from edgeflownas.storage.origin import TENSORFLOW, add_version, describe_versions
from edgeflownas.storage.pairs import Identities
from edgeflownas.training.place import Place
from edgeflownas.training.step import Step


class SavedTraining(NamedTuple):
    """The content of the last checkpoint of a training run.

    Attributes:
        tensors: Weights and optimizer state by name.
        place: Number of completed epochs and batches, and the results.
        step: State of the step.
        remark: Remark for the user; empty if there is none.
    """

    tensors: Dict[str, np.ndarray]
    place: Place
    step: Dict[str, Any]
    remark: str


class TrainingFiles:
    """The checkpoints of a training run: ``last.h5`` (all state), ``best.h5`` and ``epochs/*.h5`` (weights)."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], keep_every: int) -> None:
        """Describe the files.

        Args:
            folder: Folder of the training run.
            identity: Values that must not change between stopping and resuming, by name.
            keep_every: Interval in epochs at which weights are kept; 0: never.
        """
        self._last, self._best, self._folder = folder / "last.h5", folder / "best.h5", folder
        self._identity, self._keep_every = dict(identity), keep_every
        self._versions = ""

    @property
    def pairs(self) -> Identities:
        """Fingerprints of the pairs that the training reads; empty for drawn scenes."""
        pairs: Identities = self._identity.get(checkpoint.PAIRS, {})
        return pairs

    def remove_leftovers(self) -> None:
        """Remove temporary files that a killed process left behind."""
        for path in (self._last, self._best, self._folder / "log.csv"):
            remove_leftovers(path)

    def load(self) -> Optional[SavedTraining]:
        """Load the last checkpoint; return None if the folder has none.

        Raises:
            InputError: The checkpoint is damaged, or was written with a different space, network, data set or recipe.
        """
        if not self._last.exists() and not previous(self._last).exists():
            return None
        tensors, state = checkpoint.load(self._last)
        if "place" not in state:
            raise InputError(f"{self._last}: holds weights, but not the state of a training run; move it away")
        remark = checkpoint.check_same(self._last, state["identity"], self._identity)
        self._versions = state.get(TENSORFLOW, "")
        remarks = (describe_versions(self._last, self._versions), remark)
        return SavedTraining(tensors, Place(**state["place"]), state["step"], "\n".join(filter(None, remarks)))

    def save(self, step: Step, place: Place) -> None:
        """Write the checkpoints, the best weights first, so that they exist when ``last.h5`` refers to them."""
        tensors = step.tensors()
        weights = {name: tensors[name] for name in step.weight_names()}
        if place.batch == 0 and place.best_epoch == place.epoch:
            self._save_weights(self._best, weights, place.best_epoch, place.best_epe)
        if place.batch == 0 and self._keep_every and place.epoch % self._keep_every == 0:
            path = kept_weights_path(self._folder, place.epoch)
            self._save_weights(path, weights, place.epoch, place.history[-1]["epe"])
        state = {
            "identity": self._identity,
            "place": vars(place),
            "step": step.state(),
            TENSORFLOW: add_version(self._versions),
        }
        checkpoint.save(self._last, tensors, state)

    def _save_weights(
        self, path: Path, weights: Mapping[str, np.ndarray], epoch: int, epe: Optional[float]
    ) -> None:
        checkpoint.save(path, weights, {"epoch": epoch, "epe": epe, "identity": self._identity})

    def repair_best(self, step: Step, place: Place) -> str:
        """Restore the best weights if an older file replaced damaged ones.

        They are restored from a checkpoint that was written right after their epoch. If there is none, the older
        weights become the best ones.

        Returns:
            Remark for the user if the best weights are lost; otherwise an empty text.
        """
        _, best = checkpoint.load(self._best)
        if best["epoch"] >= place.best_epoch:  # later if the training was killed before it wrote last.h5
            return ""
        for path in (self._last, previous(self._last)):
            with contextlib.suppress(InputError):  # there may be no previous checkpoint
                tensors, state = checkpoint.load(path)
                if (state["place"]["epoch"], state["place"]["batch"]) == (place.best_epoch, 0):
                    weights = {name: tensors[name] for name in step.weight_names()}
                    self._save_weights(self._best, weights, place.best_epoch, place.best_epe)
                    return ""
        lost, place.best_epe, place.best_epoch = place.best_epoch, best["epe"], best["epoch"]
        return f"{self._best}: holds the weights of epoch {best['epoch']}; those of the best epoch, {lost}, are lost"


def kept_weights_path(folder: Path, epoch: int) -> Path:
    """Return the path at which a training run keeps the weights of an epoch."""
    return folder / "epochs" / f"{epoch:04d}.h5"
