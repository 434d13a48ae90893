"""What a strategy is."""

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
    """A search that is to begin or to go on.

    Attributes:
        run: that it belongs to.
        weights: the supernet's; none where nothing is shared.
        evolution: archive, costs and objectives.
        file: to save in.
        lock: on the run.
    """

    run: Run
    weights: Mapping[str, np.ndarray]
    evolution: Evolution
    file: SearchFile
    lock: Lock


class Strategy(NamedTuple):
    """A way to search.

    Attributes:
        shares_weights: whether architectures are scored with a supernet's weights.
        run: fills the archive, and says why it is over.
    """

    shares_weights: bool
    run: Callable[[SearchContext], str]

    def weights(self, run: Run) -> Dict[str, np.ndarray]:
        """The weights that architectures are scored with; none where each has its own.

        Raises:
            InputError: they are missing, damaged, or of another network.
        """
        return run.supernet_weights() if self.shares_weights else {}

    def source(self, run: Run, weights: Mapping[str, np.ndarray]) -> str:
        """SHA-256 of what scores come from: the supernet's weights, or the recipe by which each child is trained."""
        if self.shares_weights:
            return digest(weights)
        return hashlib.sha256(json.dumps(_recipe(run), sort_keys=True).encode()).hexdigest()


def _recipe(run: Run) -> Dict[str, Any]:
    """All of a child's recipe that decides what it learns."""
    recipe: Any = run.config.queue.train
    return {"train": [each.recipe for each in recipe] if isinstance(recipe, list) else recipe.recipe}
