"""Points of the front: those of search and enumeration."""

import base64
import json
import shutil
from dataclasses import replace

import h5py
import numpy as np

from search.report.contents import read
from search.report.course import hypervolume_section, work_section
from search.report.explorer import explorer_data, select_representatives
from search.report.front import front_section
from search.report.points import collect_points
from search.report.summary import make_key_figures
from tests.search.report.made import csv_rows, embedded, exact_scores, searched


def test_points_are_those_of_search_and_enumeration(written, demo):
    rows = csv_rows(written / "report" / "front.csv")
    assert len(rows) == demo.space.size == 19_683
    assert {row["architecture"]: float(row["epe"]) for row in rows} == {
        demo.space.format(architecture): epe for architecture, epe in exact_scores().items()
    }
    with h5py.File(demo.search_file, "r") as file:
        archive = {"".join(map(str, genes)) for genes in file["archive/genes"][()].tolist()}
        requested = int(file["archive/requested"][()].sum())
    assert {row["architecture"] for row in rows if row["origin"] != "enumerated only"} == archive
    assert sum(row["origin"] == "requested" for row in rows) == requested
    scored = [row for row in rows if row["origin"] != "enumerated only"]
    values = np.array([[float(row["epe"]), -float(row["fps"])] for row in scored])
    best = [i for i, value in enumerate(values) if not ((values <= value).all(1) & (values < value).any(1)).any()]
    assert {scored[i]["architecture"] for i in best} == {row["architecture"] for row in rows if row["on_front"] == "1"}


def test_page_contains_the_same_points_to_the_last_bit(written):
    rows = csv_rows(written / "report" / "front.csv")
    (run,) = embedded((written / "report.html").read_text())["front"]["runs"]
    columns = {name: _decode(column) for name, column in run["columns"].items()}
    for name in ("epe", "fps", "latency_ms", "sram_kib", "npu_cycles"):
        assert columns[name].tolist() == [float(row[name]) for row in rows]
    names = ["".join(map(str, genes)) for genes in columns["genes"].reshape(-1, 9).tolist()]
    assert names == [row["architecture"] for row in rows]
    assert columns["front"].tolist() == [int(row["on_front"]) for row in rows]


def _decode(column):
    return np.frombuffer(base64.b64decode(column["base64"]), {"f8": "<f8", "i4": "<i4", "u1": "u1"}[column["type"]])


def test_representatives_are_the_ends_of_the_front_and_a_point_between(demo):
    points = collect_points(read(demo.folder))
    best, middle, fast = select_representatives(points)
    front = np.flatnonzero(points.front)
    assert points.columns["epe"][best] == points.columns["epe"][front].min()
    assert points.columns["fps"][fast] == points.columns["fps"][front].max()
    fps = points.columns["fps"]
    assert points.front[middle] and fps[best] < fps[middle] < fps[fast]


def test_exact_front_of_a_space_scored_in_another_way_is_ignored(demo, tmp_path):
    run = searched(tmp_path / "run", 1, "evaluation.calibration_pairs=32", enumerated=False)
    shutil.copy(str(demo.space_file), str(run.space_file))
    assert read(run.folder).exact is None
    assert "not known" in hypervolume_section([read(run.folder)]).text[0]


def test_cycles_of_parts_follow_from_three_compiled_architectures(demo, monkeypatch):
    from search.report import parts

    cycles = {"E0": (5, 5, 5), "EB0": (10, 20, 30), "H2Out": (1, 2, 4), "accumulation": (7, 7, 7)}

    class Layer:
        def __init__(self, name, npu_cycles):
            self.operator, self.target, self.name, self.npu_cycles = "Conv2D", "NPU", name, npu_cycles

    class Entry:
        def __init__(self, option):
            self.layers = [Layer(f"{name}/x" if name != "accumulation" else "flow", values[option])
                           for name, values in cycles.items()]  # fmt: skip

    class FakeCompiler:
        def inspect(self, networks, architecture):
            assert len(set(architecture)) == 1
            return Entry(architecture[0])

    monkeypatch.setattr(parts.Compiler, "from_config", lambda config: FakeCompiler())
    assert parts.compile_part_cycles(demo) == {"E0": [5], "EB0": [10, 20, 30], "H2Out": [1, 2, 4], "accumulation": [7]}


def test_explorer_without_points_is_none(demo):
    assert explorer_data([read(demo.folder)], [None], [None]) is None
    assert json.dumps(explorer_data([read(demo.folder)], [collect_points(read(demo.folder))], [None]), allow_nan=False)


def test_scored_means_the_same_on_the_whole_page(demo):
    """Architectures whose EPE is only known from an enumeration are not called scored by the search."""
    contents = read(demo.folder)
    archive = contents.archive
    counts = f"{archive.evaluations:,} architectures requested and {len(archive):,} of 19,683 scored by the search"
    text = front_section([contents], [collect_points(contents)]).text[0]
    assert text.startswith(counts + "; the EPE of all others is known from `enumerate`")
    figures = {figure.name: figure for figure in make_key_figures(contents, collect_points(contents))}
    assert figures["Scored by the search"].value == f"{len(archive):,}"
    assert figures["Scored by the search"].note.endswith(f"{archive.evaluations:,} requested")
    (work,) = work_section([contents]).text
    assert f"{archive.evaluations:,} architectures requested and {len(archive):,} scored" in work
    enumerated = replace(contents, archive=None, generations=None)
    text = front_section([enumerated], [collect_points(enumerated)]).text[0]
    assert text.startswith("all 19,683 architectures are scored by `enumerate`")
