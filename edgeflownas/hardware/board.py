"""A board: its NPU, the clock and memories as Vela needs to know them, and the arena available to the network."""

import configparser
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from pydantic import Field
from typing_extensions import Literal

from edgeflownas.config import Section, read_yaml, validate
from edgeflownas.errors import InputError, find_reason

_Sections = Dict[str, Dict[str, Union[float, str]]]


class BoardFile(Section):
    """The content of a board's file."""

    name: str = Field(min_length=1, description="name of the board in reports")
    accelerator: str = Field(pattern=r"^ethos-u[0-9]+-[0-9]+$", description="Vela's name of the NPU")
    vela_config: str = Field(description="Vela configuration file, in the folder of this file")
    system_config: str = Field(description="section of that file with the clock, buses and memories")
    memory_mode: str = Field(description="section of that file that assigns data to memories")
    optimise: Literal["Size", "Performance"] = Field(
        description="Size: use as little SRAM as possible; Performance: run as fast as possible within the arena"
    )
    arena_bytes: int = Field(gt=0, description="SRAM for the network and for reserved_bytes")
    reserved_bytes: int = Field(
        0,
        ge=0,
        description="part of arena_bytes that the firmware needs for itself: camera frame, previous frame, output",
    )
    int8_io: bool = Field(description="int8 input and output; false: float32, which the CPU converts")


class Board:
    """A board's file and the Vela configuration that it names.

    Attributes:
        path: Path of the board's file.
        settings: Content of the board's file.
    """

    def __init__(self, path: Path, settings: BoardFile, vela_config: _Sections) -> None:
        self.path = path
        self.settings = settings
        self._vela_config = vela_config

    @classmethod
    def load(cls, path: Path) -> "Board":
        """Read a board.

        Raises:
            InputError: A file is missing or lacks required content.
        """
        settings: BoardFile = validate(read_yaml(path, "board"), BoardFile, f"board {path}")
        if settings.reserved_bytes >= settings.arena_bytes:
            raise InputError(
                f"board {path}: reserved_bytes: leaves nothing of the {settings.arena_bytes} arena_bytes to the "
                "network; lower it"
            )
        return cls(path, settings, _read_sections(path, settings))

    @property
    def clock_hz(self) -> float:
        """Clock rate of the NPU, in Hz."""
        return float(self._vela_config[f"System_Config.{self.settings.system_config}"]["core_clock"])

    @property
    def arena_bytes(self) -> int:
        """SRAM available to the network, in bytes: the arena without what the firmware reserves."""
        return self.settings.arena_bytes - self.settings.reserved_bytes

    @property
    def arena_kib(self) -> float:
        """SRAM available to the network, in KiB."""
        return self.arena_bytes / 1024

    def vela_arguments(self, vela_config: Path) -> List[str]:
        """Return Vela's command-line arguments for the board, whose Vela configuration is in the given file."""
        settings = self.settings
        return [
            f"--accelerator-config={settings.accelerator}",
            f"--config={vela_config}",
            f"--system-config={settings.system_config}",
            f"--memory-mode={settings.memory_mode}",
            f"--optimise={settings.optimise}",
            f"--arena-cache-size={self.arena_bytes}",
        ]

    def vela_config(self) -> str:
        """Return the text of the Vela configuration, limited to the sections that apply to this board."""
        lines = []
        for name, options in self._vela_config.items():
            lines += [f"[{name}]", *(f"{key}={_format_value(value)}" for key, value in options.items()), ""]
        return "\n".join(lines)

    def without_waiting(self) -> "Board":
        """Return the same board with weights in a memory as fast as SRAM.

        The cycles that this saves are those spent waiting for weights.
        """
        system_name, memory_name = self._vela_config
        memory = self._vela_config[memory_name]
        port = "axi1_port" if memory["const_mem_area"] == "Axi1" else "axi0_port"
        system = dict(self._vela_config[system_name])
        system[f"{system[port]}_clock_scale"] = 1.0
        return Board(self.path, self.settings, {system_name: system, memory_name: memory})

    def with_settings(self, **changes: Any) -> "Board":
        """Return the same board with some settings changed."""
        return Board(self.path, self.settings.model_copy(update=changes), self._vela_config)

    def summary(self, vela: str) -> str:
        """Return one line for tables and reports with everything that figures depend on, compiler included."""
        settings = self.settings
        return (
            f"Vela {vela}, {settings.accelerator}, {settings.system_config}, {settings.memory_mode}, "
            f"{settings.optimise}, arena {self.arena_kib:.1f} KiB, "
            f"{'int8' if settings.int8_io else 'float32'} input/output"
        )

    def provenance(self, vela: str) -> Dict[str, str]:
        """Return the board, configuration and compiler version that JSON and CSV files record beside figures."""
        settings = self.settings
        return {
            "vela": vela,
            "board": settings.name,
            "accelerator": settings.accelerator,
            "system_config": settings.system_config,
            "memory_mode": settings.memory_mode,
            "optimise": settings.optimise,
            "arena_bytes": str(self.arena_bytes),
        }

    def misfit(self, sram_kib: float) -> Optional[str]:
        """Return a remark if a network with this SRAM peak does not fit into the arena, and None if it fits."""
        if sram_kib <= self.arena_kib:
            return None
        reserved = self.settings.reserved_bytes / 1024
        reason = f" (of {self.settings.arena_bytes / 1024:.1f} KiB, {reserved:.1f} are reserved)" if reserved else ""
        return f"DOES NOT FIT into the arena of {self.arena_kib:.1f} KiB{reason}"

    def description(self) -> Dict[str, Any]:
        """Return everything that affects a compile: the settings and the Vela sections that they name."""
        settings = self.settings.model_dump(exclude={"vela_config", "reserved_bytes"})
        settings["arena_bytes"] = self.arena_bytes
        sections = {
            name: {option.lower(): value for option, value in options.items()}
            for name, options in self._vela_config.items()
        }
        return {**settings, "vela_config": sections}


class _Parser(configparser.ConfigParser):
    """A parser whose option names are case-sensitive, as in Vela."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _read_sections(path: Path, settings: BoardFile) -> _Sections:
    """Read the two sections of the Vela configuration that a board names."""
    parser = _Parser()
    file = path.parent / settings.vela_config
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"board {path}: vela_config: {file} cannot be read: {find_reason(error)}") from None
    except configparser.Error as error:
        raise InputError(f"board {path}: vela_config: {' '.join(str(error).split())}") from None
    sections: _Sections = {}
    system, memory = f"System_Config.{settings.system_config}", f"Memory_Mode.{settings.memory_mode}"
    for key, name in (("system_config", system), ("memory_mode", memory)):
        if name not in parser:
            available = ", ".join(parser.sections())
            raise InputError(f"board {path}: {key}: {file} has no section [{name}]; its sections are {available}")
        sections[name] = _resolve_options(parser, name, f"board {path}: {key}: {file}")
    _check_options(sections[system], ["core_clock"], ["axi0_port", "axi1_port"], f"board {path}: {file}: [{system}]")
    _check_options(sections[memory], [], ["const_mem_area"], f"board {path}: {file}: [{memory}]")
    return sections


def _resolve_options(parser: configparser.ConfigParser, name: str, source: str) -> Dict[str, Union[float, str]]:
    """Return a section's options, including those inherited from other sections, as Vela reads them."""
    options: Dict[str, Union[float, str]] = {}
    seen = set()
    while name not in seen:
        seen.add(name)
        if name not in parser:
            raise InputError(f"{source}: section [{name}], from which another section inherits, is missing")
        options = {**{option: _parse_value(value) for option, value in parser[name].items()}, **options}
        name = str(options.pop("inherit", name))
    return options


def _check_options(
    options: Dict[str, Union[float, str]], numbers: Sequence[str], words: Sequence[str], source: str
) -> None:
    for key in (*numbers, *words):
        if key not in options:
            raise InputError(f"{source}: {key} is missing")
        if key in numbers and not (isinstance(options[key], float) and float(options[key]) > 0):
            raise InputError(f"{source}: {key} must be a positive number, not {options[key]}")


def _format_value(value: Union[float, str]) -> str:
    """Format an option for Vela, which accepts whole numbers only without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parse_value(text: str) -> Union[float, str]:
    try:
        return float(text)
    except ValueError:
        return text
