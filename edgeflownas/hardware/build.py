"""Construction of cost tables.

The few architectures that a table predicts from are compiled first, then the held-out ones it is checked on.
"""

import itertools
import time
from typing import Dict, List, Sequence, Set

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.cache import CacheEntry
from edgeflownas.hardware.compiler import Compiler
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
from edgeflownas.wording import format_count

MAX_COMPILED = 40  # architectures that a table predicts from
SRAM_PEAK = "SRAM peak"
_NEGLIGIBLE = 1e-6  # of a network's cycles

Group = Sequence[int]  # indices of genes


def build_tables(
    compilers: Sequence[Compiler], networks: Networks, checks: int, jobs: int, command: str
) -> List[CostTable]:
    """Build the cost tables of a space for several boards. Each architecture is exported once for all boards.

    The lightest architecture and all that differ from it in one gene are compiled first. Vela's tables of operators
    then show which genes interact, because they change the cycles of the same part of the network (Vela fetches an
    operator's weights while the previous operator runs, so its waiting time depends on that operator) or because they
    both change the SRAM peak. Genes that interact are compiled in all combinations.

    Args:
        compilers: One compiler per board.
        networks: Networks of the space.
        checks: Number of held-out random architectures.
        jobs: Number of compiles that run in parallel.
        command: Command line to record in the tables.

    Raises:
        InputError: An architecture cannot be compiled.
        Interrupted: A signal was received; the figures compiled so far are in the cache.
    """
    start = time.monotonic()
    space = networks.space
    singles = single_changes(space.counts)
    with Pool(compilers, networks, jobs) as pool:
        entries = _compile(pool, space, singles, "compiling single changes")
        interactions = [
            find_interactions(space, _select_board(entries, singles, board)) for board in range(len(compilers))
        ]
        needed = [singles + combine_options(space, groups, MAX_COMPILED - len(singles)) for groups in interactions]
        combined = [genes for genes in dict.fromkeys(itertools.chain(*needed)) if genes not in entries]
        held_out = _draw_held_out(space, set(singles) | set(combined), checks)
        entries.update(_compile(pool, space, combined + held_out, "compiling combinations and checks"))
    seconds = round(time.monotonic() - start, 1)
    return [
        _build_table(compiler, networks, _select_board(entries, needed[i], i), _select_board(entries, held_out, i),
                     interactions[i], command, seconds)
        for i, compiler in enumerate(compilers)
    ]  # fmt: skip


def find_interactions(space: Space, compiled: Dict[Architecture, CacheEntry]) -> Dict[Group, List[str]]:
    """Find the genes whose costs interact, from the compiled figures of single changes.

    Args:
        space: Space of the architectures.
        compiled: Compiled figures of the lightest architecture and of all single changes.

    Returns:
        Groups of genes, mapped to the parts of the network whose cost depends on several genes of the group.
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
    """Return architectures that change several genes of a group: all with two genes, then with three, and so on.

    At most ``most`` architectures are returned.
    """
    combined = []
    for group in groups:
        for options in itertools.product(*(range(space.counts[gene]) for gene in group)):
            if sum(option > 0 for option in options) > 1:
                chosen = dict(zip(group, options))
                combined.append(tuple(chosen.get(gene, 0) for gene in range(len(space.genes))))
    return sorted(combined, key=lambda genes: (sum(option > 0 for option in genes), genes))[: max(most, 0)]


def _draw_held_out(space: Space, needed: Set[Architecture], count: int) -> List[Architecture]:
    """Draw random architectures that the table does not predict from; the draw is always the same.

    If the table contains the whole space, nothing is predicted and nothing is drawn.
    """
    others = space.size - len(needed)
    if not others:
        return []
    if count > others:
        raise InputError(f"--checks {count}: the space has only {format_count(others, 'other architecture')}")
    rng = np.random.default_rng(0)
    drawn: Dict[Architecture, None] = {}
    while len(drawn) < count:
        architecture = space.sample(rng)
        if architecture not in needed:
            drawn[architecture] = None
    return list(drawn)


def _compile(
    pool: Pool, space: Space, architectures: Sequence[Architecture], title: str
) -> Dict[Architecture, Entries]:
    with progress(title, len(architectures)) as bar:
        return pool.compile(architectures, lambda architecture: bar.advance(space.format(architecture)))


def _select_board(
    entries: Dict[Architecture, Entries], architectures: Sequence[Architecture], board: int
) -> Dict[Architecture, CacheEntry]:
    return {architecture: entries[architecture][board] for architecture in architectures}


def _build_table(
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
