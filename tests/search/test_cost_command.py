import json
from pathlib import Path
from typing import Any, List

import pytest
from click.testing import CliRunner

from edgeflownas.errors import InputError
from search.commands.cost import command

CONFIG = ["--config", "configs/demo.yaml"]


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def show(*arguments: str) -> str:
    result = CliRunner().invoke(command, ["show", *CONFIG, *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_show_gives_figures_with_their_source_and_board() -> None:
    text = show("000000000", "222222222")
    assert "Grove Vision AI V2, c = 8, 64x96; arena 1689.6 KiB" in text
    assert "compiled" in text
    assert "predicted" in text


def test_show_as_json_is_the_table_s_word() -> None:
    found: List[Any] = json.loads(show("000000000", "222222222", "--json"))
    assert [record["architecture"] for record in found] == ["000000000", "222222222"]
    assert [record["source"] for record in found] == ["compiled", "predicted"]
    assert found[0]["fps"] > found[1]["fps"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["00000000"], "architecture '00000000': must be 9 digits"),
        (
            ["000000000", "--set", "network.width=16"],
            "cost table is for another network: width is 8 there, and 16 here",
        ),
        (
            ["000000000", "--set", "hardware.board=configs/hardware/u65_256.yaml"],
            "cost table is for another board: name is Grove",
        ),
        (["000000000", "--set", "hardware.table=configs/demo.yaml"], "configs/demo.yaml: is not a cost table"),
        (["000000000", "--compile", "--set", "hardware.vela=nowhere"], "vela nowhere: no such program"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments: List[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        show(*arguments)
