"""The command as a user calls it, with an evaluator that answers at once."""

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
from search.strategies.enumeration import selected
from tests.search.commands.test_evolve import Command, table
from tests.search.stand_ins import CONFIG, SMALL, Oracle, brute_force_front, epe_of
from tests.search.storage.test_search_file import content

SPACE = Run.open(CONFIG).space


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Command:
    called = Command(tmp_path, monkeypatch, capsys)
    called.oracle = Oracle(SPACE)
    monkeypatch.setattr(command_module, "open_evaluator", called._open)
    return called


def answered(command: Command) -> List[Architecture]:
    """What was scored."""
    assert isinstance(command.oracle, Oracle)
    return command.oracle.answered


def test_the_whole_space_its_front_and_its_hypervolume(command: Command) -> None:
    result = command.run("enumerate", "--json")
    assert result.code == 0, result.error
    said = json.loads(result.out)
    assert said["hardware"]["vela"] == "5.2.0" and said["hardware"]["board"] == "Grove Vision AI V2"
    assert (said["scored"], said["complete"], said["zero_flow_epe"]) == (SPACE.size, True, 8.0)
    costs = table(CONFIG.parents[1] / Run.open(CONFIG).config.hardware.table)
    points = {each: (epe_of(each), -costs.cost(each).fps) for each in SPACE.all()}
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        assert file.attrs["format"] == "edgeflownas-space" and file.attrs["complete"]
        genes = [tuple(each) for each in file["archive/genes"][()].tolist()]
        assert genes == list(SPACE.all())
        assert file["archive/epe"][()].tolist() == [epe_of(each) for each in genes]
        assert file["archive/fps"][()].tolist() == [costs.cost(each).fps for each in genes]
        assert file["archive/epe"].compression == "gzip"
        front = [tuple(each) for each in file["front/genes"][()].tolist()]
        assert file.attrs["hypervolume"] == said["hypervolume"]
    # The best of each FPS cannot be dominated by anything else than another of these.
    best = sorted(points, key=lambda each: (points[each][1], points[each][0]))
    climbing = [each for i, each in enumerate(best) if all(points[each][0] < points[other][0] for other in best[:i])]
    expected = [climbing[i] for i in brute_force_front(np.array([points[each] for each in climbing]))]
    assert sorted(front) == sorted(expected)
    assert [SPACE.format(each) for each in front] == [row["architecture"] for row in said["front"]]
    width = -np.diff([0.0, *sorted(points[each][1] for each in front)[::-1]])
    height = 4.0 - np.array([points[each][0] for each in sorted(front, key=lambda each: -points[each][1])])
    tallest = np.maximum.accumulate(np.maximum(height, 0)[::-1])[::-1]
    assert said["hypervolume"] == pytest.approx((width * tallest).sum())


def test_stopped_anywhere_it_goes_on_and_ends_in_the_same_file(command: Command, tmp_path: Path) -> None:
    def epe(architecture: Architecture) -> float:
        asked.append(architecture)
        if len(asked) == 2000:
            os.kill(os.getpid(), signal.SIGTERM)
        return epe_of(architecture)

    asked: List[Architecture] = []
    command.oracle = Oracle(SPACE, epe, backwards=True)
    stopped = command.run("enumerate")
    assert stopped.code == 130 and "to continue: edgeflownas-search enumerate" in stopped.error
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        known = len(file["archive/genes"])
        assert known == 243 * (2000 // 243 + 1) and not file.attrs["complete"] and "front" not in file
    assert command.run("enumerate").code == 0
    assert len(set(asked)) == len(asked) == SPACE.size
    first = content(command.folder / "space.h5")
    command.folder, command.oracle = tmp_path / "whole", Oracle(SPACE)
    assert command.run("enumerate").code == 0
    assert content(command.folder / "space.h5") == first


def test_parts_add_up_and_a_finished_space_is_not_scored_again(command: Command) -> None:
    result = command.run("enumerate", "--backbones", "0000,2102", "--heads", "00000,20122,11111")
    assert result.code == 0 and "6 of 19,683 architectures scored" in result.out
    assert sorted(map(SPACE.format, answered(command))) == sorted(
        backbone + head for backbone in ("0000", "2102") for head in ("00000", "20122", "11111")
    )
    assert command.run("enumerate", "--backbones", "0000").code == 0
    assert len(answered(command)) == 6 + 240
    assert command.run("enumerate").code == 0
    assert len(answered(command)) == SPACE.size
    assert command.run("enumerate").code == 0
    assert len(answered(command)) == SPACE.size


def test_a_part_is_named_by_digits_of_its_own_genes() -> None:
    every = list(SMALL.all())
    assert selected(SMALL, "", "") == every
    assert selected(SMALL, "21", "40,01") == [(2, 1, 0, 1), (2, 1, 4, 0)]


@pytest.mark.parametrize(
    "part", ["--backbones=000", "--backbones=0003", "--heads=00000,1", "--backbones=0000,", "--heads=,"]
)
def test_digits_that_name_nothing_are_refused(command: Command, part: str) -> None:
    result = command.run("enumerate", part)
    assert result.code == 2 and "must be" in result.error and not (command.folder / "space.h5").exists()


def test_scores_of_another_supernet_and_damage_are_refused(command: Command) -> None:
    assert command.run("enumerate", "--backbones", "0000").code == 0
    before = (command.folder / "space.h5").read_bytes()
    command.train(1.0)
    other = command.run("enumerate")
    assert other.code == 2 and "the supernet is" in other.error
    assert (command.folder / "space.h5").read_bytes() == before
    (command.folder / "space.h5").write_bytes(before[:-100])
    damaged = command.run("enumerate")
    assert damaged.code == 2 and "truncated or damaged" in damaged.error


def test_evolve_says_its_share_of_the_exact_hypervolume(command: Command) -> None:
    assert command.run("enumerate").code == 0
    with h5py.File(str(command.folder / "space.h5"), "r") as file:
        exact = file.attrs["hypervolume"]
    said = json.loads(command.run("evolve", "--json").out)
    assert 0 < said["hypervolume_share"] == said["hypervolume"] / exact <= 1
    assert f"{said['hypervolume_share']:.3%} of the exact hypervolume" in command.run("evolve").out
    # Beside the supernet it counts, too; that of another supernet does not.
    (command.folder / "space.h5").rename(command.weights.with_name("space.h5"))
    assert json.loads(command.run("evolve", "--json").out)["hypervolume_share"] == said["hypervolume_share"]
    command.train(1.0)
    result = command.run("evolve", "--restart", "--json")
    assert json.loads(result.out)["hypervolume_share"] is None and "no share" in result.error
