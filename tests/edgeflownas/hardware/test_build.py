from pathlib import Path
from typing import Dict, List

import numpy as np
import pytest
from importlib_metadata import version

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.build import SRAM_PEAK, build_tables, combine_options, find_interactions
from edgeflownas.hardware.cache import CacheEntry
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostPredictor, CostTable, Figures, prediction_errors, single_changes
from edgeflownas.hardware.networks import Networks, random_network
from edgeflownas.hardware.report import CompiledLayer
from edgeflownas.network.space import Architecture
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, VELA, WIDTH, grove
from tests.search.stand_ins import space_of

NETWORKS = Networks(TINY, HEIGHT, WIDTH)
SPACE = space_of((3, 3, 3, 2), backbone=2)


def make_layer(name: str, cycles: int) -> CompiledLayer:
    return CompiledLayer(
        operator="Conv2D", name=f"{name}/Relu", target="NPU", cycles=cycles, npu_cycles=cycles, macs=1,
        utilisation=50.0, sram_bytes=1024, flash_cycles=0, dram_cycles=0,
    )  # fmt: skip


def made_up_entry(architecture: Architecture) -> CacheEntry:
    """Return made-up figures with interactions.

    There are four parts. The waiting of the third part depends on the second and third gene, the SRAM peak on the third
    and fourth.
    """
    a, b, c, d = architecture
    waiting = [[0, 50, 700], [0, 30, 90], [10, 0, 5000]][b][c]
    parts = {"A": 1000 * (a + 1), "B": 2000 * (b + 1), "C": 3000 * (c + 1) + waiting, "D": 4000 * (d + 1)}
    sram = [[100.0, 90.0], [120.0, 80.0], [70.0, 130.0]][c][d]
    layers = [make_layer(name, cycles) for name, cycles in parts.items()]
    total = sum(parts.values())
    return CacheEntry(figures=Figures(npu_cycles=total - waiting, cycles=total, sram_kib=sram), layers=layers)


def compiled(architectures: List[Architecture]) -> Dict[Architecture, CacheEntry]:
    return {architecture: made_up_entry(architecture) for architecture in architectures}


def test_combinations_of_interacting_genes_make_predictions_exact() -> None:
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


def test_genes_that_change_only_their_own_parts_do_not_interact() -> None:
    def additive(architecture: Architecture) -> CacheEntry:
        layers = [make_layer(name, 1000 * (option + 1)) for name, option in zip("ABCD", architecture)]
        total = sum(layer.cycles for layer in layers)
        return CacheEntry(figures=Figures(npu_cycles=total, cycles=total, sram_kib=10.0), layers=layers)

    assert find_interactions(SPACE, {a: additive(a) for a in single_changes(SPACE.counts)}) == {}


@pytest.mark.parametrize("most", [0, 5, 12, 100])
def test_limited_combinations_are_those_with_the_fewest_genes(most: int) -> None:
    combined = combine_options(SPACE, {(1, 2, 3): []}, most)
    changes = [sum(option > 0 for option in architecture) for architecture in combined]
    assert len(combined) == min(most, 12)
    assert changes == sorted(changes)
    assert all(change > 1 for change in changes)
    assert all(architecture[0] == 0 for architecture in combined)


def test_separate_groups_are_not_combined() -> None:
    combined = combine_options(SPACE, {(0, 1): [], (2, 3): []}, 100)
    assert combined and all(any(architecture[:2]) != any(architecture[2:]) for architecture in combined)


def test_tables_of_the_real_compiler_predict_the_rest_of_the_space(tmp_path: Path) -> None:
    first = Compiler(grove(), VELA, 120.0, tmp_path / "cache")
    compilers = [first, first.for_board(Board.load(BOARDS / "u65_256.yaml"))]
    tables = build_tables(compilers, NETWORKS, checks=1, jobs=1, command="made by a test")
    for table, compiler in zip(tables, compilers):
        content = table.content
        assert list(content.compiled)[:4] == ["00", "10", "20", "01"]
        (checked,) = content.held_out
        assert checked in ("11", "21")
        origin = content.origin
        assert (origin.vela, origin.tensorflow, origin.weights) == ("5.2.0", version("tensorflow"), "random")
        assert content.error_percent["npu_cycles"].max == 0.0
        table.save(tmp_path / "table.yaml")
        again = CostTable.load(tmp_path / "table.yaml")
        again.check(TINY, HEIGHT, WIDTH)
        again.check_board(compiler.board)
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")}
    again_built = build_tables(compilers[:1], NETWORKS, checks=1, jobs=1, command="made by a test")
    assert again_built[0].content.compiled == tables[0].content.compiled
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")} == entries


def test_failed_compile_ends_the_build_with_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "vela"
    broken.write_text("#!/bin/bash\n[ $1 = --version ] && echo 5.2.0 || { echo 'Error: no'; exit 1; }\n")
    broken.chmod(0o755)
    compiler = Compiler(grove(), str(broken), 120.0, tmp_path / "cache")
    with pytest.raises(InputError, match="was not compiled for Grove Vision AI V2 .exit code 1: Error: no"):
        build_tables([compiler], NETWORKS, checks=1, jobs=1, command="made by a test")


def test_more_checks_than_architectures_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(Board.load(grove().path), VELA, 120.0, tmp_path)
    monkeypatch.setattr(Compiler, "find_cached", lambda *_: made_up_entry((0, 0, 0, 0)))
    with pytest.raises(InputError, match="--checks 3: the space has only 2 other"):
        build_tables([compiler], NETWORKS, checks=3, jobs=1, command="made by a test")


def test_table_records_the_digest_of_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiler, "find_cached", lambda *_: made_up_entry((0, 0, 0, 0)))
    compiler = Compiler(grove(), VELA, 120.0, tmp_path)
    variants = [
        Networks(TINY, HEIGHT, WIDTH, random_network(TINY, HEIGHT, WIDTH)._replace(weights={"a": np.full(3, value)}))
        for value in (1.0, 2.0)
    ]
    monkeypatch.setattr(Networks, "key", lambda *_: {})
    digests = [build_tables([compiler], networks, 1, 1, "").pop().content.origin.weights for networks in variants]
    assert len(set(digests)) == 2
    assert all(len(digest) == 64 for digest in digests)

