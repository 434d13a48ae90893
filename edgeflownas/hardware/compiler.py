"""Compiled figures of architectures; each architecture is compiled once and its figures are cached on disk."""

import copy
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from edgeflownas.config import HardwareConfig
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cache import Cache, CacheEntry, user_cache_folder
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.report import Compiled
from edgeflownas.hardware.vela import VERSION, Vela, default_command


class Compiler:
    """A compiler of architectures for one board.

    Attributes:
        board: Board to compile for.
        vela: The Vela program.
        cache: Figures of earlier compiles.
    """

    def __init__(
        self, board: Board, vela: str, timeout: float, cache: Optional[Path], version: str = VERSION
    ) -> None:
        """Initialise the compiler.

        Args:
            board: Board to compile for.
            vela: Command that runs Vela.
            timeout: Time limit of one compile, in seconds.
            cache: Folder of the cached figures; if None, nothing is cached.
            version: Required version of Vela.
        """
        self.board = board
        self.vela = Vela(vela, timeout, version)
        self.cache = Cache(cache)

    @classmethod
    def from_config(cls, config: HardwareConfig) -> "Compiler":
        """Return the compiler that a configuration describes, with the user's cache.

        Raises:
            InputError: The board's files are missing or invalid.
        """
        board = Board.load(Path(config.board))
        command = config.vela or default_command()
        return cls(board, command, config.vela_timeout, user_cache_folder(), config.vela_version)

    def for_board(self, board: Board) -> "Compiler":
        """Return the same compiler for another board."""
        other = copy.copy(self)
        other.board = board
        return other

    def summary(self) -> str:
        """Return one line for tables and reports with everything that figures depend on.

        Raises:
            InputError: Vela is not installed.
        """
        return self.board.summary(self.vela.version)

    def cost(self, networks: Networks, architecture: Sequence[int]) -> Cost:
        """Return an architecture's compiled cost.

        Raises:
            InputError: Vela is not installed, or the architecture cannot be compiled.
        """
        return self.inspect(networks, architecture).figures.cost(self.board.clock_hz, "compiled")

    def find_cached(self, networks: Networks, architecture: Sequence[int]) -> Optional[CacheEntry]:
        """Return an architecture's figures and operators if they are in the cache.

        Raises:
            InputError: Vela is not installed; its version is part of the cache key.
        """
        return self.cache.read(self._key(networks, architecture))

    def inspect(self, networks: Networks, architecture: Sequence[int]) -> CacheEntry:
        """Return an architecture's figures and operators, from the cache if possible.

        Raises:
            InputError: Vela is not installed, or the architecture cannot be compiled.
        """
        return inspect_for_boards([self], networks, architecture)[0]

    def store(self, networks: Networks, architecture: Sequence[int], compiled: Compiled) -> CacheEntry:
        """Write the result of a compile to the cache, if possible."""
        entry = CacheEntry(figures=compiled.figures, layers=list(compiled.layers))
        self.cache.write(self._key(networks, architecture), entry)
        return entry

    def compile(self, name: str, model: bytes) -> Compiled:
        """Compile an exported network without consulting the cache; raise the same errors as ``inspect``."""
        logs = None if self.cache.folder is None else self.cache.folder / "failed"
        return self.vela.compile(name, model, self.board, logs)

    def _key(self, networks: Networks, architecture: Sequence[int]) -> Dict[str, Any]:
        """Return everything that an architecture's figures depend on."""
        return {"vela": self.vela.version, "board": self.board.description(), **networks.key(architecture)}


def inspect_for_boards(
    compilers: Sequence[Compiler], networks: Networks, architecture: Sequence[int]
) -> List[CacheEntry]:
    """Return an architecture's figures and operators for several boards, exporting it at most once.

    Raises:
        InputError: Vela is not installed, or the architecture cannot be compiled.
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
