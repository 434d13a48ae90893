"""``enumerate`` as a user calls it, with an evaluator that answers immediately."""

import json
import os
import signal
from pathlib import Path
from typing import List

import h5py
import numpy as np
import pytest

from edgeflownas.network.space import Architecture
from search.commands import enumerate as command_module
from search.run import Run
from search.strategies.enumeration import select_by_digits
from tests.search.commands.test_evolve import Command, table
from tests.search.stand_ins import CONFIG, SMALL, Oracle, brute_force_front, epe_of
from tests.search.storage.searches import content

SPACE = Run.open(CONFIG).space


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Command:
    command = Command(tmp_path, monkeypatch, capsys)
    command.oracle = Oracle(SPACE)
    monkeypatch.setattr(command_module, "open_evaluator", command._open)
    return command


def scored_by(command: Command) -> List[Architecture]:
    """Return the architectures that the command's evaluator scored."""
    assert isinstance(command.oracle, Oracle)
    return command.oracle.scored


def test_enumerate_scores_the_space_and_finds_front_and_hypervolume(command: Command) -> None:
    result = command.run("enumerate", "--json")
    assert result.code == 0, result.error
    summary = json.loads(result.out)
    assert summary["hardware"]["vela"] == "5.2.0" and summary["hardware"]["board"] == "Grove Vision AI V2"
    assert (summary["scored"], summary["complete"], summary["zero_flow_epe"]) == (SPACE.size, True, 8.0)
    costs = table(CONFIG.parents[1] / Run.open(CONFIG).config.hardware.table)
    points = {genes: (epe_of(genes), -costs.cost(genes).fps) for genes in SPACE.all()}
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        assert file.attrs["format"] == "edgeflownas-space" and file.attrs["complete"]
        rows = [tuple(genes) for genes in file["archive/genes"][()].tolist()]
        assert rows == list(SPACE.all())
        assert file["archive/epe"][()].tolist() == [epe_of(genes) for genes in rows]
        assert file["archive/fps"][()].tolist() == [costs.cost(genes).fps for genes in rows]
        assert file["archive/epe"].compression == "gzip"
        front = [tuple(genes) for genes in file["front/genes"][()].tolist()]
        assert file.attrs["hypervolume"] == summary["hypervolume"]
    # The best architecture of each FPS can only be dominated by the best of another FPS.
    best = sorted(points, key=lambda genes: (points[genes][1], points[genes][0]))
    improving = [own for i, own in enumerate(best) if all(points[own][0] < points[other][0] for other in best[:i])]
    expected = [improving[i] for i in brute_force_front(np.array([points[genes] for genes in improving]))]
    assert sorted(front) == sorted(expected)
    assert [SPACE.format(genes) for genes in front] == [row["architecture"] for row in summary["front"]]
    worst = {"epe": max(epe for epe, _ in points.values()), "fps": -max(cost for _, cost in points.values())}
    assert summary["reference_point"] == worst
    width = -np.diff([-worst["fps"], *sorted(points[genes][1] for genes in front)[::-1]])
    height = worst["epe"] - np.array([points[genes][0] for genes in sorted(front, key=lambda genes: -points[genes][1])])
    tallest = np.maximum.accumulate(np.maximum(height, 0)[::-1])[::-1]
    assert summary["hypervolume"] == pytest.approx((width * tallest).sum())


def test_interrupted_enumeration_resumes_and_ends_in_the_same_file(command: Command, tmp_path: Path) -> None:
    def epe(architecture: Architecture) -> float:
        requested.append(architecture)
        if len(requested) == 2000:
            os.kill(os.getpid(), signal.SIGTERM)
        return epe_of(architecture)

    requested: List[Architecture] = []
    command.oracle = Oracle(SPACE, epe, backwards=True)
    stopped = command.run("enumerate")
    assert stopped.code == 130 and "to continue: edgeflownas-search enumerate" in stopped.error
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        known = len(file["archive/genes"])
        assert known == 243 * (2000 // 243 + 1) and not file.attrs["complete"] and "front" not in file
    assert command.run("enumerate").code == 0
    assert len(set(requested)) == len(requested) == SPACE.size
    first = content(command.folder / "space.h5")
    command.folder, command.oracle = tmp_path / "whole", Oracle(SPACE)
    assert command.run("enumerate").code == 0
    assert content(command.folder / "space.h5") == first


def test_partial_enumerations_add_up_and_score_nothing_twice(command: Command) -> None:
    result = command.run("enumerate", "--backbones", "0000,2102", "--heads", "00000,20122,11111")
    assert result.code == 0 and "6 of 19,683 architectures scored" in result.out
    assert sorted(map(SPACE.format, scored_by(command))) == sorted(
        backbone + head for backbone in ("0000", "2102") for head in ("00000", "20122", "11111")
    )
    assert command.run("enumerate", "--backbones", "0000").code == 0
    assert len(scored_by(command)) == 6 + 240
    assert command.run("enumerate").code == 0
    assert len(scored_by(command)) == SPACE.size
    assert command.run("enumerate").code == 0
    assert len(scored_by(command)) == SPACE.size


def test_backbones_and_heads_are_selected_by_digits() -> None:
    every = list(SMALL.all())
    assert select_by_digits(SMALL, "", "") == every
    assert select_by_digits(SMALL, "21", "40,01") == [(2, 1, 0, 1), (2, 1, 4, 0)]


@pytest.mark.parametrize(
    "part", ["--backbones=000", "--backbones=0003", "--heads=00000,1", "--backbones=0000,", "--heads=,"]
)
def test_invalid_digits_are_refused(command: Command, part: str) -> None:
    result = command.run("enumerate", part)
    assert result.code == 2 and "must be" in result.error and not (command.folder / "space.h5").exists()


def test_scores_of_another_supernet_and_damaged_files_are_refused(command: Command) -> None:
    assert command.run("enumerate", "--backbones", "0000").code == 0
    before = (command.folder / "space.h5").read_bytes()
    command.train(1.0)
    other = command.run("enumerate")
    assert other.code == 2 and "the supernet is" in other.error
    assert (command.folder / "space.h5").read_bytes() == before
    (command.folder / "space.h5").write_bytes(before[:-100])
    damaged = command.run("enumerate")
    assert damaged.code == 2 and "truncated or damaged" in damaged.error


def test_evolve_reports_its_share_of_the_exact_hypervolume(command: Command) -> None:
    assert command.run("enumerate").code == 0
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        exact = file.attrs["hypervolume"]
    summary = json.loads(command.run("evolve", "--json").out)
    assert 0 < summary["hypervolume_share"] == summary["hypervolume"] / exact <= 1
    assert f"{summary['hypervolume_share']:.3%} of the exact hypervolume" in command.run("evolve").out
    # A space.h5 next to the supernet counts as well, unless it belongs to another supernet.
    (command.folder / "space.h5").rename(command.weights.with_name("space.h5"))
    assert json.loads(command.run("evolve", "--json").out)["hypervolume_share"] == summary["hypervolume_share"]
    command.train(1.0)
    result = command.run("evolve", "--restart", "--json")
    assert json.loads(result.out)["hypervolume_share"] is None and "no share" in result.error
