import pytest

from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.layers import part_of, summarise_parts
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.report import CompiledLayer
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove


def make_layer(
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
def test_name_determines_the_part(name: str, part: str) -> None:
    assert part_of(make_layer(name)) == part


def test_conversions_of_input_and_output_are_separate_parts() -> None:
    layers = [make_layer("images_int8", 0, target="CPU"), make_layer("E0/Relu"), make_layer("flow", 0, target="CPU")]
    parts = summarise_parts(layers)
    assert [(part.name, part.on_cpu) for part in parts] == [("input", 1), ("E0", 0), ("output", 1)]


def test_operators_are_summed_up_by_part() -> None:
    layers = [make_layer("A/x", 300, 90.0, 2048), make_layer("A/y", 100, 10.0, 1024), make_layer("B/x", 600, 50.0, 512)]
    a, b = summarise_parts(layers, [make_layer("A/x", 250), make_layer("A/y", 60), make_layer("B/x", 700)])
    assert (a.name, a.cycles, a.share, a.macs, a.sram_kib) == ("A", 400, 0.4, 14, 2.0)
    assert a.utilisation == pytest.approx(70.0)
    assert (a.waiting, b.waiting) == (90, 0)
    assert summarise_parts(layers)[0].waiting is None


def test_real_network_waits_only_for_slow_flash(tmp_path: object) -> None:
    compiler = Compiler(grove(), VELA, 120.0, tmp_path)  # type: ignore[arg-type]
    networks = Networks(TINY, HEIGHT, WIDTH)
    slow = compiler.inspect(networks, (2, 1))
    fast = compiler.for_board(compiler.board.without_waiting()).inspect(networks, (2, 1))
    parts = summarise_parts(slow.layers, fast.layers)
    assert {part.name for part in parts} == {"E0", "EB0", "Coarse", "Up", "Out", "accumulation"}
    assert sum(part.cycles for part in parts) == slow.figures.cycles
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    waiting = sum(part.waiting or 0 for part in parts)
    assert waiting == slow.figures.cycles - fast.figures.cycles > 0
