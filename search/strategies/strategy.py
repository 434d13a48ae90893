"""The interface of a strategy, and the context in which it runs."""

import hashlib
import json
from typing import Any, Callable, Dict, Mapping, NamedTuple

import numpy as np

from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.lock import Lock
from search.nsga2.evolution import Evolution
from search.run import Run
from search.storage.search_file import SearchFile


class SearchContext(NamedTuple):
    """A search that a strategy starts or resumes.

    Attributes:
        run: Run of the search.
        weights: Weights of the supernet; empty if no weights are shared.
        evolution: Evolution with archive, costs and objectives.
        file: Checkpoint of the search.
        lock: Lock on the run.
    """

    run: Run
    weights: Mapping[str, np.ndarray]
    evolution: Evolution
    file: SearchFile
    lock: Lock


class Strategy(NamedTuple):
    """A way to search.

    Attributes:
        shares_weights: Whether architectures are scored with a supernet's weights.
        run: Function that fills the archive and returns why the search has ended.
    """

    shares_weights: bool
    run: Callable[[SearchContext], str]

    def weights(self, run: Run) -> Dict[str, np.ndarray]:
        """Return the weights that architectures are scored with; empty if each architecture has its own.

        Raises:
            InputError: The weights are missing or damaged, or belong to a different network.
        """
        return run.supernet_weights() if self.shares_weights else {}

    def source(self, run: Run, weights: Mapping[str, np.ndarray]) -> str:
        """Return the SHA-256 of the origin of scores: the supernet's weights, or the recipe that trains children."""
        if self.shares_weights:
            return digest(weights)
        return hashlib.sha256(json.dumps(_child_recipe(run), sort_keys=True).encode()).hexdigest()


def _child_recipe(run: Run) -> Dict[str, Any]:
    """Return the part of a child's recipe that determines its weights."""
    train: Any = run.config.queue.train
    return {"train": [stage.recipe for stage in train] if isinstance(train, list) else train.recipe}
