"""A board: the NPU, its clock and memories as Vela has to know them, and the arena that the network may use."""

import configparser
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

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
    def clock_hz(self) -> float:
        """The NPU's clock rate."""
        return float(self._vela_config[f"System_Config.{self.settings.system_config}"]["core_clock"])

    @property
    def arena_kib(self) -> float:
        """SRAM that the network may use, KiB."""
        return self.settings.arena_bytes / 1024

    def arguments(self, vela_config: Path) -> List[str]:
        """What Vela is told about the board, its configuration being in that file."""
        settings = self.settings
        return [
            f"--accelerator-config={settings.accelerator}",
            f"--config={vela_config}",
            f"--system-config={settings.system_config}",
            f"--memory-mode={settings.memory_mode}",
            f"--optimise={settings.optimise}",
            f"--arena-cache-size={settings.arena_bytes}",
        ]

    def vela_config(self) -> str:
        """The Vela configuration, and nothing but what bears on this board."""
        lines = []
        for name, options in self._vela_config.items():
            lines += [f"[{name}]", *(f"{key}={_text(value)}" for key, value in options.items()), ""]
        return "\n".join(lines)

    def without_waiting(self) -> "Board":
        """The same board, with weights in a memory that is as fast as SRAM: what it saves was spent waiting."""
        system_name, memory_name = self._vela_config
        memory = self._vela_config[memory_name]
        port = "axi1_port" if memory["const_mem_area"] == "Axi1" else "axi0_port"
        system = dict(self._vela_config[system_name])
        system[f"{system[port]}_clock_scale"] = 1.0
        return Board(self.path, self.settings, {system_name: system, memory_name: memory})

    def with_settings(self, **changes: Any) -> "Board":
        """The same board with some settings changed."""
        return Board(self.path, self.settings.model_copy(update=changes), self._vela_config)

    def summary(self, vela: str) -> str:
        """One line for tables and reports: everything that figures hang on, and the compiler's version."""
        settings = self.settings
        return (
            f"Vela {vela}, {settings.accelerator}, {settings.system_config}, {settings.memory_mode}, "
            f"{settings.optimise}, arena {self.arena_kib:.1f} KiB, {'int8' if settings.int8_io else 'float32'} ends"
        )

    def provenance(self, vela: str) -> Dict[str, str]:
        """What stands beside figures in JSON and CSV files: board, configuration, and version of the compiler."""
        settings = self.settings
        return {
            "vela": vela,
            "board": settings.name,
            "accelerator": settings.accelerator,
            "system_config": settings.system_config,
            "memory_mode": settings.memory_mode,
        }

    def misfit(self, sram_kib: float) -> Optional[str]:
        """That a network with this peak does not fit into the arena, in words; None: it does."""
        if sram_kib <= self.arena_kib:
            return None
        return f"DOES NOT FIT into the arena of {self.arena_kib:.1f} KiB"

    def description(self) -> Dict[str, Any]:
        """All that bears on a compile: the settings, and the sections of the Vela configuration that they name."""
        settings = self.settings.model_dump(exclude={"vela_config"})
        sections = {
            name: {option.lower(): value for option, value in options.items()}
            for name, options in self._vela_config.items()
        }
        return {**settings, "vela_config": sections}


class _Parser(configparser.ConfigParser):
    """Reads options as Vela does, to which upper and lower case are different."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _sections(path: Path, settings: BoardFile) -> _Sections:
    """The two sections of the Vela configuration that a board names."""
    parser = _Parser()
    file = path.parent / settings.vela_config
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"board {path}: vela_config: cannot be read: {error}") from None
    except configparser.Error as error:
        raise InputError(f"board {path}: vela_config: {' '.join(str(error).split())}") from None
    found: _Sections = {}
    system, memory = f"System_Config.{settings.system_config}", f"Memory_Mode.{settings.memory_mode}"
    for key, name in (("system_config", system), ("memory_mode", memory)):
        if name not in parser:
            there = ", ".join(parser.sections())
            raise InputError(f"board {path}: {key}: {file} has no section [{name}]; there are {there}")
        found[name] = _options(parser, name, f"board {path}: {key}: {file}")
    _check(found[system], ["core_clock"], ["axi0_port", "axi1_port"], f"board {path}: {file}: [{system}]")
    _check(found[memory], [], ["const_mem_area"], f"board {path}: {file}: [{memory}]")
    return found


def _options(parser: configparser.ConfigParser, name: str, source: str) -> Dict[str, Union[float, str]]:
    """A section's options, with those that it inherits from others, as Vela reads it."""
    options: Dict[str, Union[float, str]] = {}
    seen = set()
    while name not in seen:
        seen.add(name)
        if name not in parser:
            raise InputError(f"{source}: [{name}], which another section inherits from, is not there")
        options = {**{option: _number(value) for option, value in parser[name].items()}, **options}
        name = str(options.pop("inherit", name))
    return options


def _check(options: Dict[str, Union[float, str]], numbers: Sequence[str], words: Sequence[str], source: str) -> None:
    for key in (*numbers, *words):
        if key not in options:
            raise InputError(f"{source}: {key} is missing")
        if key in numbers and not (isinstance(options[key], float) and float(options[key]) > 0):
            raise InputError(f"{source}: {key} must be a positive number, not {options[key]}")


def _text(value: Union[float, str]) -> str:
    """An option as Vela reads it, which takes whole numbers without a point only."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(text: str) -> Union[float, str]:
    try:
        return float(text)
    except ValueError:
        return text
