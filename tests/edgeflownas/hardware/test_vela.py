import csv
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware import report
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Figures
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.report import Compiled, parse_layer, parse_summary
from edgeflownas.hardware.vela import CompileError, Vela
from tests.edgeflownas.hardware.tiny import BOARDS, HEIGHT, TINY, VELA, WIDTH, grove

RECORDED = Path(__file__).parent / "recorded"


def rows(name: str) -> List[Dict[str, str]]:
    with (RECORDED / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """A function that makes a stand-in for Vela from a shell script."""

    def make(text: str) -> str:
        path = tmp_path / "vela"
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return make


def compile_with(command: str, tmp_path: Path, timeout: float = 60.0) -> Compiled:
    return Vela(command, timeout).compile("000000000", b"a network", grove(), tmp_path / "logs")


# Copies the recorded output of a compile to the folder that --output-dir names.
WRITE_RECORDED = f"""
for word in "$@"; do case $word in --output-dir=*) out=${{word#*=}};; esac; done
mkdir -p "$out"; cp "{RECORDED}"/*.csv "$out"; echo compiled >"$out/x_vela.tflite"
"""


def test_summary_of_vela_5_2_0_is_parsed() -> None:
    (row,) = rows("network_summary_Grove_Vision_AI_V2.csv")
    assert parse_summary(row) == Figures(npu_cycles=145819, cycles=145819, sram_kib=45.0)


@pytest.mark.parametrize(("column", "value"), [("cycles_npu", "nan"), ("cycles_total", "0"), ("sram_memory_used", "")])
def test_invalid_summary_is_rejected(column: str, value: str) -> None:
    (row,) = rows("network_summary_Grove_Vision_AI_V2.csv")
    with pytest.raises(ValueError, match="could not convert|cycles"):
        parse_summary({**row, column: value})


def test_layers_of_vela_5_2_0_are_parsed() -> None:
    layers = [parse_layer(row) for row in rows("network_per-layer.csv")]
    assert sum(layer.npu_cycles for layer in layers) == 145819
    assert [layer.operator for layer in layers if layer.target == "CPU"] == ["Quantize", "Dequantize"]
    first = layers[1]
    assert (first.name, first.macs, first.cycles, first.flash_cycles, first.sram_bytes) == (
        "Relu",
        165888,
        8344,
        3712,
        15968,
    )


def test_files_of_vela_3_8_0_are_read(tmp_path: Path) -> None:
    for path in (RECORDED / "vela38").glob("*.csv"):
        shutil.copy(str(path), str(tmp_path))
    (tmp_path / "network_vela.tflite").write_bytes(b"compiled")
    compiled = report.read(tmp_path, (RECORDED / "vela38/output.txt").read_text())
    assert compiled.figures == Figures(npu_cycles=124787, cycles=124787, sram_kib=54.703125)
    on_npu = [layer for layer in compiled.layers if layer.target == "NPU"]
    assert sum(layer.cycles for layer in on_npu) == 124787
    assert {layer.operator for layer in on_npu} == {"CONV_2D", "ADD", "RESIZE_BILINEAR"}
    on_cpu = [(layer.operator, layer.name) for layer in compiled.layers if layer.target == "CPU"]
    assert on_cpu == [("Quantize", "images_int8"), ("Dequantize", "flow")]


def test_old_version_is_rejected_unless_it_is_configured(
    program: Callable[[str], str], capsys: pytest.CaptureFixture
) -> None:
    old = program("echo 3.8.0")
    with pytest.raises(InputError, match="has version 3.8.0, but hardware.vela_version is 5.2.0.*'make env'"):
        print(Vela(old, 60.0).version)
    assert Vela(old, 60.0, "3.8.0").version == "3.8.0"
    assert "far more SRAM than 5.2.0: 2310 instead of 679 KiB" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(InputError, match="has version 5.2.0, but hardware.vela_version is 3.8.0.*'make vela38'"):
        print(Vela(program("echo 5.2.0"), 60.0, "3.8.0").version)


@pytest.mark.parametrize("first_line", ["#!/nowhere/python", "no program"])
def test_vela_with_a_missing_python_is_named(tmp_path: Path, first_line: str) -> None:
    path = tmp_path / "vela"
    path.write_text(first_line + "\n")
    path.chmod(0o755)
    with pytest.raises(InputError, match="cannot be started .*install it with 'make env'"):
        print(Vela(str(path), 60.0).version)


def test_output_in_another_encoding_is_accepted(program: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="exit code 1"):
        compile_with(program("printf '\\xff\\xfe'; exit 1"), tmp_path)


def test_vela_receives_the_board_settings(program: Callable[[str], str], tmp_path: Path) -> None:
    command = program('for word in "$@"; do echo "$word"; done; cat board.ini; exit 1')
    with pytest.raises(CompileError):
        compile_with(command, tmp_path)
    log = (tmp_path / "logs" / "000000000_grove_vision_ai_v2.log").read_text()
    assert "--accelerator-config=ethos-u55-64" in log
    assert "--arena-cache-size=1466368" in log
    assert "OffChipFlash_clock_scale=0.015625" in log
    assert "core_clock=400000000\n" in log


def test_compiled_files_are_read(program: Callable[[str], str], tmp_path: Path) -> None:
    compiled = compile_with(program(WRITE_RECORDED), tmp_path)
    assert compiled.figures.cycles == 145819
    assert compiled.model == b"compiled\n"
    assert sum(layer.cycles for layer in compiled.layers) == 145819
    assert not (tmp_path / "logs").exists()


def test_error_of_missing_vela_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vela .*nowhere: no such program; install it with 'make env'"):
        compile_with(str(tmp_path / "nowhere"), tmp_path)


def test_vela_that_does_not_run_is_named(program: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match="does not run .No module named ethosu.*make env"):
        print(Vela(program("echo 'No module named ethosu' >&2; exit 1"), 60.0).version)


def test_logs_of_several_boards_are_kept_apart(program: Callable[[str], str], tmp_path: Path) -> None:
    for board in (grove(), Board.load(BOARDS / "u65_256.yaml")):
        with pytest.raises(CompileError):
            Vela(program("exit 1"), 60.0).compile("000000000", b"a network", board, tmp_path / "logs")
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_error_of_silent_vela_names_the_time_limit(program: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match="within 0.2 s; check hardware.vela and hardware.vela_timeout"):
        print(Vela(program("exec sleep 60"), 0.2).version)


def test_failed_compile_gives_one_line_and_logs_the_end_of_the_output(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    command = program("for i in $(seq 1000); do echo line $i; done; echo 'Error: bad network' >&2; exit 3")
    with pytest.raises(CompileError) as error:
        compile_with(command, tmp_path)
    log = tmp_path / "logs" / "000000000_grove_vision_ai_v2.log"
    message = str(error.value)
    assert "\n" not in message
    assert "000000000 was not compiled for Grove Vision AI V2 (exit code 3: Error: bad network)" in message
    assert str(log) in message
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["line 1000", "Error: bad network"]
    assert len(lines) == 200


@pytest.mark.parametrize(
    "text",
    [
        "exit 0",  # no files
        WRITE_RECORDED + 'rm "$out"/*_vela.tflite',
        WRITE_RECORDED + 'sed -i s/cycles_npu/cycles/ "$out"/*_summary_*',
        WRITE_RECORDED + 'sed -i 2d "$out"/*_summary_*',
        WRITE_RECORDED + 'sed -i s/8344/many/ "$out"/*_per-layer.csv',
    ],
)
def test_compile_without_figures_fails(program: Callable[[str], str], tmp_path: Path, text: str) -> None:
    with pytest.raises(CompileError, match="was not compiled"):
        compile_with(program(text), tmp_path)


def test_slow_compile_is_stopped_and_its_output_logged(program: Callable[[str], str], tmp_path: Path) -> None:
    command = program(f"echo scheduling; echo $$ >{tmp_path}/pid; exec sleep 60")
    start = time.monotonic()
    with pytest.raises(CompileError, match="took longer than 1 s; set hardware.vela_timeout higher"):
        compile_with(command, tmp_path, timeout=1.0)
    assert time.monotonic() - start < 20
    assert (tmp_path / "logs" / "000000000_grove_vision_ai_v2.log").read_text() == "scheduling\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGCONT)


def test_full_temporary_folder_is_named(program: Callable[[str], str], tmp_path: Path) -> None:
    command = program("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1")
    with pytest.raises(OSError, match="temporary folder .*: No space left on device: .*set TMPDIR"):
        compile_with(command, tmp_path)
    assert not (tmp_path / "logs").exists()


def test_real_vela_compiles_a_real_network(tmp_path: Path) -> None:
    vela = Vela(VELA, 120.0)
    assert vela.version == "5.2.0"
    model = Networks(TINY, HEIGHT, WIDTH).export((0, 0), int8_io=True)
    compiled = vela.compile("00", model, grove(), tmp_path)
    assert {layer.target for layer in compiled.layers} == {"NPU"}
    assert compiled.figures.npu_cycles <= compiled.figures.cycles
    assert 0 < compiled.figures.sram_kib < grove().arena_kib
    assert sum(layer.npu_cycles for layer in compiled.layers) == compiled.figures.npu_cycles
    # Vela counts the resizes as well, one multiply-accumulate per output value.
    macs = {layer.name: layer.macs for layer in compiled.layers if layer.operator == "Conv2D"}
    assert TINY.macs((0, 0), HEIGHT, WIDTH) <= sum(macs.values()) <= 1.01 * TINY.macs((0, 0), HEIGHT, WIDTH)
    assert b"ethos-u" in compiled.model
    listed = subprocess.run([VELA, "--version"], check=True, capture_output=True, text=True).stdout
    assert vela.version in listed
