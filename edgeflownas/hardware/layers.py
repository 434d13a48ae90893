"""Vela's table of operators, added up by the parts of the network that they belong to."""

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from edgeflownas.hardware.report import CompiledLayer

ACCUMULATION = "accumulation"
_NUMBER = re.compile(r"_[0-9]+$")
_ENDS = {"Quantize": "input", "Dequantize": "output"}  # conversions that the CPU does


@dataclass(frozen=True)
class Part:
    """A part of the network: a stage, the accumulation of the flow, or a conversion at an end.

    Attributes:
        name: of the stage, or "accumulation", "input", "output".
        cycles: of its operators, waiting included.
        share: of the whole network's cycles.
        macs: multiply-accumulates.
        utilisation: of the MAC units, in percent of its cycles.
        sram_kib: the most that is held while one of its operators runs.
        waiting: cycles that it takes longer than with weights in a memory as fast as SRAM; None: not known.
        on_cpu: operators that the CPU runs.
    """

    name: str
    cycles: int
    share: float
    macs: int
    utilisation: float
    sram_kib: float
    waiting: Optional[int]
    on_cpu: int


def part_of(layer: CompiledLayer) -> str:
    """The part that an operator belongs to: the exporter names operators after their stages."""
    if layer.target == "CPU" and layer.operator in _ENDS:
        return _ENDS[layer.operator]
    first, slash, _ = layer.name.partition("/")
    return _NUMBER.sub("", first) if slash else ACCUMULATION  # the last operator is named as the output is: "flow"


def cycles_by_part(layers: Sequence[CompiledLayer]) -> Dict[str, int]:
    """Cycles of each part, in the order in which the parts begin."""
    cycles: Dict[str, int] = {}
    for layer in layers:
        cycles[part_of(layer)] = cycles.get(part_of(layer), 0) + layer.cycles
    return cycles


def summarise_parts(
    layers: Sequence[CompiledLayer], without_waiting: Optional[Sequence[CompiledLayer]] = None
) -> List[Part]:
    """Adds operators up.

    Args:
        layers: of a compiled network.
        without_waiting: of the same network with weights in a memory as fast as SRAM.
    """
    total = sum(layer.cycles for layer in layers)
    fast = None if without_waiting is None else cycles_by_part(without_waiting)
    result = []
    for name, cycles in cycles_by_part(layers).items():
        mine = [layer for layer in layers if part_of(layer) == name]
        result.append(
            Part(
                name=name,
                cycles=cycles,
                share=cycles / total,
                macs=sum(layer.macs for layer in mine),
                utilisation=sum(layer.utilisation * layer.cycles for layer in mine) / max(cycles, 1),
                sram_kib=max(layer.sram_bytes for layer in mine) / 1024,
                waiting=None if fast is None else max(cycles - fast.get(name, 0), 0),
                on_cpu=sum(layer.target == "CPU" for layer in mine),
            )
        )
    return result
