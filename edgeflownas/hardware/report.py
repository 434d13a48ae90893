"""Reader of the files in which Vela reports on a compiled network. Versions 3.8 and 5.2 use different columns."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from edgeflownas.config import Section
from edgeflownas.hardware.cost import Figures

_ON_CPU = re.compile(r"^\s*CPU: (\w+) = (\S+) \(", re.MULTILINE)
_MAX_BYTES = 1 << 28  # size of a file
_COLUMNS_3_8 = {
    "Original Operator": "TFLite_operator",
    "Staging Usage": "SRAM Usage",
    "Util% (MAC)": "Util%",
}


class CompiledLayer(Section):
    """An operator of a compiled network.

    Attributes:
        operator: Kind of the operator, as named in the network file.
        name: Name of its output tensor.
        target: "NPU" or "CPU".
        cycles: Cycles until the operator is complete, including waiting.
        npu_cycles: Cycles in which the NPU computes.
        macs: Number of multiply-accumulates.
        utilisation: Utilisation of the MAC units, in percent.
        sram_bytes: SRAM in use while the operator runs, in bytes.
        flash_cycles: Cycles of reading from flash.
        dram_cycles: Cycles of moving data from and to DRAM.
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
    """A network compiled by Vela.

    Attributes:
        figures: Figures of the whole network.
        layers: Operators that take time, in execution order; operators fused into others are omitted.
        model: Content of the compiled TFLite file.
    """

    figures: Figures
    layers: Tuple[CompiledLayer, ...]
    model: bytes


def read(folder: Path, output: str) -> Compiled:
    """Read the output of a compile.

    Args:
        folder: Folder with Vela's files.
        output: Text printed by Vela with the option to show operators on the CPU.

    Raises:
        OSError, KeyError, IndexError, ValueError: A file is missing, or its content is not as expected.
    """
    try:
        return _read(folder, output)
    except (csv.Error, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _read(folder: Path, output: str) -> Compiled:
    (summary,) = _read_rows(_find_file(folder, "*_summary_*.csv"))
    layers = [parse_layer(row) for row in _read_rows(_find_file(folder, "*_per-layer.csv"))]
    if all(layer.target == "NPU" for layer in layers):  # 3.8 lists no others
        layers += [_cpu_layer(operator, name) for operator, name in _ON_CPU.findall(output)]
    return Compiled(
        figures=parse_summary(summary),
        layers=tuple(layer for layer in layers if layer.cycles or layer.target == "CPU"),
        model=_find_file(folder, "*_vela.tflite").read_bytes(),
    )


def parse_summary(row: Dict[str, str]) -> Figures:
    """Parse Vela's summary of a network.

    Raises:
        KeyError: A column is missing.
        ValueError: A figure is not a positive number.
    """
    return Figures(
        npu_cycles=int(_parse_positive(row, "cycles_npu")),
        cycles=int(_parse_positive(row, "cycles_total")),
        sram_kib=_parse_positive(row, "sram_memory_used"),
    )


def parse_layer(row: Dict[str, str]) -> CompiledLayer:
    """Parse a row of Vela's table of operators.

    Raises:
        KeyError: A column is missing.
        ValueError: A figure is not a number.
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


def _cpu_layer(operator: str, name: str) -> CompiledLayer:
    zeros = dict.fromkeys(CompiledLayer.model_fields, 0)
    return CompiledLayer.model_validate({**zeros, "operator": operator, "name": name, "target": "CPU"})


def _parse_positive(row: Dict[str, str], column: str) -> float:
    value = float(row[column])
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{column} is {row[column]}")
    return value


def _find_file(folder: Path, pattern: str) -> Path:
    paths = sorted(folder.glob(pattern))
    if len(paths) != 1 or paths[0].stat().st_size > _MAX_BYTES:
        raise ValueError(f"it wrote {len(paths)} files {pattern} instead of one, or a file is too large")
    return paths[0]


def _read_rows(path: Path) -> List[Dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
