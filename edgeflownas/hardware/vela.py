"""Vela, Arm's compiler for Ethos-U NPUs, as a program of its own.

It needs a newer Python than TensorFlow 1.15 does, so it lives in another environment and is called as a command.
"""

import csv
import math
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from edgeflownas.config import Section
from edgeflownas.errors import InputError
from edgeflownas.files import write_text
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Figures

_TAIL = 200  # lines of Vela's output that are kept of a failed compile


class CompileError(InputError):
    """Vela did not compile a network."""


class Layer(Section):
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
    layers: Tuple[Layer, ...]
    model: bytes


class Vela:
    """The program."""

    def __init__(self, command: str, timeout: float) -> None:
        """Remembers how to call it.

        Args:
            command: a path, or a name that is found on PATH.
            timeout: seconds that one compile may take.
        """
        self._command = command
        self._timeout = timeout
        self._version: Optional[str] = None

    @property
    def version(self) -> str:
        """Vela's version.

        Raises:
            InputError: there is no Vela, or it does not run.
        """
        if self._version is None:
            try:
                result = self._call(["--version"], None)
            except subprocess.TimeoutExpired:
                raise InputError(f"vela {self._command}: does not answer; check hardware.vela") from None
            match = re.search(r"^[0-9]+\.[0-9]+\.[0-9]+\S*", result.stdout, re.MULTILINE)
            if result.returncode or not match:
                raise InputError(
                    f"vela {self._command}: does not run ({_last_line(result.stdout + result.stderr)}); "
                    "install it with 'make vela', or set hardware.vela to a working one"
                )
            self._version = match.group()
        return self._version

    def compile(self, name: str, model: bytes, board: Board, logs: Path) -> Compiled:
        """Compiles a network.

        Args:
            name: of the network, in messages and file names.
            model: TFLite file.
            board: to compile for.
            logs: folder where Vela's output is left if the compile fails.

        Raises:
            CompileError: Vela fails, takes too long, or says nothing that makes sense.
            InputError: there is no Vela.
        """
        with tempfile.TemporaryDirectory(prefix="edgeflownas-vela-") as folder:
            source = Path(folder) / f"{name}.tflite"
            source.write_bytes(model)
            output = Path(folder) / "output"
            arguments = [*board.arguments(), "--verbose-performance", f"--output-dir={output}", str(source)]
            try:
                result = self._call(arguments, folder)
            except subprocess.TimeoutExpired as expired:
                said = "".join(_text(part) for part in (expired.stdout, expired.stderr))
                log = _keep(logs, name, said)
                raise CompileError(
                    f"vela: {name} took longer than {self._timeout:g} s; set hardware.vela_timeout higher; "
                    f"its output so far is in {log}"
                ) from None
            try:
                if result.returncode:
                    raise ValueError(f"exit code {result.returncode}")
                return _read(output)
            except (OSError, KeyError, IndexError, ValueError) as error:
                log = _keep(logs, name, result.stdout + result.stderr)
                last = _last_line(result.stdout + result.stderr)
                raise CompileError(
                    f"vela: {name} was not compiled for {board.settings.name} ({error}: {last}); "
                    f"the end of its output is in {log}"
                ) from None

    def _call(self, arguments: List[str], folder: Optional[str]) -> "subprocess.CompletedProcess[str]":
        program = shutil.which(self._command)
        if program is None:
            raise InputError(
                f"vela {self._command}: no such program; install it with 'make vela', or set hardware.vela"
            )
        command = [str(Path(program).absolute()), *arguments]
        return subprocess.run(
            command,
            cwd=folder,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self._timeout,
        )


def _read(folder: Path) -> Compiled:
    """Reads the files that a compile leaves."""
    (summary,) = _rows(_only(folder, "*_summary_*.csv"))
    layers = [parse_layer(row) for row in _rows(_only(folder, "*_per-layer.csv"))]
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


def parse_layer(row: Dict[str, str]) -> Layer:
    """Reads a line of Vela's table of operators.

    Raises:
        KeyError: a column is missing.
        ValueError: a figure is not a number.
    """
    return Layer(
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


def _positive(row: Dict[str, str], column: str) -> float:
    value = float(row[column])
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{column} is {row[column]}")
    return value


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ValueError(f"left {len(found)} files {pattern}")
    return found[0]


def _rows(path: Path) -> List[Dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _keep(logs: Path, name: str, output: str) -> Path:
    path = logs / f"{name}.log"
    write_text(path, "\n".join(output.splitlines()[-_TAIL:]) + "\n")
    return path


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _text(output: Any) -> str:
    """What a killed program had said: text, bytes or nothing, by version of Python."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
