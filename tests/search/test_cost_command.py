import json
import re
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


def test_layers_are_those_of_the_network_and_add_up() -> None:
    (found,) = json.loads(show("000000000", "--layers", "--json"))
    stages = ["E0", "E1", "EB0", "Down1", "EB1", "Down2", "DB0", "Up1", "DB1", "Up2", "H1", "H2"]
    stages += ["H2Out", "H1Out", "H0Out", "accumulation"]
    assert [part["name"] for part in found["parts"]] == stages
    assert sum(part["cycles"] for part in found["parts"]) == found["cycles"]
    waiting = {part["name"]: part["waiting"] for part in found["parts"]}
    assert max(waiting, key=lambda name: waiting[name]) == "DB0"  # the largest weights, on the smallest map
    text = show("000000000", "--layers")
    assert "Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram, Performance" in text
    assert all(stage in text for stage in stages)


def test_difference_of_two_architectures_is_where_they_differ() -> None:
    rows = [line.split() for line in show("000000000", "002000000", "--layers").splitlines() if line.strip()]
    lines = {row[0]: row for row in rows}
    assert len(lines["DB0"]) == 5  # both, the difference, and what of it is waiting
    assert int(lines["DB0"][3].replace(",", "")) > int(lines["DB0"][4].replace(",", "")) > 0
    assert len(lines["EB0"]) == 3


def test_layers_of_three_are_wrong_usage() -> None:
    with pytest.raises(SystemExit):
        show("000000000", "100000000", "200000000", "--layers")


def test_show_names_the_weights_and_the_compiler() -> None:
    text = " ".join(show("000000000").split())
    assert "Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram, Performance" in text
    assert re.search("table of (random weights|the weights [0-9a-f]{12})", text)


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
