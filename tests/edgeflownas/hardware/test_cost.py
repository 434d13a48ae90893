import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflownas.config import DEFAULT_SPACE
from edgeflownas.errors import InputError
from edgeflownas.hardware import cost as module
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import (
    TOLERANCE,
    CostPredictor,
    CostTable,
    Figures,
    Network,
    Origin,
    PredictionError,
    TableFile,
    prediction_errors,
    single_changes,
)
from edgeflownas.network.definition import read_space
from edgeflownas.network.operations import Conv, Flow
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Architecture, Space
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, WIDTH, grove
from tests.small import NINE_GENES, OTHER_STAGES, make_stage

SHIPPED = {
    "demo_grove_c8_64x96.yaml": (DEFAULT_SPACE, 8, 64, 96),
    "tiny_grove_c4_32x48.yaml": (DEFAULT_SPACE, 4, 32, 48),
    "eleven_genes_grove_c8_64x96.yaml": ("edgeflownet_bilinear_11", 8, 64, 96),
    "original_grove_c8_64x96.yaml": ("edgeflownet", 8, 64, 96),
}


def make_table(
    skeleton: Skeleton, figures: Callable[[Architecture], Figures], held_out: Sequence[Architecture] = ()
) -> CostTable:
    """Make a table from a function that returns an architecture's figures."""
    space = Space.from_skeleton(skeleton)
    return CostTable(
        TableFile(
            origin=Origin(command="test", date="2024-01-01", seconds=1.0, vela="5.2.0", tensorflow="1.15.0"),
            board=grove().description(),
            network=Network.of(skeleton, HEIGHT, WIDTH),
            error_percent={},
            compiled={space.format(a): figures(a) for a in single_changes(space.counts)},
            held_out={space.format(a): figures(a) for a in held_out},
        )
    )


def made_up(architecture: Architecture) -> Figures:
    weights = np.arange(1, len(architecture) + 1)
    cycles = 1000 + int(weights @ np.square(architecture))
    return Figures(npu_cycles=cycles, cycles=cycles + 100 * max(architecture), sram_kib=10.0 + max(architecture))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=1, max_size=4), st.integers(0, 2**32 - 1), st.booleans())
def test_additive_costs_and_compiled_pairs_are_predicted_exactly(
    counts: List[int], seed: int, with_pairs: bool
) -> None:
    rng = np.random.default_rng(seed)
    single = [[0, *rng.integers(1, 1000, count - 1)] for count in counts]
    pair = {
        (i, j): rng.integers(-50, 50, (counts[i], counts[j])) for i, j in itertools.combinations(range(len(counts)), 2)
    }

    def figures(architecture: Architecture) -> Figures:
        cycles = 100_000 + sum(int(single[gene][option]) for gene, option in enumerate(architecture))
        waiting = sum(
            int(extra[architecture[i], architecture[j]])
            for (i, j), extra in pair.items()
            if with_pairs and architecture[i] and architecture[j]
        )
        sram = max(5.0 + gene * option for gene, option in enumerate(architecture))
        return Figures(npu_cycles=cycles, cycles=cycles + waiting, sram_kib=sram)

    everything = list(itertools.product(*map(range, counts)))
    known = set(single_changes(counts))
    if with_pairs:
        known |= {a for a in everything if sum(option > 0 for option in a) == 2}
    predictor = CostPredictor(counts, {a: figures(a) for a in known})
    for architecture in everything:
        assert predictor.figures(architecture) == figures(architecture)


def test_predictor_requires_every_single_change() -> None:
    compiled = {a: made_up(a) for a in single_changes((3, 2))}
    del compiled[2, 0]
    with pytest.raises(ValueError, match="architecture 20 is missing"):
        CostPredictor((3, 2), compiled)


def test_prediction_errors_are_relative_to_the_compiled_figure() -> None:
    compiled = {a: Figures(npu_cycles=100, cycles=100, sram_kib=10.0) for a in single_changes((2, 2))}
    held_out: Dict[Architecture, Figures] = {
        (1, 1): Figures(npu_cycles=80, cycles=100, sram_kib=10.0),
        (0, 1): Figures(npu_cycles=100, cycles=100, sram_kib=20.0),
    }
    errors = prediction_errors(CostPredictor((2, 2), compiled), held_out)
    assert (errors["npu_cycles"].mean, errors["npu_cycles"].max) == (12.5, 25.0)
    assert (errors["cycles"].mean, errors["cycles"].max) == (0.0, 0.0)
    assert (errors["sram_kib"].mean, errors["sram_kib"].max) == (25.0, 50.0)


def test_cost_has_the_right_units_and_source() -> None:
    table = make_table(TINY, lambda a: Figures(npu_cycles=3, cycles=8_000_000, sram_kib=12.0), held_out=[(2, 1)])
    cost = table.cost((1, 1))
    assert (cost.latency_ms, cost.fps) == pytest.approx((20.0, 50.0))
    assert cost.source == "predicted"
    assert table.cost((0, 1)).source == table.cost([2, 1]).source == "compiled"
    assert table.sram_cap_kib == 1432


def test_figures_for_other_weights_or_another_vela_are_predictions() -> None:
    table = make_table(TINY, made_up)
    assert table.for_weights("random", "5.2.0").cost((0, 0)).source == "compiled"
    for weights, vela in (("0" * 64, "5.2.0"), ("random", "3.8.0")):
        other = table.for_weights(weights, vela).cost((0, 0))
        assert other.source == "predicted"
        assert other.latency_ms == table.cost((0, 0)).latency_ms
    assert table.cost((0, 0)).source == "compiled"


def test_excess_errors_are_larger_than_the_recorded_error_and_a_tolerance() -> None:
    table = make_table(TINY, made_up)
    table.content.error_percent.update(
        npu_cycles=PredictionError(mean=0.0, max=0.0),
        cycles=PredictionError(mean=0.1, max=3.0),
        sram_kib=PredictionError(mean=0.0, max=0.0),
    )
    cost = table.cost((1, 1))
    assert table.excess_errors((1, 1), cost) == {}
    assert (table.largest_error("cycles"), table.largest_error("npu_cycles")) == (3 + TOLERANCE, TOLERANCE)
    cases: List[Tuple[float, List[str]]] = [(1.009, []), (1.04, ["npu_cycles"]), (1.05, ["latency_ms", "npu_cycles"])]
    for factor, excess in cases:
        slower = dataclasses.replace(cost, latency_ms=cost.latency_ms * factor, npu_cycles=cost.npu_cycles * factor)
        errors = table.excess_errors((1, 1), slower)
        assert errors == pytest.approx(dict.fromkeys(excess, 100 * (1 - 1 / factor)))


def test_peak_is_that_of_compiled_combinations_and_otherwise_the_highest() -> None:
    peaks = {(0, 0, 0): 10.0, (1, 0, 0): 12.0, (0, 1, 0): 9.0, (0, 0, 1): 10.0}
    compiled: Dict[Architecture, Figures] = {
        a: Figures(npu_cycles=1, cycles=1, sram_kib=peak) for a, peak in peaks.items()
    }
    predictor = CostPredictor((2, 2, 2), compiled)
    assert predictor.figures((1, 1, 1)).sram_kib == 12.0
    assert predictor.figures((0, 1, 1)).sram_kib == 9.0
    compiled[1, 1, 0] = Figures(npu_cycles=1, cycles=1, sram_kib=11.0)
    predictor = CostPredictor((2, 2, 2), compiled)
    assert [predictor.figures((1, 1, c)).sram_kib for c in (0, 1)] == [11.0, 11.0]
    compiled[1, 0, 1] = Figures(npu_cycles=1, cycles=1, sram_kib=11.5)  # now the third gene changes the peak, too
    assert CostPredictor((2, 2, 2), compiled).figures((1, 1, 1)).sram_kib == 11.5


@pytest.mark.parametrize("stages", [NINE_GENES, OTHER_STAGES], ids=["nine genes", "other space"])
def test_table_of_any_space_survives_saving_and_loading(tmp_path: Path, stages: Tuple[Stage, ...]) -> None:
    skeleton = Skeleton(4, stages)
    table = make_table(skeleton, made_up)
    path = tmp_path / "table.yaml"
    table.save(path)
    again = CostTable.load(path)
    again.check(skeleton, HEIGHT, WIDTH)
    again.check_board(grove())
    rng = np.random.default_rng(0)
    for _ in range(20):
        architecture = Space.from_skeleton(skeleton).sample(rng)
        assert again.cost(architecture) == table.cost(architecture)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("cycles: 1000", "cycles: 1001", 1), "damaged .checksum."),
        (lambda text: text.replace("vela: 5.2.0", "vela: 5.1.0"), "damaged .checksum."),
        (lambda text: text[: len(text) // 2], "damaged .checksum.|is not valid YAML"),
        (lambda text: "name: demo\n", "is not a cost table"),
        (lambda text: "[1, 2", "is not valid YAML"),
    ],
)
def test_damaged_table_is_rejected(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    path = tmp_path / "table.yaml"
    make_table(TINY, made_up).save(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        CostTable.load(path)


def first(content: Dict[str, Any]) -> Dict[str, Any]:
    """Return the figures of a table's first architecture."""
    figures: Dict[str, Any] = next(iter(content["compiled"].values()))
    return figures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["board"].update(vela_config=5), "cannot be used"),
        (lambda content: content["board"].clear(), "cannot be used"),
        (lambda content: first(content).update(watts=1), "0.watts: no such key"),
        (lambda content: first(content).update(cycles=1 << 60), "cycles: should be less than"),
    ],
)
def test_invalid_table_with_a_correct_checksum_is_rejected_with_one_line(
    tmp_path: Path, change: Callable[[Dict[str, Any]], Any], message: str
) -> None:
    content, path = make_table(TINY, made_up).content.model_dump(), tmp_path / "table.yaml"
    change(content)
    path.write_text(module._text({**content, "sha256": module._digest(content)}))
    with pytest.raises(InputError, match=message) as error:
        CostTable.load(path)
    assert "\n" not in str(error.value)


def test_error_of_a_missing_table_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file.*cost build"):
        CostTable.load(tmp_path / "table.yaml")


def test_table_for_other_networks_is_rejected_with_the_difference() -> None:
    table = make_table(TINY, made_up)
    more = Skeleton(8, (*TINY.stages[:-1], make_stage("Out", Flow, (3, 5, 7))))
    stem = Skeleton(8, (make_stage("E0", Conv, (5,), width=1, stride=2), *TINY.stages[1:]))
    for skeleton, height, width, difference in (
        (Skeleton(16, TINY.stages), HEIGHT, WIDTH, "width is 8 in the table and 16 in this run"),
        (TINY, 64, WIDTH, "height_px is 32 in the table and 64 in this run"),
        (TINY, HEIGHT, 64, "width_px is 48 in the table and 64 in this run"),
        (more, HEIGHT, WIDTH, "genes.Out is .*5x5"),
        (stem, HEIGHT, WIDTH, "skeleton_sha256 is"),
    ):
        with pytest.raises(InputError, match=f"a different network: {difference}"):
            table.check(skeleton, height, width)
    table.check(TINY, HEIGHT, WIDTH)


def test_table_for_another_board_is_rejected_with_the_difference() -> None:
    with pytest.raises(InputError, match="a different board: name is Grove Vision AI V2 in the table and Ethos-U65"):
        make_table(TINY, made_up).check_board(Board.load(BOARDS / "u65_256.yaml"))
    table = make_table(TINY, made_up)
    table.content.board["name"] = "9" * 10_000
    with pytest.raises(InputError, match="a different board: name is 999") as error:
        table.check_board(grove())
    assert len(str(error.value)) < 500


def test_changed_setting_of_vela_is_named(tmp_path: Path) -> None:
    for suffix in ("yaml", "ini"):
        shutil.copy(BOARDS / f"grove_vision_ai_v2.{suffix}", tmp_path)
    settings = tmp_path / "grove_vision_ai_v2.ini"
    settings.write_text(settings.read_text().replace("core_clock=400e6", "core_clock=200e6"))
    key = r"vela_config\.System_Config\.Grove_Vision_AI_V2\.core_clock"
    with pytest.raises(InputError, match=key + " is 400000000.0 in the table and 200000000.0 in this run"):
        make_table(TINY, made_up).check_board(Board.load(tmp_path / "grove_vision_ai_v2.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tables_match_this_network_and_board(name: str) -> None:
    of, width, *size = SHIPPED[name]
    table, skeleton = CostTable.load(BOARDS / name), Skeleton(width, read_space(of).lay_out())
    table.check(skeleton, *size)
    table.check_board(grove())
    space = Space.from_skeleton(skeleton)
    compiled = {space.parse(text): figures for text, figures in table.content.compiled.items()}
    held_out = {space.parse(text): figures for text, figures in table.content.held_out.items()}
    assert len(compiled) <= 40
    assert len(held_out) >= min(20, space.size - len(compiled))
    assert not set(compiled) & set(held_out)
    assert prediction_errors(CostPredictor(space.counts, compiled), held_out) == table.content.error_percent
    assert table.content.error_percent["cycles"].max <= 0.1


def test_shipped_table_is_plain_yaml() -> None:
    content = yaml.safe_load((BOARDS / "demo_grove_c8_64x96.yaml").read_text())
    assert content["origin"]["vela"] == "5.2.0"
    assert content["board"]["accelerator"] == "ethos-u55-64"
    assert content["origin"]["command"].startswith("edgeflownas-search cost build")
