"""Cycles of the parts of all architectures, from one compile per option of the largest gene.

The cycles in which the NPU computes a part depend only on the option of that part. The architectures with the same
option at every gene therefore determine the cycles of all parts of all architectures. The cycles of an architecture
beyond their sum are spent waiting for memory.
"""

from typing import Dict, List, Optional

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.layers import part_of
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress, say
from search.run import Run

PartCycles = Dict[str, List[int]]  # NPU cycles of each part, one value per option of its gene, or one if it is fixed


def compile_part_cycles(run: Run) -> Optional[PartCycles]:
    """Return the cycles of the parts of a run's networks; None, with a message, if there is no compiler.

    Figures in the compiler's cache are reused.
    """
    architectures = uniform_architectures(run.space)
    try:
        compiler, networks = Compiler.from_config(run.config.hardware), run.networks()
        compiled: List[Dict[str, int]] = []
        with progress("compiling for cycles by part", len(architectures)) as bar:
            for architecture in architectures:
                cycles: Dict[str, int] = {}
                for layer in compiler.inspect(networks, architecture).layers:
                    cycles[part_of(layer)] = cycles.get(part_of(layer), 0) + layer.npu_cycles
                compiled.append(cycles)
                bar.advance(run.space.format(architecture))
    except InputError as error:
        say(f"no cycles by part: {error}")
        return None
    counts = {gene.name: len(gene.options) for gene in run.space.genes}
    return {part: [cycles[part] for cycles in compiled[: counts.get(part, 1)]] for part in compiled[0]}


def uniform_architectures(space: Space) -> List[Architecture]:
    """Return architectures with the same option at all genes, one per option; genes with fewer repeat the last."""
    return [tuple(min(option, count - 1) for count in space.counts) for option in range(max(space.counts))]
