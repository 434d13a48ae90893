"""The networks of a space as they are exported: with trained weights, or with random ones for their cost alone."""

import ast
import functools
import hashlib
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.evaluation.recalibration import Statistics, as_tensors
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint

# The modules that decide what the exported file looks like: cached figures of other code are figures of another file.
_CODE = ("network/build.py", "network/upsampling.py", "hardware/export.py")

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

RANDOM = "random"  # where a digest of weights is asked for


class TrainedNetwork(NamedTuple):
    """What makes an architecture a network.

    Attributes:
        weights: by the names of ``Skeleton.parameters``.
        statistics: mean and variance of its batch normalisations; None: those that the images give.
        images: representative ones, uint8 [N, H, W, 6].
    """

    weights: Mapping[str, np.ndarray]
    statistics: Optional[Statistics]
    images: np.ndarray


class Networks:
    """The networks of a space on images of one size.

    Attributes:
        skeleton: their definition.
        space: of the architectures.
        size: height and width of the images, pixels.
        trained: weights and images; None: fixed random ones.
    """

    def __init__(self, skeleton: Skeleton, height: int, width: int, trained: Optional[TrainedNetwork] = None) -> None:
        self.skeleton = skeleton
        self.space = Space.of(skeleton)
        self.size = (height, width)
        self.trained = trained

    @classmethod
    def with_weights(
        cls, skeleton: Skeleton, height: int, width: int, weights: Optional[Mapping[str, np.ndarray]]
    ) -> "Networks":
        """Networks for their figures alone, with a supernet's weights, or random ones (None).

        Weights bear on figures by how well they compress. BN statistics and images do not: they end up in scales and
        biases, which take the same room whatever they hold. But they have to go together: under the statistics of
        other images an activation can be zero everywhere, and a tensor of zeros has no scale.
        """
        if weights is None:
            return cls(skeleton, height, width)
        return cls(skeleton, height, width, random_network(skeleton, height, width)._replace(weights=weights))

    def export(self, architecture: Sequence[int], int8_io: bool) -> bytes:
        """Quantises an architecture; see ``export.export``."""
        from edgeflownas.hardware.export import export

        parts = self.trained or random_network(self.skeleton, *self.size)
        return export(self.skeleton, architecture, *parts, int8_io)

    def key(self, architecture: Sequence[int]) -> Dict[str, Any]:
        """All that an architecture's exported file depends on."""
        return {
            "skeleton": self.skeleton.digest(),
            "architecture": self.space.format(architecture),
            "size": list(self.size),
            "trained": None if self.trained is None else self._digest(self.trained, architecture),
            "code": _code(),
        }

    def _digest(self, trained: TrainedNetwork, architecture: Sequence[int]) -> str:
        """Of what an architecture takes from its weights and images."""
        tensors = {name: trained.weights[name] for name in self.skeleton.parameters(architecture)}
        norms = {name[: -len("/gamma")] for name in tensors if name.endswith("/gamma")}
        statistics = {name: pair for name, pair in (trained.statistics or {}).items() if name in norms}
        return checkpoint.digest({**tensors, **as_tensors(statistics), "images": trained.images})


def random_network(skeleton: Skeleton, height: int, width: int) -> TrainedNetwork:
    """Random weights and images, always the same: for the figures, which do not need trained ones."""
    from edgeflownas.network.build import initial_weights

    rng = np.random.default_rng(0)
    weights = initial_weights(skeleton.parameters(), rng)
    return TrainedNetwork(weights, None, rng.integers(0, 256, (2, height, width, 6)).astype(np.uint8))


@functools.lru_cache(maxsize=None)
def _code() -> str:
    package = Path(__file__).parents[1]
    return hashlib.sha256("".join(code_of((package / name).read_text("utf-8")) for name in _CODE).encode()).hexdigest()


def code_of(source: str) -> str:
    """Returns what Python source computes, as text that does not depend on its comments, docstrings or layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
