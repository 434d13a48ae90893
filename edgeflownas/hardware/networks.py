"""The networks of a space for export: with trained weights, or with random weights if only the cost matters."""

import ast
import functools
import hashlib
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edgeflownas.evaluation.recalibration import Statistics, statistics_to_tensors
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint

# The modules that determine the exported file. Their code is part of the cache key.
_CODE = ("network/build.py", "network/convolution.py", "network/upsampling.py", "hardware/export.py")

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

RANDOM = "random"  # stands in for the digest of trained weights


class TrainedNetwork(NamedTuple):
    """The tensors from which an architecture is exported.

    Attributes:
        weights: Weights by the names of ``Skeleton.parameters``.
        statistics: Mean and variance of each batch normalisation; if None, computed from the images.
        images: Representative images, uint8, shape [N, H, W, 6].
    """

    weights: Mapping[str, np.ndarray]
    statistics: Optional[Statistics]
    images: np.ndarray


class Networks:
    """The networks of a space on images of one size.

    Attributes:
        skeleton: Definition of the networks.
        space: Space of the architectures.
        size: Height and width of the images, in pixels.
        trained: Weights, statistics and images; if None, fixed random ones.
    """

    def __init__(self, skeleton: Skeleton, height: int, width: int, trained: Optional[TrainedNetwork] = None) -> None:
        self.skeleton = skeleton
        self.space = Space.from_skeleton(skeleton)
        self.size = (height, width)
        self.trained = trained

    @classmethod
    def with_weights(
        cls, skeleton: Skeleton, height: int, width: int, weights: Optional[Mapping[str, np.ndarray]]
    ) -> "Networks":
        """Return networks to compile, with the weights of a supernet or, for None, with random weights.

        Weights affect the figures through how well they compress. BN statistics and images do not: they determine
        scales and biases, whose size does not depend on their values. But they have to match: with statistics of
        other images an activation can be zero everywhere, and a tensor of zeros has no scale.
        """
        if weights is None:
            return cls(skeleton, height, width)
        return cls(skeleton, height, width, random_network(skeleton, height, width)._replace(weights=weights))

    def export(self, architecture: Sequence[int], int8_io: bool) -> bytes:
        """Export an architecture as a quantised network; see ``export.export``."""
        from edgeflownas.hardware.export import export

        network = self.trained or random_network(self.skeleton, *self.size)
        return export(self.skeleton, architecture, *network, int8_io)

    def key(self, architecture: Sequence[int]) -> Dict[str, Any]:
        """Return the cache key of an architecture: everything that its exported file depends on."""
        return {
            "skeleton": self.skeleton.digest(),
            "architecture": self.space.format(architecture),
            "size": list(self.size),
            "trained": None if self.trained is None else self._digest(self.trained, architecture),
            "code": _code(),
        }

    def _digest(self, trained: TrainedNetwork, architecture: Sequence[int]) -> str:
        """Return the digest of the images and of those weights and statistics that an architecture uses."""
        tensors = {name: trained.weights[name] for name in self.skeleton.parameters(architecture)}
        norms = {name[: -len("/gamma")] for name in tensors if name.endswith("/gamma")}
        statistics = {name: pair for name, pair in (trained.statistics or {}).items() if name in norms}
        return checkpoint.digest({**tensors, **statistics_to_tensors(statistics), "images": trained.images})


def random_network(skeleton: Skeleton, height: int, width: int) -> TrainedNetwork:
    """Return fixed random weights and images, which suffice for compiled figures."""
    from edgeflownas.network.initialisation import draw_initial_weights

    rng = np.random.default_rng(0)
    weights = draw_initial_weights(skeleton.parameters(), rng)
    return TrainedNetwork(weights, None, rng.integers(0, 256, (2, height, width, 6)).astype(np.uint8))


@functools.lru_cache(maxsize=None)
def _code() -> str:
    package = Path(__file__).parents[1]
    return hashlib.sha256("".join(code_of((package / name).read_text("utf-8")) for name in _CODE).encode()).hexdigest()


def code_of(source: str) -> str:
    """Return the syntax tree of Python source as text, independent of its comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
