import json
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import pytest

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.compiler import Compiler, Trained, stand_in
from edgeflownas.hardware.cost import Cost
from edgeflownas.hardware.vela import Compiled
from edgeflownas.skeleton import Skeleton
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, VELA, WIDTH, grove

Cached = Tuple[Path, Cost]


class Counting(Compiler):
    """Counts real compiles."""

    compiles = 0

    def compile(self, *arguments: Any) -> Compiled:
        self.compiles += 1
        return super().compile(*arguments)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    """A cache with one architecture in it."""
    folder = tmp_path_factory.mktemp("cache")
    compiler = Counting(grove(), VELA, 120.0, folder)
    cost = compiler.cost(TINY, (1, 0), HEIGHT, WIDTH)
    assert compiler.compiles == 1
    return folder, cost


def test_compiles_once(cache: Cached) -> None:
    folder, cost = cache
    again = Counting(grove(), VELA, 120.0, folder)
    assert again.cost(TINY, [1, 0], HEIGHT, WIDTH) == cost
    assert again.compiles == 0
    assert cost.source == "compiled"
    assert cost.fps == pytest.approx(1000 / cost.latency_ms)


def test_cost_is_that_of_the_layers(cache: Cached) -> None:
    folder, cost = cache
    entry = Counting(grove(), VELA, 120.0, folder).inspect(TINY, (1, 0), HEIGHT, WIDTH)
    assert sum(layer.npu_cycles for layer in entry.layers) == cost.npu_cycles
    assert cost.latency_ms == pytest.approx(entry.figures.cycles / 4e5)


class Marked(Compiler):
    """Says what it would have compiled."""

    def compile(
        self,
        skeleton: Skeleton,
        architecture: Sequence[int],
        height: int,
        width: int,
        trained: Optional[Trained] = None,
    ) -> Compiled:
        raise LookupError("not in the cache")


def test_anything_that_bears_on_the_figures_is_in_the_key(cache: Cached) -> None:
    folder, _ = cache
    compiler = Marked(grove(), VELA, 120.0, folder)
    trained = stand_in(TINY, HEIGHT, WIDTH)
    compiler.inspect(TINY, (1, 0), HEIGHT, WIDTH)
    others: List[Any] = [
        (Skeleton(16, TINY.stages), (1, 0), HEIGHT, WIDTH),
        (TINY, (2, 0), HEIGHT, WIDTH),
        (TINY, (1, 0), 64, WIDTH),
        (TINY, (1, 0), HEIGHT, WIDTH, trained),
    ]
    for arguments in others:
        with pytest.raises(LookupError):
            compiler.inspect(*arguments)
    with pytest.raises(LookupError):
        Marked(Board.load(BOARDS / "u65_256.yaml"), VELA, 120.0, folder).inspect(TINY, (1, 0), HEIGHT, WIDTH)


def test_key_names_the_version_of_vela(cache: Cached, tmp_path: Path) -> None:
    folder, _ = cache
    newer = tmp_path / "vela"
    newer.write_text("#!/bin/bash\necho 5.3.0\n")
    newer.chmod(0o755)
    with pytest.raises(LookupError):
        Marked(grove(), str(newer), 120.0, folder).inspect(TINY, (1, 0), HEIGHT, WIDTH)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": {}}'])
def test_damaged_entry_is_made_again(cache: Cached, tmp_path: Path, content: str) -> None:
    folder, _ = cache
    (entry,) = folder.glob("*.json")
    (tmp_path / entry.name).write_text(content)
    with pytest.raises(LookupError):
        Marked(grove(), VELA, 120.0, tmp_path).inspect(TINY, (1, 0), HEIGHT, WIDTH)


def test_entry_says_what_it_is_of(cache: Cached) -> None:
    folder, _ = cache
    (entry,) = folder.glob("*.json")
    key = json.loads(entry.read_text())["key"]
    assert (key["vela"], key["architecture"], key["board"]["accelerator"]) == ("5.2.0", "10", "ethos-u55-64")
