import shutil
from pathlib import Path

import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from tests.edgeflownas.hardware.tiny import BOARDS, grove

SHIPPED = ["grove_vision_ai_v2.yaml", "u55_128_high_end_embedded.yaml", "u65_256.yaml"]


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
def test_shipped_boards_can_be_read(name: str) -> None:
    board = Board.load(BOARDS / name)
    assert 1e8 <= board.clock_hz <= 1e9
    assert board.arena_kib == board.settings.arena_bytes / 1024


def test_grove_vision_ai_is_what_its_maker_says() -> None:
    board = grove()
    assert (board.settings.accelerator, board.settings.arena_bytes, board.clock_hz) == ("ethos-u55-64", 1730150, 4e8)


def test_everything_that_bears_on_a_compile_is_in_the_description(folder: Path) -> None:
    before = load(folder).description()
    for suffix, old, new in (
        ("yaml", "ethos-u55-64", "ethos-u55-32"),
        ("yaml", "optimise: Performance", "optimise: Size"),
        ("yaml", "1730150", "1730151"),
        ("yaml", "int8_io: true", "int8_io: false"),
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
        ("yaml", "arena_bytes: 1730150", "arena_bytes: -1", "arena_bytes: should be greater than 0"),
        ("yaml", "optimise: Performance", "optimise: Fast", "optimise: should be 'Size' or 'Performance'"),
        ("yaml", "name:", "colour: red\nname:", "colour: no such key"),
        ("yaml", "system_config: Grove", "system_config: Other", "no section .System_Config.Other.*there are System"),
        ("yaml", "grove_vision_ai_v2.ini", "gone.ini", "vela_config: cannot be read"),
        ("ini", "[System", "System", "vela_config: .*no section headers"),
    ],
)
def test_wrong_board_is_refused_by_key(folder: Path, suffix: str, old: str, new: str, message: str) -> None:
    edit(folder, suffix, old, new)
    with pytest.raises(InputError, match=message):
        load(folder)
