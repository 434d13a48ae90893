from pathlib import Path

import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.build import build_table
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostTable
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove


def test_table_from_the_real_compiler_predicts_the_rest_of_the_space(tmp_path: Path) -> None:
    compiler = Compiler(grove(), VELA, 120.0, tmp_path / "cache")
    table = build_table(compiler, TINY, HEIGHT, WIDTH, checks=1, jobs=1, command="made by a test")
    content = table.content
    assert list(content.compiled) == ["00", "10", "20", "01"]
    (checked,) = content.held_out
    assert checked in ("11", "21")
    assert (content.origin.vela, content.origin.tensorflow) == ("5.2.0", "1.15.0")
    assert content.error_percent["npu_cycles"].max == 0.0
    table.save(tmp_path / "table.yaml")
    CostTable.load(tmp_path / "table.yaml").check(TINY, HEIGHT, WIDTH)
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")}
    again = build_table(compiler, TINY, HEIGHT, WIDTH, checks=1, jobs=1, command="made by a test")
    assert again.content.compiled == content.compiled
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")} == entries


def test_failed_compile_ends_the_build_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "vela"
    broken.write_text("#!/bin/bash\n[ $1 = --version ] && echo 5.2.0 || { echo 'Error: no'; exit 1; }\n")
    broken.chmod(0o755)
    compiler = Compiler(grove(), str(broken), 120.0, tmp_path / "cache")
    with pytest.raises(InputError, match="was not compiled for Grove Vision AI V2 .exit code 1: Error: no"):
        build_table(compiler, TINY, HEIGHT, WIDTH, checks=1, jobs=1, command="made by a test")


def test_more_checks_than_architectures_are_refused(tmp_path: Path) -> None:
    compiler = Compiler(Board.load(grove().path), VELA, 120.0, tmp_path)
    with pytest.raises(InputError, match="--checks 3: the space has only 2 other"):
        build_table(compiler, TINY, HEIGHT, WIDTH, checks=3, jobs=1, command="made by a test")
