"""Totals of Vela's table of operators by part of the network."""

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from edgeflownas.hardware.report import CompiledLayer

ACCUMULATION = "accumulation"
_NUMBER = re.compile(r"_[0-9]+$")
_CONVERSIONS = {"Quantize": "input", "Dequantize": "output"}  # run on the CPU


@dataclass(frozen=True)
class Part:
    """A part of the network: a stage, the accumulation of the flow, or the conversion of the input or output.

    Attributes:
        name: Name of the stage, or "accumulation", "input", "output".
        cycles: Cycles of its operators including waiting.
        share: Fraction of the whole network's cycles.
        macs: Number of multiply-accumulates.
        utilisation: Utilisation of the MAC units, in percent of the part's cycles.
        sram_kib: Largest SRAM use while one of its operators runs, in KiB.
        waiting: Additional cycles compared with weights in a memory as fast as SRAM; None if unknown.
        on_cpu: Number of operators that run on the CPU.
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
    """Return the part to which an operator belongs; the exporter names operators after their stages."""
    if layer.target == "CPU" and layer.operator in _CONVERSIONS:
        return _CONVERSIONS[layer.operator]
    first, slash, _ = layer.name.partition("/")
    return _NUMBER.sub("", first) if slash else ACCUMULATION  # the last operator has the name of the output: "flow"


def cycles_by_part(layers: Sequence[CompiledLayer]) -> Dict[str, int]:
    """Return the cycles of each part, in the order in which the parts start to run."""
    cycles: Dict[str, int] = {}
    for layer in layers:
        cycles[part_of(layer)] = cycles.get(part_of(layer), 0) + layer.cycles
    return cycles


def summarise_parts(
    layers: Sequence[CompiledLayer], without_waiting: Optional[Sequence[CompiledLayer]] = None
) -> List[Part]:
    """Sum up the operators of each part.

    Args:
        layers: Operators of a compiled network.
        without_waiting: Operators of the same network with weights in a memory as fast as SRAM.
    """
    total = sum(layer.cycles for layer in layers)
    fast = None if without_waiting is None else cycles_by_part(without_waiting)
    result = []
    for name, cycles in cycles_by_part(layers).items():
        members = [layer for layer in layers if part_of(layer) == name]
        result.append(
            Part(
                name=name,
                cycles=cycles,
                share=cycles / total,
                macs=sum(layer.macs for layer in members),
                utilisation=sum(layer.utilisation * layer.cycles for layer in members) / max(cycles, 1),
                sram_kib=max(layer.sram_bytes for layer in members) / 1024,
                waiting=None if fast is None else max(cycles - fast.get(name, 0), 0),
                on_cpu=sum(layer.target == "CPU" for layer in members),
            )
        )
    return result
