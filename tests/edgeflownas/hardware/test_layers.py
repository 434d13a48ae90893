import pytest

from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.layers import part_of, summarise_parts
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.report import CompiledLayer
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove


def layer(
    name: str, cycles: int = 100, utilisation: float = 50.0, sram: int = 1024, target: str = "NPU"
) -> CompiledLayer:
    operator = {"images_int8": "Quantize", "flow": "Dequantize"}.get(name, "Conv2D") if target == "CPU" else "Conv2D"
    return CompiledLayer(
        operator=operator, name=name, target=target, cycles=cycles, npu_cycles=cycles, macs=7, utilisation=utilisation,
        sram_bytes=sram, flash_cycles=0, dram_cycles=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("EB0/Relu_3", "EB0"),
        ("H2/Relu_act", "H2"),
        ("accumulation_2/ResizeBilinear", "accumulation"),
        ("flow", "accumulation"),
        ("flow_int8", "accumulation"),
    ],
)
def test_parts_are_told_by_name(name: str, part: str) -> None:
    assert part_of(layer(name)) == part


def test_conversions_at_the_ends_are_parts_of_their_own() -> None:
    found = summarise_parts([layer("images_int8", 0, target="CPU"), layer("E0/Relu"), layer("flow", 0, target="CPU")])
    assert [(part.name, part.on_cpu) for part in found] == [("input", 1), ("E0", 0), ("output", 1)]


def test_parts_add_up() -> None:
    layers = [layer("A/x", 300, 90.0, 2048), layer("A/y", 100, 10.0, 1024), layer("B/x", 600, 50.0, 512)]
    a, b = summarise_parts(layers, [layer("A/x", 250), layer("A/y", 60), layer("B/x", 700)])
    assert (a.name, a.cycles, a.share, a.macs, a.sram_kib) == ("A", 400, 0.4, 14, 2.0)
    assert a.utilisation == pytest.approx(70.0)
    assert (a.waiting, b.waiting) == (90, 0)
    assert summarise_parts(layers)[0].waiting is None


def test_real_network_waits_for_slow_flash_only(tmp_path: object) -> None:
    compiler = Compiler(grove(), VELA, 120.0, tmp_path)  # type: ignore[arg-type]
    networks = Networks(TINY, HEIGHT, WIDTH)
    slow = compiler.inspect(networks, (2, 1))
    fast = compiler.for_board(compiler.board.without_waiting()).inspect(networks, (2, 1))
    found = summarise_parts(slow.layers, fast.layers)
    assert {part.name for part in found} == {"E0", "EB0", "Coarse", "Up", "Out", "accumulation"}
    assert sum(part.cycles for part in found) == slow.figures.cycles
    assert sum(part.share for part in found) == pytest.approx(1.0)
    waited = sum(part.waiting or 0 for part in found)
    assert waited == slow.figures.cycles - fast.figures.cycles > 0
