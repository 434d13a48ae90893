from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.build import SRAM_PEAK, build_tables, combine_options, find_interactions
from edgeflownas.hardware.compiler import CacheEntry, Compiler
from edgeflownas.hardware.cost import CostPredictor, CostTable, Figures, prediction_errors, single_changes
from edgeflownas.hardware.networks import Networks, random_network
from edgeflownas.hardware.report import CompiledLayer
from edgeflownas.network.space import Architecture
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, VELA, WIDTH, grove
from tests.search.stand_ins import space_of

NETWORKS = Networks(TINY, HEIGHT, WIDTH)
SPACE = space_of((3, 3, 3, 2), backbone=2)


def layer(name: str, cycles: int) -> CompiledLayer:
    return CompiledLayer(
        operator="Conv2D", name=f"{name}/Relu", target="NPU", cycles=cycles, npu_cycles=cycles, macs=1,
        utilisation=50.0, sram_bytes=1024, flash_cycles=0, dram_cycles=0,
    )  # fmt: skip


def like_the_compiler(architecture: Architecture) -> CacheEntry:
    """Four parts; the third waits for flash by what it and the second are; the peak hangs on the third and fourth."""
    a, b, c, d = architecture
    waiting = [[0, 50, 700], [0, 30, 90], [10, 0, 5000]][b][c]
    parts = {"A": 1000 * (a + 1), "B": 2000 * (b + 1), "C": 3000 * (c + 1) + waiting, "D": 4000 * (d + 1)}
    sram = [[100.0, 90.0], [120.0, 80.0], [70.0, 130.0]][c][d]
    layers = [layer(name, cycles) for name, cycles in parts.items()]
    total = sum(parts.values())
    return CacheEntry(figures=Figures(npu_cycles=total - waiting, cycles=total, sram_kib=sram), layers=layers)


def compiled(architectures: List[Architecture]) -> Dict[Architecture, CacheEntry]:
    return {architecture: like_the_compiler(architecture) for architecture in architectures}


def test_genes_that_meet_are_found_and_their_combinations_make_predictions_exact() -> None:
    singles = single_changes(SPACE.counts)
    groups = find_interactions(SPACE, compiled(singles))
    assert groups == {(1, 2, 3): ["C", SRAM_PEAK]}
    together = combine_options(SPACE, groups, 40)
    assert len(together) == len(set(together)) == 3 * 3 * 2 - 6
    everything = {a: entry.figures for a, entry in compiled(list(SPACE.all())).items()}
    predictor = CostPredictor(SPACE.counts, {a: everything[a] for a in singles + together})
    assert all(error.max == 0.0 for error in prediction_errors(predictor, everything).values())
    without = CostPredictor(SPACE.counts, {a: everything[a] for a in singles})
    assert prediction_errors(without, everything)["cycles"].max > 1


def test_genes_that_only_touch_their_own_parts_do_not_meet() -> None:
    def additive(architecture: Architecture) -> CacheEntry:
        layers = [layer(name, 1000 * (option + 1)) for name, option in zip("ABCD", architecture)]
        total = sum(each.cycles for each in layers)
        return CacheEntry(figures=Figures(npu_cycles=total, cycles=total, sram_kib=10.0), layers=layers)

    assert find_interactions(SPACE, {a: additive(a) for a in single_changes(SPACE.counts)}) == {}


@pytest.mark.parametrize("most", [0, 5, 12, 100])
def test_few_combinations_are_those_of_fewest_genes(most: int) -> None:
    found = combine_options(SPACE, {(1, 2, 3): []}, most)
    changes = [sum(option > 0 for option in each) for each in found]
    assert len(found) == min(most, 12)
    assert changes == sorted(changes)
    assert all(change > 1 for change in changes)
    assert all(each[0] == 0 for each in found)


def test_separate_groups_are_not_combined() -> None:
    found = combine_options(SPACE, {(0, 1): [], (2, 3): []}, 100)
    assert found and all(any(each[:2]) != any(each[2:]) for each in found)


def test_tables_from_the_real_compiler_predict_the_rest_of_the_space(tmp_path: Path) -> None:
    first = Compiler(grove(), VELA, 120.0, tmp_path / "cache")
    compilers = [first, first.for_board(Board.load(BOARDS / "u65_256.yaml"))]
    tables = build_tables(compilers, NETWORKS, checks=1, jobs=1, command="made by a test")
    for table, compiler in zip(tables, compilers):
        content = table.content
        assert list(content.compiled)[:4] == ["00", "10", "20", "01"]
        (checked,) = content.held_out
        assert checked in ("11", "21")
        origin = content.origin
        assert (origin.vela, origin.tensorflow, origin.weights) == ("5.2.0", "1.15.0", "random")
        assert content.error_percent["npu_cycles"].max == 0.0
        table.save(tmp_path / "table.yaml")
        again = CostTable.load(tmp_path / "table.yaml")
        again.check(TINY, HEIGHT, WIDTH)
        again.check_board(compiler.board)
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")}
    again_built = build_tables(compilers[:1], NETWORKS, checks=1, jobs=1, command="made by a test")
    assert again_built[0].content.compiled == tables[0].content.compiled
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")} == entries


def test_failed_compile_ends_the_build_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "vela"
    broken.write_text("#!/bin/bash\n[ $1 = --version ] && echo 5.2.0 || { echo 'Error: no'; exit 1; }\n")
    broken.chmod(0o755)
    compiler = Compiler(grove(), str(broken), 120.0, tmp_path / "cache")
    with pytest.raises(InputError, match="was not compiled for Grove Vision AI V2 .exit code 1: Error: no"):
        build_tables([compiler], NETWORKS, checks=1, jobs=1, command="made by a test")


def test_more_checks_than_architectures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(Board.load(grove().path), VELA, 120.0, tmp_path)
    known: Callable[..., CacheEntry] = lambda *_: like_the_compiler((0, 0, 0, 0))  # noqa: E731
    monkeypatch.setattr(Compiler, "find_cached", known)
    with pytest.raises(InputError, match="--checks 3: the space has only 2 other"):
        build_tables([compiler], NETWORKS, checks=3, jobs=1, command="made by a test")


def test_table_names_the_weights_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiler, "find_cached", lambda *_: like_the_compiler((0, 0, 0, 0)))
    compiler = Compiler(grove(), VELA, 120.0, tmp_path)
    networks = [
        Networks(TINY, HEIGHT, WIDTH, random_network(TINY, HEIGHT, WIDTH)._replace(weights={"a": np.full(3, value)}))
        for value in (1.0, 2.0)
    ]
    monkeypatch.setattr(Networks, "key", lambda *_: {})
    digests = [build_tables([compiler], each, 1, 1, "").pop().content.origin.weights for each in networks]
    assert len(set(digests)) == 2
    assert all(len(digest) == 64 for digest in digests)

