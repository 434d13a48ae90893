import json
from pathlib import Path
from typing import Any, List, Tuple

import numpy as np
import pytest

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.compiler import Compiler, inspect_for_boards
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.layers import cycles_by_part
from edgeflownas.hardware.networks import Networks, random_network
from edgeflownas.hardware.report import Compiled
from edgeflownas.network.skeleton import Skeleton
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, VELA, WIDTH, grove

Cached = Tuple[Path, Cost]
NETWORKS = Networks(TINY, HEIGHT, WIDTH)


class Counting(Compiler):
    """A compiler that counts its compiles."""

    compiles = 0

    def compile(self, name: str, model: bytes) -> Compiled:
        self.compiles += 1
        return super().compile(name, model)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    """A cache that holds one architecture."""
    folder = tmp_path_factory.mktemp("cache")
    compiler = Counting(grove(), VELA, 120.0, folder)
    cost = compiler.cost(NETWORKS, (1, 0))
    assert compiler.compiles == 1
    return folder, cost


def test_architecture_is_compiled_once(cache: Cached) -> None:
    folder, cost = cache
    again = Counting(grove(), VELA, 120.0, folder)
    assert again.cost(NETWORKS, [1, 0]) == cost
    assert again.compiles == 0
    assert cost.source == "compiled"
    assert cost.fps == pytest.approx(1000 / cost.latency_ms)


def test_cost_equals_the_sum_of_the_layers(cache: Cached) -> None:
    folder, cost = cache
    entry = Counting(grove(), VELA, 120.0, folder).inspect(NETWORKS, (1, 0))
    assert sum(layer.npu_cycles for layer in entry.layers) == cost.npu_cycles
    assert cost.latency_ms == pytest.approx(entry.figures.cycles / 4e5)


def test_cache_key_contains_all_that_affects_the_figures(cache: Cached) -> None:
    folder, _ = cache
    compiler = Compiler(grove(), VELA, 120.0, folder)
    trained = random_network(TINY, HEIGHT, WIDTH)
    assert compiler.find_cached(NETWORKS, (1, 0)) is not None
    others: List[Any] = [
        (Networks(Skeleton(16, TINY.stages), HEIGHT, WIDTH), (1, 0)),
        (NETWORKS, (2, 0)),
        (Networks(TINY, 64, WIDTH), (1, 0)),
        (Networks(TINY, HEIGHT, WIDTH, trained), (1, 0)),
    ]
    for arguments in others:
        assert compiler.find_cached(*arguments) is None
    assert compiler.for_board(Board.load(BOARDS / "u65_256.yaml")).find_cached(NETWORKS, (1, 0)) is None
    assert compiler.for_board(grove().with_settings(optimise="Size")).find_cached(NETWORKS, (1, 0)) is None
    assert compiler.for_board(grove().without_waiting()).find_cached(NETWORKS, (1, 0)) is None


def test_cache_key_depends_only_on_weights_that_the_architecture_uses() -> None:
    trained = random_network(TINY, HEIGHT, WIDTH)
    key = Networks(TINY, HEIGHT, WIDTH, trained).key((1, 0))
    for name in trained.weights:
        changed = {**trained.weights, name: trained.weights[name] + np.float32(1)}
        other = Networks(TINY, HEIGHT, WIDTH, trained._replace(weights=changed)).key((1, 0))
        assert (other != key) == (name in TINY.parameters((1, 0))), name
    statistics = {"E0/bn": (np.ones(8, np.float32), np.ones(8, np.float32))}
    assert Networks(TINY, HEIGHT, WIDTH, trained._replace(statistics=statistics)).key((1, 0)) != key
    images = trained._replace(images=trained.images[:1])
    assert Networks(TINY, HEIGHT, WIDTH, images).key((1, 0)) != key


def test_statistics_and_images_do_not_affect_figures(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    trained = random_network(TINY, HEIGHT, WIDTH)
    other = trained._replace(
        statistics={
            name[: -len("/gamma")]: (rng.normal(0, 0.5, shape).astype("f4"), rng.uniform(0.1, 5, shape).astype("f4"))
            for name, shape in TINY.parameters((1, 1)).items()
            if name.endswith("/gamma")
        },
        images=rng.integers(0, 256, (1, HEIGHT, WIDTH, 6)).astype(np.uint8),
    )
    compiler = Counting(grove(), VELA, 120.0, tmp_path)
    first, second = (compiler.inspect(Networks(TINY, HEIGHT, WIDTH, network), (1, 1)) for network in (trained, other))
    assert compiler.compiles == 2
    assert first.figures == second.figures
    assert cycles_by_part(first.layers) == cycles_by_part(second.layers)


def test_weights_with_zero_activations_under_other_statistics_compile(cache: Cached, tmp_path: Path) -> None:
    _, cost = cache
    weights = dict(random_network(TINY, HEIGHT, WIDTH).weights)
    for name, value in weights.items():
        if name == "Up/0/kernel":
            weights[name] = value * np.float32(0.05)
        elif name == "Up/bn/beta":
            weights[name] = value - np.float32(2)  # below zero everywhere, unless the input is normalised
    networks = Networks.with_weights(TINY, HEIGHT, WIDTH, weights)
    same_cost = Compiler(grove(), VELA, 120.0, tmp_path).cost(networks, (1, 0))
    assert same_cost == cost, "int8 kernels are the same, and offsets do not affect figures"


def test_boards_share_one_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exports: List[bool] = []
    export = Networks.export

    def counting(self: Networks, architecture: Any, int8_io: bool) -> bytes:
        exports.append(int8_io)
        return export(self, architecture, int8_io)

    monkeypatch.setattr(Networks, "export", counting)
    first = Compiler(grove(), VELA, 120.0, tmp_path)
    compilers = [first, first.for_board(Board.load(BOARDS / "u65_256.yaml"))]
    entries = inspect_for_boards(compilers, NETWORKS, (0, 1))
    assert exports == [True]
    assert entries[0].figures != entries[1].figures
    assert inspect_for_boards(compilers, NETWORKS, (0, 1)) == entries
    assert exports == [True]


def test_cache_key_contains_the_version_of_vela(cache: Cached, tmp_path: Path) -> None:
    folder, _ = cache
    newer = tmp_path / "vela"
    newer.write_text("#!/bin/bash\necho 5.3.0\n")
    newer.chmod(0o755)
    assert Compiler(grove(), str(newer), 120.0, folder, "5.3.0").find_cached(NETWORKS, (1, 0)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": {}}'])
def test_damaged_entry_is_a_cache_miss(cache: Cached, tmp_path: Path, content: str) -> None:
    folder, _ = cache
    (entry,) = folder.glob("*.json")
    (tmp_path / entry.name).write_text(content)
    assert Compiler(grove(), VELA, 120.0, tmp_path).find_cached(NETWORKS, (1, 0)) is None


def test_entry_records_its_key(cache: Cached) -> None:
    folder, _ = cache
    (entry,) = folder.glob("*.json")
    key = json.loads(entry.read_text())["key"]
    assert (key["vela"], key["architecture"], key["board"]["accelerator"]) == ("5.2.0", "10", "ethos-u55-64")
