"""Hypervolume, work and genes over the generations, compared with the checkpoint."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from search.nsga2.objectives import hypervolume
from search.report.contents import Generations, read, share_reference_point
from search.report.course import hypervolume_section, work_section
from search.report.genes import genes_section
from tests.search.report.made import REFERENCE, searched


def test_hypervolume_and_duplicates_equal_those_of_the_generations(demo):
    contents = read(demo.folder)
    with h5py.File(demo.search_file, "r") as file:
        course = [dict(file["generations"][name].attrs) for name in sorted(file["generations"])]
        archive = {name: file["archive"][name][()] for name in ("epe", "fps", "generation")}
    points = np.stack([archive["epe"], -archive["fps"]], axis=1)
    worst = [contents.exact.column("epe").max(), -contents.exact.column("fps").min()]
    volumes = [hypervolume(points[archive["generation"] <= number], worst) for number in range(3)]
    section = hypervolume_section([contents])
    for chart, name in zip(section.charts, (None, "evaluations", "wall_s")):
        series, exact = chart.series
        assert series.y == pytest.approx(volumes)
        assert list(series.x) == (list(range(3)) if name is None else [generation[name] for generation in course])
        assert exact.dashed and list(exact.y) == pytest.approx([_exact_hypervolume()] * 2, rel=1e-9)
    _, avoided = work_section([contents]).charts
    assert np.cumsum(avoided.series[0].y).tolist() == [generation["duplicates"] for generation in course]


def test_share_of_one_architecture_is_small(demo):
    """From a distant reference point, the lightest architecture alone would have 97 % of the exact hypervolume."""
    contents = read(demo.folder)
    points = contents.objectives.points(contents.exact, np.arange(len(contents.exact)))
    shares = [contents.objectives.hypervolume(point[None]) for point in points[[0, -1]]]
    assert max(shares) < 0.2 * contents.hypervolume(contents.exact)


def test_hypervolume_without_exact_scores_is_that_of_the_search(tmp_path):
    run = searched(tmp_path / "run", 3, "supernet=" + str(tmp_path / "trained" / "supernet.h5"), enumerated=False)
    contents = replace(read(run.folder), exact=None)
    assert contents.measure_course() == pytest.approx(contents.generations.hypervolume)
    assert contents.objectives.reference_point == contents.generations.reference_point[-1]
    text = hypervolume_section([contents]).text[0]
    assert contents.objectives.describe_reference() in text


def test_hypervolumes_of_several_runs_have_one_reference_point(tmp_path):
    runs = [
        replace(read(searched(tmp_path / name, 2, f"seed={seed}", enumerated=False).folder), exact=None)
        for seed, name in enumerate("ab")
    ]
    first, second = runs
    point = {"epe": 1.5, "fps": first.objectives.reference_point["fps"]}
    second.generations.reference_point[-1].update(point)  # as of a search whose first generation is worse
    shared = share_reference_point(runs)
    assert [run.objectives.reference_point for run in shared] == [point, point]
    assert shared[0].measure_course()[-1] > first.measure_course()[-1]
    assert shared[0].measure_course()[-1] == shared[0].hypervolume(first.archive)
    assert share_reference_point([first, first]) == [first, first]


def _exact_hypervolume():
    with h5py.File(str(REFERENCE / "space.h5"), "r") as file:
        return float(file.attrs["hypervolume"])


def test_shares_of_options_equal_those_of_the_populations(demo):
    charts = genes_section([read(demo.folder)]).charts
    with h5py.File(demo.search_file, "r") as file:
        population = file["generations/0001/genes"][()]
    for gene, chart in enumerate(charts):
        expected = [float((population[:, gene] == option).mean()) for option in range(3)]
        assert [series.y[1] for series in chart.series] == pytest.approx(expected)
        assert sum(series.y[1] for series in chart.series) == pytest.approx(1.0)


def test_single_generation_has_no_charts_of_genes(tmp_path):
    contents = read(searched(tmp_path / "run", 1, enumerated=False).folder)
    section = genes_section([contents])
    assert not section.charts and "after 1 generation" in section.text[0]
    later = replace(contents, generations=Generations(*[2 * values for values in contents.generations]))
    both = genes_section([contents, later])
    assert len(both.charts) == len(contents.run.space.genes) and len(both.text) == 2
