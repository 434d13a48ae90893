import shutil
from pathlib import Path

import pytest
import yaml

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from tests.edgeflownas.hardware.tiny import BOARDS, grove

SHIPPED = sorted(path.with_suffix(".yaml").name for path in BOARDS.glob("*.ini"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("grove_vision_ai_v2.yaml", "grove_vision_ai_v2.ini"):
        shutil.copy(str(BOARDS / name), str(tmp_path))
    return tmp_path


def load(folder: Path) -> Board:
    return Board.load(folder / "grove_vision_ai_v2.yaml")


def edit(folder: Path, suffix: str, old: str, new: str) -> None:
    path = folder / f"grove_vision_ai_v2.{suffix}"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_boards_load(name: str) -> None:
    board = Board.load(BOARDS / name)
    assert 1e8 <= board.clock_hz <= 1e9
    assert board.arena_bytes == board.settings.arena_bytes - board.settings.reserved_bytes == 1024 * board.arena_kib


def test_grove_vision_ai_has_the_smallest_arena_of_known_firmware() -> None:
    board = grove()
    assert (board.settings.accelerator, board.arena_kib, board.clock_hz) == ("ethos-u55-64", 1432, 4e8)


def test_reserved_bytes_are_not_available_to_the_network(folder: Path) -> None:
    full = load(folder)
    edit(folder, "yaml", "reserved_bytes: 0", "reserved_bytes: 102400")
    board = load(folder)
    assert board.arena_bytes == full.arena_bytes - 102400
    assert f"--arena-cache-size={board.arena_bytes}" in board.vela_arguments(folder / "board.ini")
    assert full.misfit(1400) is None
    assert board.misfit(1400) == "DOES NOT FIT into the arena of 1332.0 KiB (of 1432.0 KiB, 100.0 are reserved)"
    edit(folder, "yaml", "arena_bytes: 1466368", f"arena_bytes: {1466368 + 102400}")
    assert load(folder).description() == full.description()  # the network has as much as before


def test_description_contains_all_that_affects_a_compile(folder: Path) -> None:
    before = load(folder).description()
    for suffix, old, new in (
        ("yaml", "ethos-u55-64", "ethos-u55-32"),
        ("yaml", "optimise: Performance", "optimise: Size"),
        ("yaml", "1466368", "1466369"),
        ("yaml", "int8_io: true", "int8_io: false"),
        ("yaml", "reserved_bytes: 0", "reserved_bytes: 1"),
        ("ini", "clock_scale=0.015625", "clock_scale=0.125"),
        ("ini", "cache_mem_area=Axi0", "cache_mem_area=Axi1"),
    ):
        edit(folder, suffix, old, new)
        assert load(folder).description() != before, new
        edit(folder, suffix, new, old)
    edit(folder, "ini", "400e6", "400000000.0")
    assert load(folder).description() == before


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        ("yaml", "accelerator: ethos-u55-64", "", "accelerator: is missing"),
        ("yaml", "arena_bytes: 1466368", "arena_bytes: -1", "arena_bytes: should be greater than 0"),
        ("yaml", "reserved_bytes: 0", "reserved_bytes: -1", "reserved_bytes: should be greater than or equal to 0"),
        ("yaml", "reserved_bytes: 0", "reserved_bytes: 1466368", "reserved_bytes: leaves nothing"),
        ("yaml", "optimise: Performance", "optimise: Fast", "optimise: should be 'Size' or 'Performance'"),
        ("yaml", "name:", "colour: red\nname:", "colour: no such key"),
        ("yaml", "system_config: Grove", "system_config: Other", "no section .System_Config.Other.*its sections are"),
        ("yaml", "grove_vision_ai_v2.ini", "gone.ini", "vela_config: .*gone.ini cannot be read"),
        ("ini", "[System", "System", "vela_config: .*no section headers"),
    ],
)
def test_invalid_board_is_rejected_with_the_key(folder: Path, suffix: str, old: str, new: str, message: str) -> None:
    edit(folder, suffix, old, new)
    with pytest.raises(InputError, match=message):
        load(folder)


def test_own_options_override_inherited_options(folder: Path) -> None:
    edit(folder, "ini", "[Memory_Mode.Shared_Sram]\n", "[Memory_Mode.Shared_Sram]\ninherit=Memory_Mode.Base\n")
    with pytest.raises(InputError, match=r"\[Memory_Mode.Base\], from which another section inherits, is missing"):
        load(folder)
    path = folder / "grove_vision_ai_v2.ini"
    path.write_text(path.read_text() + "\n[Memory_Mode.Base]\ncache_mem_area=Axi1\narena_cache_size=4096\n")
    text = load(folder).vela_config()
    assert "cache_mem_area=Axi0" in text
    assert "arena_cache_size=4096" in text
    assert "inherit" not in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core_clock=400e6\n", "", "core_clock is missing"),
        ("core_clock=400e6", "core_clock=fast", "core_clock must be a positive number, not fast"),
        ("const_mem_area=Axi1\n", "", "const_mem_area is missing"),
    ],
)
def test_incomplete_section_is_rejected(folder: Path, old: str, new: str, message: str) -> None:
    edit(folder, "ini", old, new)
    with pytest.raises(InputError, match=message):
        load(folder)


@pytest.mark.parametrize("name", SHIPPED)
def test_written_vela_configuration_describes_the_same_board(name: str, tmp_path: Path) -> None:
    board = Board.load(BOARDS / name)
    settings = board.settings.model_copy(update={"vela_config": "written.ini"})
    (tmp_path / "written.ini").write_text(board.vela_config())
    (tmp_path / "board.yaml").write_text(yaml.safe_dump(settings.model_dump()))
    assert Board.load(tmp_path / "board.yaml").description() == board.description()


@pytest.mark.parametrize(("name", "memory"), [("grove_vision_ai_v2.yaml", "offchipflash"), ("u65_256.yaml", "dram")])
def test_without_waiting_speeds_up_only_the_memory_of_weights(name: str, memory: str) -> None:
    board = Board.load(BOARDS / name)
    slow, fast = board.description()["vela_config"], board.without_waiting().description()["vela_config"]
    changed = {
        (section, option): value
        for section, options in fast.items()
        for option, value in options.items()
        if slow[section][option] != value
    }
    assert changed == {(f"System_Config.{board.settings.system_config}", f"{memory}_clock_scale"): 1.0}


def test_summary_names_all_that_figures_depend_on() -> None:
    assert grove().summary("5.2.0") == (
        "Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram, Performance, arena 1432.0 KiB, int8 input/output"
    )
