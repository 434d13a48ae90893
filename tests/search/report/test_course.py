"""Hypervolume, work and genes over the generations, compared with the checkpoint."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from search.report.contents import Generations, read
from search.report.course import hypervolume_section, work_section
from search.report.genes import genes_section
from tests.search.report.made import REFERENCE, searched


def test_hypervolume_and_duplicates_equal_those_of_the_generations(demo):
    contents = read(demo.folder)
    with h5py.File(demo.search_file, "r") as file:
        course = [dict(file["generations"][name].attrs) for name in sorted(file["generations"])]
    section = hypervolume_section([contents])
    for chart, name in zip(section.charts, (None, "evaluations", "wall_s")):
        series, exact = chart.series
        assert series.y == [generation["hypervolume"] for generation in course]
        assert list(series.x) == (list(range(3)) if name is None else [generation[name] for generation in course])
        assert exact.dashed and list(exact.y) == pytest.approx([_exact_hypervolume()] * 2, rel=1e-9)
    _, avoided = work_section([contents]).charts
    assert np.cumsum(avoided.series[0].y).tolist() == [generation["duplicates"] for generation in course]


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
