"""Files that define spaces."""

from pathlib import Path
from typing import Any

import pytest

from edgeflownas.config import DEFAULT_SPACE
from edgeflownas.errors import InputError
from edgeflownas.network.definition import SpaceFile, default_skeleton, read_space
from edgeflownas.network.operations import Conv, Residual
from edgeflownas.network.skeleton import Skeleton, Stage
from edgeflownas.network.space import Space

SPACES = Path(__file__).parents[3] / "configs" / "spaces"

# Two stages are enough for a network.
STEM = "{name: E0, conv: {kernel: 3, stride: 2}, width: 1}"
HEADS = "{name: H0, flow: {kernel: 3}}, {name: Up, upsample: {kernel: 3}, width: 1}, {name: H1, flow: {kernel: 3}}"


def write(tmp_path: Path, *stages: str, head: str = "name: mine") -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{head}\nstages: [{', '.join(stages)}]\n")
    return str(path)


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_space_is_named_like_its_file_and_survives_writing(path: Path) -> None:
    space = read_space(path.stem)
    assert space.name == path.stem and read_space(str(path)) == space
    again = SpaceFile.model_validate_json(space.model_dump_json())
    assert again.lay_out() == space.lay_out()


def test_default_space_has_the_digest_that_weights_and_tables_record() -> None:
    assert default_skeleton(8).digest() == "a01917dddac64217a3f8e62e448a1797cccfef6f9061ed529be6ed41a2723c54"
    assert default_skeleton(32).digest() == "f09233c56691d2a3211a4f81c66ead08507e6948de928f629105b172666a5d8a"


def test_eleven_genes_and_a_space_of_one() -> None:
    eleven, one = (Skeleton(8, read_space(name).lay_out()) for name in ("edgeflownet_bilinear_11", "edgeflownet"))
    space = Space.from_skeleton(eleven)
    assert space.size == 23328 and space.counts == (3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2) and space.backbone == 6
    assert space.genes[1].options == ("3x3", "5x5", "3x3 + 3x3 dilated by 2")
    assert Space.from_skeleton(one).size == 1 and Space.from_skeleton(one).genes == ()


def test_stage_keeps_the_width_of_the_previous_one_and_a_list_makes_a_gene(tmp_path: Path) -> None:
    path = write(tmp_path, STEM, "{name: B, residual: {blocks: [1, 3]}}", HEADS)
    assert read_space(path).lay_out()[:2] == (
        Stage("E0", 1.0, ((Conv(3, 2),),)),
        Stage("B", 1.0, ((Residual(1),), (Residual(3),))),
    )


def test_base_changes_only_the_named_stages(tmp_path: Path) -> None:
    stem, second, head = "conv: {kernel: 5, stride: 2}", "width: 1.5", "upsample: {kernel: [3, 5]}"
    changes = f"{{name: E0, {stem}}}", f"{{name: E1, {second}}}", f"{{name: H1, {head}}}"
    path = write(tmp_path, *changes, head="name: mine\nbase: edgeflownet_bilinear")
    mine, base = ({stage.name: stage for stage in read_space(name).lay_out()} for name in (path, DEFAULT_SPACE))
    assert list(mine) == list(base)
    assert mine["E0"] == Stage("E0", 1.0, ((Conv(5, 2),),))
    assert mine["E1"] == Stage("E1", 1.5, base["E1"].options) and mine["EB0"].width == 1.5
    assert mine["H1"] == Stage("H1", 1.0, base["H1"].options[:2])
    assert all(mine[name] == base[name] for name in ("Down1", "H0Out", "H1Out", "H2", "H2Out"))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([STEM, "{name: B, residual: {blocks: 0}}", HEADS], "stage B: residual.blocks.0: should be greater than"),
        ([STEM, "{name: B, conv: {kernel: [3, 4]}}", HEADS], r"stage B: conv.kernel.1: should be odd \(got 4\)"),
        ([STEM, "{name: B, conv: {kernl: 3}}", HEADS], r"stage B: conv.kernl: no such key \(did you mean kernel\?\)"),
        ([STEM, "{name: B, convolution: {kernel: 3}}", HEADS], "stage B: convolution: no such key"),
        ([STEM, "{name: B}", HEADS], "stage B: has no operation; give one of conv, separable"),
        ([STEM, "{name: B, conv: {kernel: 3}, gate: {source: E0}}", HEADS], "stage B: has conv and gate; give one of"),
        ([STEM, "{name: B, options: [{conv: {kernel: [3, 5]}}]}", HEADS], "stage B: an option has one value of each"),
        ([STEM, "{name: 3, conv: {kernel: 3}}", HEADS], "stage 2: name: should be text"),
        ([STEM, "{name: B, conv: {kernel: 3}, width: 0.3}", HEADS], "stage B: width: should be a multiple of 0.5"),
        ([STEM, STEM, HEADS], "stage E0: two stages have this name; rename one"),
        ([STEM, "{name: B, residual: {blocks: 1}, width: 2}", HEADS], "stage B: residual keeps the number of channels"),
        ([STEM, "{name: B, gate: {source: H0}}", HEADS], r"stage B: its source H0 is not an earlier stage \(E0\)"),
        ([STEM, "{name: B, upsample: {kernel: 3}}", HEADS], "stage Up: its output would be larger than the image"),
        ([STEM, "{name: B, conv: {kernel: [5, 3]}}", HEADS], "stage B: order the options .*: 3x3, 5x5"),
        ([STEM, "{name: B, conv: {kernel: [3, 3]}}", HEADS], "stage B: two options are the same; leave one out"),
        (
            [STEM, "{name: B, options: [{conv: {kernel: 3}}, {conv: {kernel: 5, stride: 2}}]}", HEADS],
            "stage B: the options change height and width differently",
        ),
        ([*[STEM.replace("E0", f"E{i}") for i in range(5)], HEADS], "stage E4: is at 1/32 of the image"),
        (["{name: E0, separable: {kernel: 3, stride: 2}, width: 1}", HEADS], "stage E0: .*begin it with a conv"),
        (["{name: E0, conv: {kernel: 3, stride: 2}}", HEADS], "stage E0: the first stage has no previous width"),
        ([STEM, HEADS[: HEADS.index(", {name: H1")]], "stage Up: nothing uses the output of the last stage"),
        ([STEM, "{name: H0, flow: {kernel: 3}}"], "stage H0: the flow is output at 1/2; each flow stage should double"),
        (
            [STEM, "{name: B, options: [{flow: {kernel: 3}}, {conv: {kernel: 3}}]}", HEADS],
            "stage B: a flow operation stands alone",
        ),
    ],
)
def test_error_is_one_line_that_names_the_stage(tmp_path: Path, stages: Any, message: str) -> None:
    path = write(tmp_path, *stages)
    with pytest.raises(InputError, match=f"^space {path}: .*{message}") as error:
        read_space(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("name: mine\nbase: edgeflownet_bilnear", "edgeflownet_bilnear: there is no.*; did you mean edgeflownet_b"),
        ("name: mine\nbase: other.yaml", "base other.yaml: should be the name of a space"),
        ("name: mine\nbase: edgeflownet", "stage B: edgeflownet has no such stage"),
        ("base: edgeflownet", "name: is missing"),
    ],
)
def test_wrong_base_is_refused(tmp_path: Path, head: str, message: str) -> None:
    path = write(tmp_path, "{name: B, conv: {kernel: 3}}", head=head)
    with pytest.raises(InputError, match=message):
        read_space(path)


def test_unknown_space_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="bilinaer: there is no such file.*did you mean edgeflownet_bilinear"):
        read_space("edgeflownet_bilinaer")
    with pytest.raises(InputError, match="space nine: there is no such file.*; name a file, or one of edgeflownet, "):
        read_space("nine")
