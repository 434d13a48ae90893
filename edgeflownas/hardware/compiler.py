"""From an architecture to the compiler's figures; each compile is done once and its figures are kept on disk."""

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from pydantic import Field

from edgeflownas.config import HardwareConfig, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Cost, Figures
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.report import Compiled, CompiledLayer
from edgeflownas.hardware.vela import VERSION, Vela, default_command
from edgeflownas.storage import record


class CacheEntry(Section):
    """What is kept of a compile."""

    figures: Figures
    layers: List[CompiledLayer] = Field(description="operators in the order in which they run")


class Compiler:
    """Compiles architectures for one board.

    Attributes:
        board: to compile for.
        vela: the program.
    """

    def __init__(self, board: Board, vela: str, timeout: float, cache: Path, version: str = VERSION) -> None:
        """Prepares to compile.

        Args:
            board: to compile for.
            vela: command that runs Vela.
            timeout: seconds that one compile may take.
            cache: folder where figures are kept.
            version: that Vela has to be of.
        """
        self.board = board
        self.vela = Vela(vela, timeout, version)
        self._cache = cache

    @classmethod
    def from_config(cls, config: HardwareConfig) -> "Compiler":
        """The compiler that a configuration names, with the user's cache.

        Raises:
            InputError: the board's files are wrong.
        """
        board = Board.load(Path(config.board))
        command = config.vela or default_command()
        return cls(board, command, config.vela_timeout, user_cache_folder(), config.vela_version)

    def for_board(self, board: Board) -> "Compiler":
        """The same compiler for another board."""
        other = copy.copy(self)
        other.board = board
        return other

    def summary(self) -> str:
        """One line for tables and reports: everything that figures hang on.

        Raises:
            InputError: there is no Vela.
        """
        return self.board.summary(self.vela.version)

    def cost(self, networks: Networks, architecture: Sequence[int]) -> Cost:
        """An architecture's compiled cost.

        Raises:
            InputError: there is no Vela, or the architecture cannot be compiled.
        """
        return self.inspect(networks, architecture).figures.cost(self.board.clock_hz, "compiled")

    def find_cached(self, networks: Networks, architecture: Sequence[int]) -> Optional[CacheEntry]:
        """An architecture's figures and operators, if they are in the cache.

        Raises:
            InputError: there is no Vela, whose version is part of the key.
        """
        return _read(*self._place(networks, architecture))

    def inspect(self, networks: Networks, architecture: Sequence[int]) -> CacheEntry:
        """An architecture's figures and operators, from the cache where they are known.

        Raises:
            InputError: there is no Vela, or the architecture cannot be compiled.
        """
        return inspect_for_boards([self], networks, architecture)[0]

    def store(self, networks: Networks, architecture: Sequence[int], compiled: Compiled) -> CacheEntry:
        """Puts what a compile gave into the cache."""
        entry = CacheEntry(figures=compiled.figures, layers=list(compiled.layers))
        path, key = self._place(networks, architecture)
        record.write(path, {"key": key, **entry.model_dump()})
        return entry

    def compile(self, name: str, model: bytes) -> Compiled:
        """Compiles an exported network anew; errors as those of ``inspect``."""
        return self.vela.compile(name, model, self.board, self._cache / "failed")

    def _place(self, networks: Networks, architecture: Sequence[int]) -> Tuple[Path, Dict[str, Any]]:
        """Where an architecture's figures are kept, and all that they depend on."""
        key = {"vela": self.vela.version, "board": self.board.description(), **networks.key(architecture)}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self._cache / f"{digest}.json", key


def inspect_for_boards(
    compilers: Sequence[Compiler], networks: Networks, architecture: Sequence[int]
) -> List[CacheEntry]:
    """An architecture's figures and operators for several boards; it is exported once, and only where it has to be.

    Raises:
        InputError: there is no Vela, or the architecture cannot be compiled.
    """
    models: Dict[bool, bytes] = {}
    entries = []
    for compiler in compilers:
        entry = compiler.find_cached(networks, architecture)
        if entry is None:
            int8_io = compiler.board.settings.int8_io
            if int8_io not in models:
                models[int8_io] = networks.export(architecture, int8_io)
            compiled = compiler.compile(networks.space.format(architecture), models[int8_io])
            entry = compiler.store(networks, architecture, compiled)
        entries.append(entry)
    return entries


def user_cache_folder() -> Path:
    """Where figures are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeflownas" / "compiled"


def _read(path: Path, key: Dict[str, Any]) -> Optional[CacheEntry]:
    """An entry of the cache; None if it is not there, or is not whole and has to be made again."""
    if not path.exists():
        return None
    try:
        content = record.read(path)
        if content.pop("key", None) != key:
            return None
        entry: CacheEntry = validate(content, CacheEntry, str(path))
        return entry
    except InputError:
        return None
