import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import pytest
from click.testing import CliRunner
from rich.console import Console

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable, Figures
from edgeflownas.hardware.layers import Part
from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint
from search.commands import layer_view
from search.commands.cost import command
from search.commands.layer_view import LayerView
from search.run import Run
from tests.small import weights_for
from tests.terminal import make_runner

CONFIG = ["--config", "configs/demo.yaml"]
GROVE = {
    "vela": "5.2.0",
    "board": "Grove Vision AI V2",
    "accelerator": "ethos-u55-64",
    "system_config": "Grove_Vision_AI_V2",
    "memory_mode": "Shared_Sram",
}


@pytest.fixture(autouse=True)
def project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("configs/*.yaml")), ids=lambda path: path.name)
def test_shipped_configuration_has_a_cost_table(path: Path) -> None:
    table, _ = Run.open(path).cost_table()  # for its network, size and board
    assert table.content.error_percent["cycles"].max < 1


def show(*arguments: str) -> str:
    result = make_runner().invoke(command, ["show", *CONFIG, *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_show_prints_figures_with_source_and_board() -> None:
    text = show("000000000", "222222222")
    assert "Grove Vision AI V2, c = 8, 64x96; arena 1432.0 KiB" in text
    assert "compiled" in text
    assert "predicted" in text


def test_layers_match_the_network_and_add_up() -> None:
    (record,) = json.loads(show("000000000", "--layers", "--json"))
    stages = ["E0", "E1", "EB0", "Down1", "EB1", "Down2", "DB0", "Up1", "DB1", "Up2", "H1", "H2"]
    stages += ["H2Out", "H1Out", "H0Out", "accumulation"]
    assert [part["name"] for part in record["parts"]] == stages
    assert sum(part["cycles"] for part in record["parts"]) == record["cycles"]
    waiting = {part["name"]: part["waiting"] for part in record["parts"]}
    assert max(waiting, key=lambda name: waiting[name]) == "DB0"  # the largest weights, on the smallest map
    assert {name: record[name] for name in GROVE} == GROVE
    text = show("000000000", "--layers")
    assert "Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram, Performance" in text
    assert all(stage in text for stage in stages)


def test_comparison_shows_differences_only_in_parts_that_differ() -> None:
    rows = [line.split() for line in show("000000000", "002000000", "--layers").splitlines() if line.strip()]
    lines = {row[0]: row for row in rows}
    assert len(lines["DB0"]) == 7  # both, the difference, the waiting part of it, share and MAC use
    assert int(lines["DB0"][3].replace(",", "")) > int(lines["DB0"][4].replace(",", "")) > 0
    assert len(lines["EB0"]) == 5
    assert float(lines["DB0"][5].rstrip("%")) > float(lines["EB0"][3].rstrip("%"))
    assert 0 < float(lines["DB0"][6]) < 100


def test_comparison_of_large_networks_fits_80_columns() -> None:
    part = Part("accumulation", 40_123_456, 0.999, 10**9, 99.9, 1234.5, 30_123_456, 0)
    small = replace(part, cycles=10_000_000, waiting=0, sram_kib=1.0)
    figures = Figures(npu_cycles=99_123_456, cycles=99_123_456, sram_kib=1689.6)
    console = Console(file=io.StringIO(), width=80)
    views = [LayerView(figures, [small]), LayerView(figures, [part])]
    with console.capture() as capture:
        console.print(layer_view.render_comparison(["000000000", "222222222"], views))
    text = capture.get()
    for word in ("40,123,456", "+30,123,456", "99.9%", "+1233.5", "000000000", "difference", "SRAM KiB", "MAC %"):
        assert word in text, word
    assert "…" not in text and all(len(line) <= 80 for line in text.splitlines())


def test_layers_of_three_architectures_are_refused() -> None:
    with pytest.raises(SystemExit):
        show("000000000", "100000000", "200000000", "--layers")


def test_show_names_the_weights_and_the_compiler() -> None:
    text = " ".join(show("000000000").split())
    assert "Vela 5.2.0, ethos-u55-64, Grove_Vision_AI_V2, Shared_Sram, Performance" in text
    assert re.search("table of (random weights|the weights [0-9a-f]{12})", text)


def test_show_prints_json() -> None:
    records: List[Any] = json.loads(show("000000000", "222222222", "--json"))
    assert [record["architecture"] for record in records] == ["000000000", "222222222"]
    assert [record["source"] for record in records] == ["compiled", "predicted"]
    assert records[0]["fps"] > records[1]["fps"]
    for record in records:
        assert {name: record[name] for name in GROVE} == GROVE
        assert record["fits"] is True


def test_figures_for_other_weights_are_predictions(tmp_path: Path) -> None:
    path = tmp_path / "supernet.h5"
    checkpoint.save(path, weights_for(default_skeleton(8)), {})
    for change in (f"supernet={path}", f"supernet={tmp_path / 'none.h5'}", "hardware.vela_version=3.8.0"):
        (record,) = json.loads(show("000000000", "--json", "--set", change))
        assert record["source"] == "predicted", change


@pytest.fixture
def small_arena(tmp_path: Path) -> List[str]:
    """Return settings for the same board with a smaller arena, and its cost table."""
    folder = tmp_path / "board"
    shutil.copytree("configs/hardware", str(folder))
    board = folder / "grove_vision_ai_v2.yaml"
    board.write_text(board.read_text().replace("1466368", "131072"))
    table = CostTable.load(folder / "demo_grove_c8_64x96.yaml").content
    CostTable(table.model_copy(update={"board": Board.load(board).description()})).save(folder / "table.yaml")
    return ["--set", f"hardware.board={board}", "--set", f"hardware.table={folder / 'table.yaml'}"]


def test_network_that_exceeds_the_arena_is_named(small_arena: List[str]) -> None:
    assert "000000000 DOES NOT FIT into the arena of 128.0 KiB" in show("000000000", *small_arena)
    assert json.loads(show("000000000", "--json", *small_arena))[0]["fits"] is False
    assert "DOES NOT FIT" not in show("000000000")


def test_reserved_memory_is_not_available_to_the_network(small_arena: List[str], tmp_path: Path) -> None:
    board = tmp_path / "board" / "grove_vision_ai_v2.yaml"
    text = board.read_text()
    # The camera needs 1 MiB, and 128 KiB remain: the same figures and the same table apply.
    board.write_text(
        text.replace("arena_bytes: 131072", f"arena_bytes: {131072 + (1 << 20)}").replace(
            "reserved_bytes: 0", f"reserved_bytes: {1 << 20}"
        )
    )
    shown = show("000000000", *small_arena)
    assert "DOES NOT FIT into the arena of 128.0 KiB (of 1152.0 KiB, 1024.0 are reserved)" in " ".join(shown.split())
    assert json.loads(show("000000000", "--json", *small_arena))[0]["fits"] is False


def test_build_for_another_board_does_not_overwrite_the_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--board .*u65_256.yaml: name the file of its table with --output"):
        arguments = ["build", *CONFIG, "--run", str(tmp_path), "--board", "configs/hardware/u65_256.yaml"]
        CliRunner().invoke(command, [*arguments, "--set", "hardware.vela=nowhere"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["00000000"], "architecture '00000000': must be 9 digits"),
        (
            ["000000000", "--set", "network.width=16"],
            "cost table is for a different network: width is 8 in the table and 16 in this run",
        ),
        (
            ["000000000", "--set", "hardware.board=configs/hardware/u65_256.yaml"],
            "cost table is for a different board: name is Grove",
        ),
        (["000000000", "--set", "hardware.table=none.yaml"], "none.yaml: no such file; build it with `edge"),
        (["000000000", "--set", "hardware.table=configs/demo.yaml"], "configs/demo.yaml: is not a cost table"),
        (["000000000", "--compile", "--set", "hardware.vela=nowhere"], "vela nowhere: no such program"),
    ],
)
def test_mismatch_is_reported_in_one_line(arguments: List[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        show(*arguments)
