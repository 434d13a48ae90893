"""The front of a search by the compiler's word: what compiles it, and how far the table's predictions were off."""

import os
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import REBUILD_HINT, Cost, CostTable
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.pool import Pool
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from edgeflownas.storage.checkpoint import digest
from search.nsga2.archive import Archive
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES, CompileProgress
from search.run import Run


class FrontCompiler:
    """Compiles architectures of a search, with the supernet's weights.

    Used as a context manager: its processes end with the block.

    Attributes:
        table: the cost table, by which figures of other weights than the supernet's are predictions.
        vela: version of the compiler.
    """

    def __init__(self, run: Run, weights: Mapping[str, np.ndarray], table: CostTable) -> None:
        """Prepares to compile.

        Raises:
            InputError: there is no Vela, or the board's files are wrong.
        """
        self._compiler = Compiler.from_config(run.config.hardware)
        try:
            vela = self._compiler.vela.version
        except InputError as error:
            raise InputError(f"{error}, or hardware.compile_front=false for a front of predicted figures") from None
        self.table = table.for_weights(digest(weights), vela)
        self.vela = vela
        networks = Networks.with_weights(run.skeleton, *run.config.data.padded_size, weights)
        self._pool = Pool([self._compiler], networks, len(os.sched_getaffinity(0)))
        self._warned = False

    def __enter__(self) -> "FrontCompiler":
        """Begins."""
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Ends the processes."""
        self._pool.__exit__(*error)

    def compile_costs(self, architectures: Sequence[Architecture], on_compiled: CompileProgress) -> List[Cost]:
        """The compiler's costs of architectures. Tells once if one was predicted worse than the table promises.

        Raises:
            InputError: one cannot be compiled.
            Interrupted: a signal came; what has been compiled is in the cache.
        """
        done = 0

        def count(_: Architecture) -> None:
            nonlocal done
            done += 1
            on_compiled(done, len(architectures))

        entries = self._pool.compile(architectures, count)
        clock = self._compiler.board.clock_hz
        costs = [entries[architecture][0].figures.cost(clock, "compiled") for architecture in architectures]
        self._warn(dict(zip(architectures, costs)))
        return costs

    def _warn(self, costs: Mapping[Architecture, Cost]) -> None:
        off = [
            (percent, name, architecture)
            for architecture, cost in costs.items()
            for name, percent in self.table.excess_errors(architecture, cost).items()
        ]
        if off and not self._warned:
            percent, name, architecture = max(off)
            self._warned = True
            say(
                f"warning: predictions are off by more than the cost table's recorded error: {name} of "
                f"{self._pool.networks.space.format(architecture)} by {percent:.3f} %; all of them will stand in "
                f"hardware.json. A table for these weights predicts better: {REBUILD_HINT}"
            )

    def record(self, archive: Archive) -> Dict[str, Any]:
        """What ``hardware.json`` holds: what the front's figures hang on, and which predictions were off."""
        rows = np.flatnonzero(archive.column("cost_source") == COST_SOURCES.index("compiled"))
        off = {}
        for row, architecture in zip(rows, archive.architectures(rows)):
            figures = {name: float(archive.column(name)[row]) for name in COST_FIGURES}
            percent = self.table.excess_errors(architecture, Cost(**figures, source="compiled"))
            if percent:
                off[archive.space.format(architecture)] = percent
        content = self.table.content
        return {
            "vela": self._compiler.vela.version,
            "board": self._compiler.board.description(),
            "settings": self._compiler.summary(),
            "table": {
                "origin": content.origin.model_dump(),
                "error_percent": {name: error.model_dump() for name, error in content.error_percent.items()},
            },
            "compiled": len(rows),
            "mispredicted_percent": off,
        }
