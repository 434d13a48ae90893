"""What the parts of any architecture cost, from as few compiles as the largest gene has options.

The NPU's own cycles of a part depend on that part's option alone. So the architectures that have the same option at
every gene tell the cycles of all parts of all architectures. What an architecture takes beyond their sum, it waits for
memory.
"""

from typing import Dict, List, Optional

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.layers import part_of
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import progress, say
from search.run import Run

# NPU cycles of each part, one value an option of its gene; a fixed part has one value.
PartCycles = Dict[str, List[int]]


def part_cycles(run: Run) -> Optional[PartCycles]:
    """The cycles of the parts of a run's networks; None, with a word, where there is no compiler.

    What was compiled before is not compiled again.
    """
    wanted = uniform_architectures(run.space)
    try:
        compiler, networks = Compiler.from_config(run.config.hardware), run.networks()
        found: List[Dict[str, int]] = []
        with progress("compiling for the cycles of parts", len(wanted)) as bar:
            for architecture in wanted:
                cycles: Dict[str, int] = {}
                for layer in compiler.inspect(networks, architecture).layers:
                    cycles[part_of(layer)] = cycles.get(part_of(layer), 0) + layer.npu_cycles
                found.append(cycles)
                bar.advance(run.space.format(architecture))
    except InputError as error:
        say(f"no cycles of parts: {error}")
        return None
    counts = {gene.name: len(gene.options) for gene in run.space.genes}
    return {part: [each[part] for each in found[: counts.get(part, 1)]] for part in found[0]}


def uniform_architectures(space: Space) -> List[Architecture]:
    """Every option of every gene: all lightest, all second, and so on; a gene with fewer options repeats its last."""
    return [tuple(min(option, count - 1) for count in space.counts) for option in range(max(space.counts))]
