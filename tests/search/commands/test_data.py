"""``data check`` on a small run, called in this process."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgeflownas.config import Config, dump, validate
from tests.edgeflownas.data.written import WRITERS, flow, put_flo
from tests.search.commands.calls import LIGHT, NAMES, call, data_file, error, invoked, make_run, write_list_of
from tests.search.queue.small import CONTENT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def test_data_check_lists_bad_files_and_evaluation_excludes_them(run, tmp_path):
    path = data_file(tmp_path, "sintel", exclude=str(tmp_path / "bad.txt"))
    put_flo(tmp_path / "sintel" / "training" / "flow" / "alley_1" / "frame_0001.flo", np.full((40, 60, 2), np.nan))
    result = call(run, "data", "check", "--data", path)
    assert result.return_value == 1
    assert "bad files: 1, affected pairs: 2" in result.stdout and "frame_0001.flo" in result.stdout
    result = call(run, "evaluate", LIGHT, "--data", path, "--json")
    assert json.loads(result.stdout)["pairs"] == 6
    assert "excludes 2 of 8 val pairs" in " ".join(result.stderr.split())
    put_flo(tmp_path / "sintel" / "training" / "flow" / "alley_1" / "frame_0001.flo", flow(1))
    result = call(run, "data", "check", "--data", path, "--json")
    assert result.return_value == 0 and json.loads(result.stdout)[0]["bad"] == {}
    assert "no files to check" in error(run, "data", "check")


def test_data_check_reads_each_data_set_of_a_run_once(run, tmp_path):
    sets = {kind: WRITERS[kind](tmp_path / kind) for kind in ("flyingchairs2", "flyingthings3d")}
    stages = [
        {"epochs": 1, "data": {**sets["flyingchairs2"], "height": 32, "width": 48}},
        {"epochs": 1, "data": sets["flyingthings3d"]},
    ]
    content = {**CONTENT, "data": sets["flyingchairs2"], "queue": {"train": stages}}
    path = tmp_path / "config.yaml"
    path.write_text(dump(validate(content, Config, "test")))
    words = ["data", "check", "--json", "--config", str(path), "--run", str(tmp_path / "run")]
    result = invoked(*words)
    assert [record["key"] for record in json.loads(result.stdout)] == ["data", "queue.train.1.data"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "bad_files_flyingchairs2.txt", "bad_files_flyingthings3d.txt",
    ]  # fmt: skip


def test_data_check_lists_bad_files_of_any_name_and_they_are_excluded(run, tmp_path):
    path = write_list_of(tmp_path, NAMES)
    for name in NAMES[:-1]:
        (tmp_path / "scene" / name).write_bytes(b"no image")
    bad = tmp_path / "bad.txt"
    result = call(run, "data", "check", "--data", path, "--output", str(bad), "--json")
    shown = {f"scene/{name}".replace("\udce9", r"\xe9") for name in NAMES[:-1]}
    assert result.return_value == 1 and set(json.loads(result.stdout)[0]["bad"]) == shown
    printed = call(run, "data", "check", "--data", path, "--output", str(bad)).stdout
    assert all(name in printed for name in shown), "names are neither markup nor cut"
    Path(path).write_text(Path(path).read_text() + f"  exclude: {bad}\n")
    record = json.loads(call(run, "evaluate", LIGHT, "--data", path, "--json").stdout)
    assert record["pairs"] == 1 and record["left_out"]["excluded_pairs"] == len(NAMES) - 1
    assert record["left_out"]["unmatched_exclusions"] == []


def test_stray_files_and_folders_do_not_fail_a_check_but_similar_names_are_reported(run, tmp_path):
    path = data_file(tmp_path, "middlebury")
    for folder in ("other-data", "other-gt-flow", "other-gt-flow/Venus"):
        (tmp_path / "middlebury" / folder / "@eaDir").mkdir()
        (tmp_path / "middlebury" / folder / "stray.txt").write_text("")
    words = ["data", "check", "--data", path, "--output", str(tmp_path / "bad.txt")]
    result = call(run, *words)
    assert result.return_value == 0 and "ignored" not in result.stdout
    put_flo(tmp_path / "middlebury" / "other-gt-flow" / "Mine" / "flow10.flo", flow(1))
    result = call(run, *words)
    assert result.return_value == 0
    assert "not of the official middlebury (1): other-gt-flow/Mine; to use them" in " ".join(result.stdout.split())
    assert json.loads(call(run, *words, "--json").stdout)[0]["ignored"] == ["other-gt-flow/Mine"]
