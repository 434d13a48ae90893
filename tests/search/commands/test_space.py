"""The commands that check and draw spaces."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from search.commands.space import command, cover_options, draw_network
from tests.edgeflownas.hardware.test_layers import make_layer
from tests.small import OTHER_STAGES, SHIPPED
from tests.terminal import make_runner


def run(*arguments: str) -> str:
    result = make_runner().invoke(command, [*arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_check_shows_genes_size_and_extremes() -> None:
    text = run("check", "edgeflownet_bilinear_11", "--no-compile", "--width", "8", "--height", "64", "--columns", "90")
    assert "edgeflownet_bilinear_11: 11 genes, 23,328 architectures" in text
    assert "3x3 | 5x5 | 3x3 + 3x3 dilated by 2" in text and "c = 8, 64x96 pixels" in text
    record = json.loads(run("check", "edgeflownet_bilinear", "--no-compile", "--width", "8", "--json"))
    skeleton = Skeleton(8, SHIPPED["edgeflownet_bilinear"])
    assert record["heaviest"]["macs"] == skeleton.macs((2,) * 9, 176, 224)
    assert record["lightest"]["parameters"] < record["heaviest"]["parameters"] < record["supernet_parameters"]
    assert record["lightest"]["receptive_field_px"] < record["heaviest"]["receptive_field_px"]


def test_check_names_operators_on_the_cpu(monkeypatch: Any) -> None:
    """The compiler is a stand-in, as all operations of the spaces run on the NPU."""

    class Entry:
        layers = [make_layer("Gate/Mean", target="CPU"), make_layer("E0/Conv2D")]

    monkeypatch.setattr(Compiler, "inspect", lambda *_: Entry)
    text = run("check", "edgeflownet")
    assert "grove_vision_ai_v2: the CPU runs Gate: Conv2D, which slows the network down" in text
    monkeypatch.setattr(Entry, "layers", Entry.layers[1:])
    assert "grove_vision_ai_v2: the NPU runs all operators" in run("check", "edgeflownet")


def test_check_lists_every_problem(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nstages: [{name: A, conv: {kernel: 4}}, {name: B, flow: {kernel: 3}, width: 0.3}]")
    with pytest.raises(InputError, match=f"space {path}: has 2 problems, which are listed above"):
        run("check", str(path))


def test_a_few_architectures_contain_all_options() -> None:
    space = Space.from_skeleton(Skeleton(4, OTHER_STAGES))
    covering = cover_options(space)
    assert len(covering) == 4
    for gene, count in enumerate(space.counts):
        assert {architecture[gene] for architecture in covering} == set(range(count))
    assert cover_options(Space.from_skeleton(Skeleton(4, SHIPPED["edgeflownet"]))) == [()]


def test_drawing_indents_coarse_stages_and_names_every_stage() -> None:
    skeleton = Skeleton(8, SHIPPED["edgeflownet_bilinear_11"])
    lines = draw_network(skeleton)
    assert len(lines) == 1 + len(skeleton.stages)
    assert "1/4       Gate           16 channels, gate from DB0" in lines
    assert "1/4       -> H0Out       4 channels, flow 3x3 | 5x5" in lines
    assert run("show", "edgeflownet_bilinear_11", "--width", "8").splitlines() == lines


@pytest.mark.parametrize("name", ["evolve", "enumerate"])
def test_space_of_one_architecture_cannot_be_searched(name: str) -> None:
    module = importlib.import_module(f"search.commands.{name}")
    result = make_runner().invoke(module.command, ["--config", "configs/original.yaml"])
    assert isinstance(result.exception, InputError) and "has no genes, so there is nothing" in str(result.exception)
