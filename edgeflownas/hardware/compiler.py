"""From an architecture to the compiler's figures; each compile is done once and its figures are kept on disk."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from pydantic import Field

from edgeflownas import checkpoint
from edgeflownas.config import HardwareConfig, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.files import read_json, write_json
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Cost, Figures
from edgeflownas.hardware.vela import Compiled, Layer, Vela
from edgeflownas.recalibration import Statistics
from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Space

# They decide what the exported file looks like: under other code, the figures in the cache are of another file.
_CODE = ("network.py", "convolution.py", "hardware/export.py")


class Trained(NamedTuple):
    """What makes an architecture a network.

    Attributes:
        weights: by the names of ``Skeleton.parameters``.
        statistics: mean and variance of its batch normalisations.
        images: representative ones, uint8 [N, H, W, 6].
    """

    weights: Mapping[str, np.ndarray]
    statistics: Statistics
    images: np.ndarray


class CacheEntry(Section):
    """What is kept of a compile."""

    figures: Figures
    layers: List[Layer] = Field(description="operators in the order in which they run")


class Compiler:
    """Exports architectures and compiles them for one board.

    Attributes:
        board: to compile for.
        vela: the program.
    """

    def __init__(self, board: Board, vela: str, timeout: float, cache: Path) -> None:
        """Prepares to compile.

        Args:
            board: to compile for.
            vela: command that runs Vela.
            timeout: seconds that one compile may take.
            cache: folder where figures are kept.
        """
        self.board = board
        self.vela = Vela(vela, timeout)
        self._cache = cache

    @classmethod
    def of(cls, config: HardwareConfig) -> "Compiler":
        """The compiler that a configuration names, with the user's cache.

        Raises:
            InputError: the board's files are wrong.
        """
        return cls(Board.load(Path(config.board)), config.vela, config.vela_timeout, user_cache())

    def cost(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        height: int,
        width: int,
        trained: Optional[Trained] = None,
    ) -> Cost:
        """An architecture's compiled cost on images of height x width pixels.

        Raises:
            InputError: there is no Vela, or the architecture cannot be compiled.
        """
        figures = self.inspect(skeleton, architecture, height, width, trained).figures
        return figures.cost(self.board.clock_hz, "compiled")

    def inspect(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        height: int,
        width: int,
        trained: Optional[Trained] = None,
    ) -> CacheEntry:
        """An architecture's figures and operators, from the cache where they are known.

        Args:
            skeleton: the network's definition.
            architecture: one option per gene.
            height: of the images, pixels.
            width: of the images, pixels.
            trained: weights and images; without, fixed random ones. They bear on the figures only by how well
                the weights compress.

        Raises:
            InputError: there is no Vela, or the architecture cannot be compiled.
        """
        key = self._key(skeleton, architecture, height, width, trained)
        text = json.dumps(key, sort_keys=True)
        path = self._cache / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        known = _read(path, key)
        if known is not None:
            return known
        compiled = self.compile(skeleton, architecture, height, width, trained)
        entry = CacheEntry(figures=compiled.figures, layers=list(compiled.layers))
        write_json(path, {"key": key, **entry.model_dump()})
        return entry

    def compile(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        height: int,
        width: int,
        trained: Optional[Trained] = None,
    ) -> Compiled:
        """Exports and compiles an architecture anew; arguments and errors as those of ``inspect``."""
        from edgeflownas.hardware.export import export

        parts = trained or stand_in(skeleton, height, width)
        model = export(skeleton, architecture, *parts, self.board.settings.int8_io)
        name = Space.of(skeleton).format(architecture)
        return self.vela.compile(name, model, self.board, self._cache / "failed")

    def _key(
        self, skeleton: Skeleton, architecture: Sequence[int], height: int, width: int, trained: Optional[Trained]
    ) -> Dict[str, Any]:
        """All that the figures depend on."""
        package = Path(__file__).parents[1]
        code = hashlib.sha256(b"".join((package / name).read_bytes() for name in _CODE))
        return {
            "vela": self.vela.version,
            "board": self.board.description(),
            "skeleton": skeleton.digest(),
            "architecture": Space.of(skeleton).format(architecture),
            "size": [height, width],
            "trained": None if trained is None else _trained_digest(trained),
            "code": code.hexdigest(),
        }


def stand_in(skeleton: Skeleton, height: int, width: int) -> Trained:
    """Random weights and images, always the same: for the figures, which do not need trained ones."""
    from edgeflownas.network import initial_weights

    rng = np.random.default_rng(0)
    weights = initial_weights(skeleton.parameters(), rng)
    statistics = {
        name[: -len("/gamma")]: (np.zeros_like(value), np.ones_like(value))
        for name, value in weights.items()
        if name.endswith("/gamma")
    }
    return Trained(weights, statistics, rng.integers(0, 256, (2, height, width, 6)).astype(np.uint8))


def user_cache() -> Path:
    """Where figures are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeflownas" / "compiled"


def _trained_digest(trained: Trained) -> str:
    tensors = dict(trained.weights)
    for name, (mean, variance) in trained.statistics.items():
        tensors.update({f"{name}/mean": mean, f"{name}/variance": variance})
    return checkpoint.digest({**tensors, "images": trained.images})


def _read(path: Path, key: Dict[str, Any]) -> Optional[CacheEntry]:
    """An entry of the cache; None if it is not there, or is not whole and has to be made again."""
    if not path.exists():
        return None
    try:
        content = read_json(path)
        if not isinstance(content, dict) or content.pop("key", None) != key:
            return None
        entry: CacheEntry = validate(content, CacheEntry, str(path))
        return entry
    except InputError:
        return None
