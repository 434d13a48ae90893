"""Vela, Arm's compiler for Ethos-U NPUs, run as a separate program.

Vela needs a newer Python than TensorFlow 1.15 does, so on the legacy stack it is installed in another environment; on
the modern stack it is in the same environment. Either way it is called as a command.
"""

import errno
import os
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

_PROJECT = Path(__file__).parents[2]  # where ``make env`` is called
_LOG_LINES = 200  # lines of Vela's output that are kept after a failed compile
_VERSION_TIMEOUT = 60.0  # seconds within which Vela must report its version

VERSION = "5.2.0"  # the version whose figures this project reports
OLD_VERSION = "3.8.0"  # the last version for Python 3.7
_WARNING = (
    f"warning: Vela {OLD_VERSION} cannot stream rows through a resize, and so reports far more SRAM than {VERSION}: "
    "2310 instead of 679 KiB for the lightest architecture at c = 32, 176x224, optimised for size, which is more than "
    "Grove Vision AI V2 has. Its figures are not comparable with those of other versions"
)


def default_command() -> str:
    """Return the path of the Vela installed beside the running Python or, if there is none, by ``make env``."""
    installed = Path(".venv-vela", "bin", "vela")
    places = (Path(sys.executable).parent / "vela", _PROJECT / installed)
    return str(next((place for place in places if place.exists()), installed))


class CompileError(InputError):
    """Failure of Vela to compile a network."""


class Vela:
    """The Vela program."""

    def __init__(self, command: str, timeout: float, wanted: str = VERSION) -> None:
        """Initialise with the command that runs Vela.

        Args:
            command: Path of the program, or name of a program on PATH.
            timeout: Time limit of one compile, in seconds.
            wanted: Required version.
        """
        self._command = command
        self._timeout = timeout
        self._wanted = wanted
        self._version: Optional[str] = None

    @property
    def version(self) -> str:
        """Version of Vela, which equals the required one.

        Raises:
            InputError: Vela is not installed, does not run, or has another version.
        """
        if self._version is None:
            version = self._query_version()
            if version != self._wanted:
                raise InputError(
                    f"vela {self._command}: has version {version}, but hardware.vela_version is {self._wanted}: "
                    f"figures of different versions cannot be compared; install {self._wanted} with "
                    f"'{_make_target(self._wanted)}', or set hardware.vela_version and build new cost tables"
                )
            if version == OLD_VERSION:
                say(_WARNING)
            self._version = version
        return self._version

    def compile(self, name: str, model: bytes, board: Board, logs: Optional[Path]) -> Compiled:
        """Compile a network.

        Args:
            name: Name of the network in messages and file names.
            model: Content of a TFLite file.
            board: Board to compile for.
            logs: Folder for Vela's output if the compile fails; if None, it is not kept.

        Raises:
            CompileError: Vela fails, exceeds the time limit, or its output cannot be read.
            InputError: Vela is not installed.
            OSError: The folder for temporary files is full.
        """
        with temporary_folder("edgeflownas-vela") as folder:
            source, config, output = (folder / part for part in (f"{name}.tflite", "board.ini", "output"))
            source.write_bytes(model)
            config.write_text(board.vela_config(), encoding="utf-8")
            options = ["--verbose-performance", "--show-cpu-operations", f"--output-dir={output}"]
            try:
                result = self._call([*board.vela_arguments(config), *options, str(source)], str(folder), self._timeout)
            except subprocess.TimeoutExpired as expired:
                output_so_far = _decode(expired.stdout) + _decode(expired.stderr)
                raise CompileError(
                    f"vela: {name} took longer than {self._timeout:g} s; set hardware.vela_timeout higher; "
                    f"{_keep_log(logs, name, board, output_so_far)}"
                ) from None
            log_text = result.stdout + result.stderr
            try:
                if result.returncode:
                    raise ValueError(f"exit code {result.returncode}")
                return report.read(output, result.stdout)
            except (OSError, KeyError, IndexError, ValueError) as error:
                if os.strerror(errno.ENOSPC) in log_text:  # Vela writes only to the temporary folder
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
                raise CompileError(
                    f"vela: {name} was not compiled for {board.settings.name} ({error}: {_last_line(log_text)}); "
                    f"{_keep_log(logs, name, board, log_text)}"
                ) from None

    def _query_version(self) -> str:
        timeout = min(self._timeout, _VERSION_TIMEOUT)
        try:
            result = self._call(["--version"], None, timeout)
        except subprocess.TimeoutExpired:
            option = " and hardware.vela_timeout" if timeout < _VERSION_TIMEOUT else ""
            raise InputError(
                f"vela {self._command}: did not report its version within {timeout:g} s; check hardware.vela{option}"
            ) from None
        match = re.search(r"^[0-9]+\.[0-9]+\.[0-9]+\S*", result.stdout, re.MULTILINE)
        if result.returncode or not match:
            raise InputError(
                f"vela {self._command}: does not run ({_last_line(result.stdout + result.stderr)}); "
                f"install it with '{_make_target(self._wanted)}', or set hardware.vela to a working program"
            )
        return match.group()

    def _call(
        self, arguments: List[str], folder: Optional[str], timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        remedy = f"install it with '{_make_target(self._wanted)}', or set hardware.vela"
        program = shutil.which(self._command)
        if program is None:
            raise InputError(f"vela {self._command}: no such program; {remedy}")
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
        except OSError as error:  # for example, a script whose Python was removed
            raise InputError(f"vela {self._command}: cannot be started ({error.strerror}); {remedy}") from None


def _make_target(version: str) -> str:
    """Return the command that installs a version."""
    return "make vela38" if version == OLD_VERSION else "make env"


def _keep_log(logs: Optional[Path], name: str, board: Board, output: str) -> str:
    """Write the end of Vela's output to a file if possible, and return where it is."""
    if logs is None:
        return "its output is not kept, as there is no folder for a cache"
    path = logs / f"{name}_{board.path.stem}.log"
    try:
        write_text(path, "\n".join(output.splitlines()[-_LOG_LINES:]) + "\n")
    except OSError as error:
        return f"its output is not kept: {error}"
    return f"the end of its output is in {path}"


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def _decode(output: Any) -> str:
    """Convert the output of a killed program to text; depending on its version, Python provides str, bytes or None."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
