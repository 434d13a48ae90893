"""Makes cost tables: compiles the few architectures that they predict from, then others that they are checked on."""

import itertools
import time
from typing import Dict, List, Sequence, Set

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import CacheEntry, Compiler
from edgeflownas.hardware.cost import (
    CostPredictor,
    CostTable,
    Interaction,
    Network,
    Origin,
    TableFile,
    prediction_errors,
    single_changes,
)
from edgeflownas.hardware.layers import cycles_by_part
from edgeflownas.hardware.networks import RANDOM, Networks
from edgeflownas.hardware.pool import Entries, Pool
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress
from edgeflownas.storage import checkpoint

MOST = 40  # architectures that a table is made from
SRAM_PEAK = "SRAM peak"
_NEGLIGIBLE = 1e-6  # of a network's cycles

Group = Sequence[int]  # genes, by index


def build_tables(
    compilers: Sequence[Compiler], networks: Networks, checks: int, jobs: int, command: str
) -> List[CostTable]:
    """Makes the tables of a space for several boards. An architecture is exported once for all of them.

    The lightest architecture and all single changes are compiled first. Vela's tables of operators then tell which
    genes meet: change the cycles of the same part of the network (Vela fetches an operator's weights while the one
    before runs, so its waiting hangs on that one), or both move the SRAM peak. Genes that meet are compiled in all
    combinations.

    Args:
        compilers: one per board.
        networks: of the space.
        checks: held-out random architectures.
        jobs: compiles side by side.
        command: that is written into the tables.

    Raises:
        InputError: an architecture cannot be compiled.
        Interrupted: a signal came; what has been compiled is in the cache.
    """
    start = time.monotonic()
    space = networks.space
    singles = single_changes(space.counts)
    with Pool(compilers, networks, jobs) as pool:
        figures = _compiled(pool, space, singles, "compiling single changes")
        meetings = [
            find_interactions(space, {each: entries[board] for each, entries in figures.items()})
            for board in range(len(compilers))
        ]
        needed = [singles + combine_options(space, groups, MOST - len(singles)) for groups in meetings]
        together = [each for each in dict.fromkeys(itertools.chain(*needed)) if each not in figures]
        held_out = _held_out(space, set(singles) | set(together), checks)
        figures.update(_compiled(pool, space, together + held_out, "compiling combinations and checks"))
    seconds = round(time.monotonic() - start, 1)
    return [
        _table(compiler, networks, _of_board(figures, needed[i], i), _of_board(figures, held_out, i), meetings[i],
               command, seconds)
        for i, compiler in enumerate(compilers)
    ]  # fmt: skip


def find_interactions(space: Space, compiled: Dict[Architecture, CacheEntry]) -> Dict[Group, List[str]]:
    """Which genes do something together, by the compiler's word on single changes.

    Args:
        space: of the architectures.
        compiled: the lightest architecture and all single changes.

    Returns:
        Groups of genes, each with the parts of the network whose cost hangs on several of them.
    """
    base = compiled[(0,) * len(space.genes)]
    cycles = cycles_by_part(base.layers)
    moved: Dict[str, Set[int]] = {}
    for architecture, entry in compiled.items():
        for gene, option in enumerate(architecture):
            if option:
                for part, value in cycles_by_part(entry.layers).items():
                    if abs(value - cycles.get(part, 0)) > _NEGLIGIBLE * base.figures.cycles:
                        moved.setdefault(part, set()).add(gene)
                if entry.figures.sram_kib != base.figures.sram_kib:
                    moved.setdefault(SRAM_PEAK, set()).add(gene)
    groups: List[Set[int]] = []
    for genes in moved.values():
        if len(genes) > 1:
            joined = [group for group in groups if group & genes]
            groups = [group for group in groups if not group & genes] + [genes.union(*joined)]
    return {
        tuple(sorted(group)): [part for part, genes in moved.items() if len(genes) > 1 and genes <= group]
        for group in groups
    }


def combine_options(space: Space, groups: Dict[Group, List[str]], most: int) -> List[Architecture]:
    """Changes of several genes of a group at once: all of two genes, then of three, and so on; at most so many."""
    found = []
    for group in groups:
        for options in itertools.product(*(range(space.counts[gene]) for gene in group)):
            if sum(option > 0 for option in options) > 1:
                chosen = dict(zip(group, options))
                found.append(tuple(chosen.get(gene, 0) for gene in range(len(space.genes))))
    return sorted(found, key=lambda each: (sum(option > 0 for option in each), each))[: max(most, 0)]


def _held_out(space: Space, needed: Set[Architecture], count: int) -> List[Architecture]:
    """Random architectures, always the same, that the table is not made from."""
    if count > space.size - len(needed):
        raise InputError(f"--checks {count}: the space has only {space.size - len(needed)} other architectures")
    rng = np.random.default_rng(0)
    drawn: Dict[Architecture, None] = {}
    while len(drawn) < count:
        architecture = space.random(rng)
        if architecture not in needed:
            drawn[architecture] = None
    return list(drawn)


def _compiled(
    pool: Pool, space: Space, architectures: Sequence[Architecture], title: str
) -> Dict[Architecture, Entries]:
    with progress(title, len(architectures)) as bar:
        return pool.compile(architectures, lambda architecture: bar.advance(space.format(architecture)))


def _of_board(
    figures: Dict[Architecture, Entries], architectures: Sequence[Architecture], board: int
) -> Dict[Architecture, CacheEntry]:
    return {architecture: figures[architecture][board] for architecture in architectures}


def _table(
    compiler: Compiler,
    networks: Networks,
    needed: Dict[Architecture, CacheEntry],
    others: Dict[Architecture, CacheEntry],
    groups: Dict[Group, List[str]],
    command: str,
    seconds: float,
) -> CostTable:
    from edgeflownas.tf_runtime.stack import tf

    space = networks.space
    compiled = {architecture: entry.figures for architecture, entry in needed.items()}
    held_out = {architecture: entry.figures for architecture, entry in others.items()}
    content = TableFile(
        origin=Origin(
            command=command,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            seconds=seconds,
            vela=compiler.vela.version,
            tensorflow=tf.__version__,
            weights=RANDOM if networks.trained is None else checkpoint.digest(networks.trained.weights),
        ),
        board=compiler.board.description(),
        network=Network.of(networks.skeleton, *networks.size),
        together=[
            Interaction(genes=[space.genes[gene].name for gene in group], why=why) for group, why in groups.items()
        ],
        error_percent=prediction_errors(CostPredictor(space.counts, compiled), held_out),
        compiled={space.format(architecture): value for architecture, value in compiled.items()},
        held_out={space.format(architecture): value for architecture, value in held_out.items()},
    )
    return CostTable(content)
