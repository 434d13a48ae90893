"""What Vela reports about a compiled network, read from the files that it leaves. Versions 3.8 and 5.2 differ."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from edgeflownas.config import Section
from edgeflownas.hardware.cost import Figures

_ON_CPU = re.compile(r"^\s*CPU: (\w+) = (\S+) \(", re.MULTILINE)
_LARGEST = 1 << 28  # bytes of a file
_COLUMNS_3_8 = {
    "Original Operator": "TFLite_operator",
    "Staging Usage": "SRAM Usage",
    "Util% (MAC)": "Util%",
}


class CompiledLayer(Section):
    """One operator of the compiled network, in the order in which it runs.

    Attributes:
        operator: as the network file names its kind.
        name: of its output tensor.
        target: "NPU" or "CPU".
        cycles: until it is done, waiting included.
        npu_cycles: of the NPU's own work.
        macs: multiply-accumulates.
        utilisation: of the MAC units, in percent.
        sram_bytes: held while it runs.
        flash_cycles: of reading from flash.
        dram_cycles: of moving data from and to DRAM.
    """

    operator: str
    name: str
    target: str
    cycles: int
    npu_cycles: int
    macs: int
    utilisation: float
    sram_bytes: int
    flash_cycles: int
    dram_cycles: int


@dataclass(frozen=True)
class Compiled:
    """What Vela made of a network.

    Attributes:
        figures: of the whole network.
        layers: operators that take time; those the compiler fused into another are left out.
        model: the compiled TFLite file.
    """

    figures: Figures
    layers: Tuple[CompiledLayer, ...]
    model: bytes


def read(folder: Path, output: str) -> Compiled:
    """Reads what a compile left.

    Args:
        folder: with Vela's files.
        output: what Vela printed, asked to show operators on the CPU.

    Raises:
        OSError, KeyError, IndexError, ValueError: it left something else.
    """
    try:
        return _read(folder, output)
    except (csv.Error, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _read(folder: Path, output: str) -> Compiled:
    (summary,) = _rows(_only(folder, "*_summary_*.csv"))
    layers = [parse_layer(row) for row in _rows(_only(folder, "*_per-layer.csv"))]
    if all(layer.target == "NPU" for layer in layers):  # 3.8 lists no others
        layers += [_on_cpu(*found) for found in _ON_CPU.findall(output)]
    return Compiled(
        figures=parse_summary(summary),
        layers=tuple(layer for layer in layers if layer.cycles or layer.target == "CPU"),
        model=_only(folder, "*_vela.tflite").read_bytes(),
    )


def parse_summary(row: Dict[str, str]) -> Figures:
    """Reads Vela's summary of a network.

    Raises:
        KeyError: a column is missing.
        ValueError: a figure is not a positive number.
    """
    return Figures(
        npu_cycles=int(_positive(row, "cycles_npu")),
        cycles=int(_positive(row, "cycles_total")),
        sram_kib=_positive(row, "sram_memory_used"),
    )


def parse_layer(row: Dict[str, str]) -> CompiledLayer:
    """Reads a line of Vela's table of operators.

    Raises:
        KeyError: a column is missing.
        ValueError: a figure is not a number.
    """
    if _COLUMNS_3_8["Original Operator"] in row:
        row = {**{new: row[old] for new, old in _COLUMNS_3_8.items()}, "Target": "NPU", **row}
    return CompiledLayer(
        operator=row["Original Operator"],
        name=row["Name"],
        target=row["Target"],
        cycles=int(float(row["Op Cycles"])),
        npu_cycles=int(float(row["NPU"])),
        macs=int(float(row["MAC Count"])),
        utilisation=float(row["Util% (MAC)"]),
        sram_bytes=int(float(row["Staging Usage"])),
        flash_cycles=int(float(row["OnFlash AC"])) + int(float(row["OffFlash AC"])),
        dram_cycles=int(float(row["DRAM AC"])),
    )


def _on_cpu(operator: str, name: str) -> CompiledLayer:
    return CompiledLayer(
        operator=operator,
        name=name,
        target="CPU",
        cycles=0,
        npu_cycles=0,
        macs=0,
        utilisation=0.0,
        sram_bytes=0,
        flash_cycles=0,
        dram_cycles=0,
    )


def _positive(row: Dict[str, str], column: str) -> float:
    value = float(row[column])
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{column} is {row[column]}")
    return value


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1 or found[0].stat().st_size > _LARGEST:
        raise ValueError(f"left {len(found)} files {pattern}, or too large ones")
    return found[0]


def _rows(path: Path) -> List[Dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
