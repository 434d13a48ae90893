"""A board: the NPU, its clock and memories as Vela has to know them, and the arena that the network may use."""

import configparser
from pathlib import Path
from typing import Any, Dict, List, Union

from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Section, read_yaml, validate
from edgeflownas.errors import InputError

_Sections = Dict[str, Dict[str, Union[float, str]]]


class BoardFile(Section):
    """The content of a board's file."""

    name: str = Field(min_length=1, description="as reports call it")
    accelerator: str = Field(pattern=r"^ethos-u[0-9]+-[0-9]+$", description="Vela's name of the NPU")
    vela_config: str = Field(description="Vela configuration file, beside this one")
    system_config: str = Field(description="section of that file: clock, buses and memories")
    memory_mode: str = Field(description="section of that file: what lies in which memory")
    optimise: Literal["Size", "Performance"] = Field(
        description="Size: as little SRAM as possible; Performance: as fast as possible within the arena"
    )
    arena_bytes: int = Field(gt=0, description="SRAM that the network may use")
    int8_io: bool = Field(description="take and give int8; false: float32, which the CPU converts")


class Board:
    """A board's file together with the Vela configuration that it names.

    Attributes:
        path: of the board's file.
        settings: its content.
    """

    def __init__(self, path: Path, settings: BoardFile, vela_config: _Sections) -> None:
        self.path = path
        self.settings = settings
        self._vela_config = vela_config

    @classmethod
    def load(cls, path: Path) -> "Board":
        """Reads a board.

        Raises:
            InputError: a file is missing, or does not say what it has to.
        """
        settings: BoardFile = validate(read_yaml(path, "board"), BoardFile, f"board {path}")
        return cls(path, settings, _sections(path, settings))

    @property
    def vela_config(self) -> Path:
        """The Vela configuration file."""
        return self.path.parent / self.settings.vela_config

    @property
    def clock_hz(self) -> float:
        """The NPU's clock rate."""
        return float(self._vela_config[f"System_Config.{self.settings.system_config}"]["core_clock"])

    @property
    def arena_kib(self) -> float:
        """SRAM that the network may use, KiB."""
        return self.settings.arena_bytes / 1024

    def arguments(self) -> List[str]:
        """What Vela is told about the board."""
        settings = self.settings
        return [
            f"--accelerator-config={settings.accelerator}",
            f"--config={self.vela_config.absolute()}",
            f"--system-config={settings.system_config}",
            f"--memory-mode={settings.memory_mode}",
            f"--optimise={settings.optimise}",
            f"--arena-cache-size={settings.arena_bytes}",
        ]

    def description(self) -> Dict[str, Any]:
        """All that bears on a compile: the settings, and the sections of the Vela configuration that they name."""
        settings = self.settings.model_dump(exclude={"vela_config"})
        return {**settings, "vela_config": self._vela_config}


def _sections(path: Path, settings: BoardFile) -> _Sections:
    """The two sections of the Vela configuration that a board names."""
    parser = configparser.ConfigParser()
    file = path.parent / settings.vela_config
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"board {path}: vela_config: cannot be read: {error}") from None
    except configparser.Error as error:
        raise InputError(f"board {path}: vela_config: {' '.join(str(error).split())}") from None
    found: _Sections = {}
    for key, name in (
        ("system_config", f"System_Config.{settings.system_config}"),
        ("memory_mode", f"Memory_Mode.{settings.memory_mode}"),
    ):
        if name not in parser:
            there = ", ".join(parser.sections())
            raise InputError(f"board {path}: {key}: {file} has no section [{name}]; there are {there}")
        found[name] = {option: _number(value) for option, value in parser[name].items()}
    return found


def _number(text: str) -> Union[float, str]:
    try:
        return float(text)
    except ValueError:
        return text
