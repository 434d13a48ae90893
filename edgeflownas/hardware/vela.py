"""Vela, Arm's compiler for Ethos-U NPUs, as a program of its own.

It needs a newer Python than TensorFlow 1.15 does, so the legacy stack calls it in another environment; on the modern
stack it lies in the same one. Either way it is called as a command.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Optional

from edgeflownas.errors import InputError
from edgeflownas.hardware import report
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.report import Compiled
from edgeflownas.progress import say
from edgeflownas.storage.files import temporary_folder, write_text

_TAIL = 200  # lines of Vela's output that are kept of a failed compile
_ANSWER = 60.0  # seconds in which Vela tells its version

VERSION = "5.2.0"  # whose figures this project reports
OLD_VERSION = "3.8.0"  # the last for Python 3.7
_WARNING = (
    f"warning: Vela {OLD_VERSION} cannot stream rows through a resize, and so reports far more SRAM than {VERSION}: "
    "2310 instead of 1673 KiB for the lightest architecture at c = 32, 176x224 on Grove Vision AI V2 (optimised for "
    "size, instead of 679 KiB), more than the board has. Its figures are not comparable to others"
)


def default_command() -> str:
    """Returns the path of the Vela beside the running Python, or of ``make env``'s where there is none."""
    beside = Path(sys.executable).parent / "vela"
    return str(beside) if beside.exists() else ".venv-vela/bin/vela"


class CompileError(InputError):
    """Vela did not compile a network."""


class Vela:
    """The program."""

    def __init__(self, command: str, timeout: float, wanted: str = VERSION) -> None:
        """Remembers how to call it.

        Args:
            command: a path, or a name that is found on PATH.
            timeout: seconds that one compile may take.
            wanted: version that it has to be of.
        """
        self._command = command
        self._timeout = timeout
        self._wanted = wanted
        self._version: Optional[str] = None

    @property
    def version(self) -> str:
        """Vela's version, which is the wanted one.

        Raises:
            InputError: there is no Vela, it does not run, or it is of another version.
        """
        if self._version is None:
            found = self._ask_version()
            if found != self._wanted:
                raise InputError(
                    f"vela {self._command}: is of version {found}, and hardware.vela_version is {self._wanted}: "
                    f"figures of different versions cannot be compared; install the other one with "
                    f"'{_target(self._wanted)}', or set hardware.vela_version and build new cost tables"
                )
            if found == OLD_VERSION:
                say(_WARNING)
            self._version = found
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
        with temporary_folder("edgeflownas-vela") as folder:
            source, config, output = (folder / part for part in (f"{name}.tflite", "board.ini", "output"))
            source.write_bytes(model)
            config.write_text(board.vela_config(), encoding="utf-8")
            options = ["--verbose-performance", "--show-cpu-operations", f"--output-dir={output}"]
            try:
                result = self._call([*board.arguments(config), *options, str(source)], str(folder), self._timeout)
            except subprocess.TimeoutExpired as expired:
                log = _keep(logs, name, board, "".join(_text(part) for part in (expired.stdout, expired.stderr)))
                raise CompileError(
                    f"vela: {name} took longer than {self._timeout:g} s; set hardware.vela_timeout higher; "
                    f"its output so far is in {log}"
                ) from None
            said = result.stdout + result.stderr
            try:
                if result.returncode:
                    raise ValueError(f"exit code {result.returncode}")
                return report.read(output, result.stdout)
            except (OSError, KeyError, IndexError, ValueError) as error:
                raise CompileError(
                    f"vela: {name} was not compiled for {board.settings.name} ({error}: {_last_line(said)}); "
                    f"the end of its output is in {_keep(logs, name, board, said)}"
                ) from None

    def _ask_version(self) -> str:
        timeout = min(self._timeout, _ANSWER)
        try:
            result = self._call(["--version"], None, timeout)
        except subprocess.TimeoutExpired:
            mend = " and hardware.vela_timeout" if timeout < _ANSWER else ""
            raise InputError(
                f"vela {self._command}: does not tell its version within {timeout:g} s; check hardware.vela{mend}"
            ) from None
        match = re.search(r"^[0-9]+\.[0-9]+\.[0-9]+\S*", result.stdout, re.MULTILINE)
        if result.returncode or not match:
            raise InputError(
                f"vela {self._command}: does not run ({_last_line(result.stdout + result.stderr)}); "
                f"install it with '{_target(self._wanted)}', or set hardware.vela to a working one"
            )
        return match.group()

    def _call(
        self, arguments: List[str], folder: Optional[str], timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        mend = f"install it with '{_target(self._wanted)}', or set hardware.vela"
        program = shutil.which(self._command)
        if program is None:
            raise InputError(f"vela {self._command}: no such program; {mend}")
        try:
            return subprocess.run(
                [str(Path(program).absolute()), *arguments],
                cwd=folder,
                check=False,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
            )
        except OSError as error:  # a script whose Python is gone
            raise InputError(f"vela {self._command}: cannot be started ({error.strerror}); {mend}") from None


def _target(version: str) -> str:
    """How to install a version."""
    return "make vela38" if version == OLD_VERSION else "make env"


def _keep(logs: Path, name: str, board: Board, output: str) -> Path:
    path = logs / f"{name}_{board.path.stem}.log"
    write_text(path, "\n".join(output.splitlines()[-_TAIL:]) + "\n")
    return path


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _text(output: Any) -> str:
    """What a killed program had said: text, bytes or nothing, by version of Python."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
