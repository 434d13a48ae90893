"""Compiled figures for the front of a search, and their deviation from the predictions of the cost table."""

import os
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import TOLERANCE, Cost, CostTable
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.pool import Pool
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from edgeflownas.storage.checkpoint import digest
from search.nsga2.archive import Archive
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES, CompileProgress
from search.run import Run


class FrontCompiler:
    """Compiles architectures of a search with the supernet's weights.

    A context manager: its worker processes end with the block.

    Attributes:
        table: Cost table, in which figures that were compiled with different weights count as predictions.
        vela: Version of the compiler.
    """

    def __init__(self, run: Run, weights: Mapping[str, np.ndarray], table: CostTable) -> None:
        """Prepare to compile.

        Raises:
            InputError: Vela is missing, or the board's files are invalid.
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
        self._run, self._warned = run, False

    def __enter__(self) -> "FrontCompiler":
        """Start the worker processes."""
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """End the worker processes."""
        self._pool.__exit__(*error)

    def compile_costs(self, architectures: Sequence[Architecture], on_compiled: CompileProgress) -> List[Cost]:
        """Return the compiled costs of architectures.

        Warns once if the error of a prediction exceeds ``CostTable.largest_error``.

        Args:
            architectures: Architectures to compile.
            on_compiled: Callback that is called after each compiled architecture.

        Raises:
            InputError: An architecture cannot be compiled.
            Interrupted: A signal was received; the architectures compiled so far are in the cache.
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
        errors = [
            (percent, name, architecture)
            for architecture, cost in costs.items()
            for name, percent in self.table.excess_errors(architecture, cost).items()
        ]
        if errors and not self._warned:
            percent, name, architecture = max(errors)
            self._warned = True
            table = self._run.folder / "cost_table.yaml"
            say(
                f"warning: the cost table predicts {name} of {self._pool.networks.space.format(architecture)} with an "
                f"error of {percent:.2f} %, more than its recorded error plus {TOLERANCE:g} % for other weights; "
                f"hardware.json will list all such errors. To build a table for these weights: "
                f"`{self._run.command('cost build', f'--output={table}')}`; to search with it: "
                f"`{self._run.command('evolve', '--restart', f'--set=hardware.table={table}')}`"
            )

    def record(self, archive: Archive) -> Dict[str, Any]:
        """Return the content of ``hardware.json``: the origin of the front's figures, and the wrong predictions."""
        rows = np.flatnonzero(archive.column("cost_source") == COST_SOURCES.index("compiled"))
        mispredicted = {}
        for row, architecture in zip(rows, archive.architectures(rows)):
            figures = {name: float(archive.column(name)[row]) for name in COST_FIGURES}
            percent = self.table.excess_errors(architecture, Cost(**figures, source="compiled"))
            if percent:
                mispredicted[archive.space.format(architecture)] = percent
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
            "mispredicted_percent": mispredicted,
        }
