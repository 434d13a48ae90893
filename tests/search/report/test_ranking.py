"""Results of `rank` on the page."""

import json

import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_text
from search.report.contents import read
from search.report.ranking import ranking_section
from search.run import Run
from tests.search.report.made import CONFIG, csv_rows


def test_section_shows_the_rankings_of_all_weights(written, demo):
    content = json.loads(demo.rank_file.read_text())
    section = ranking_section([read(demo.folder)])
    scatter, trend, agreement = section.charts
    assert [list(series.x) for series in scatter.series] == [content["rankings"][at]["epe"] for at in (3, 2)]
    assert all(list(series.y) == content["children"]["epe"] for series in scatter.series)
    assert scatter.series[1].labels == content["architectures"] and "epoch 2" in scatter.series[1].name
    for series, own in zip(trend.series, (False, True)):
        taus = [ranking["kendall_tau"] for ranking in content["rankings"] if ranking["recalibrated"] is own]
        assert list(series.x) == [1, 2]
        for key, values in (("value", series.y), ("low", series.low), ("high", series.high)):
            assert list(values) == [tau[key] for tau in taus]
    for series, ranking in zip(agreement.series, (content["rankings"][at] for at in (3, 2))):
        figures = ["kendall_tau", "spearman_rho", "pearson_r", "top_1_overlap"]
        for key, values in (("value", series.y), ("low", series.low), ("high", series.high)):
            assert list(values) == [ranking[name][key] for name in figures]
    tau = content["rankings"][2]["kendall_tau"]
    assert f"tau of {tau['value']:.3f} ({tau['low']:.2f} to {tau['high']:.2f})" in section.text[0]
    rows = csv_rows(written / "report" / "ranking.csv")
    tau_rows = [row for row in rows if row["x"] == "tau" and row["series"].endswith("epoch 2")]
    assert [(float(row["low"]), float(row["high"])) for row in tau_rows] == [(tau["low"], tau["high"])]


def test_section_is_absent_without_rankings_and_damage_is_reported(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run")
    run.write_config()
    assert ranking_section([read(run.folder)]) is None
    write_text(run.rank_file, '{"n": 3}')
    with pytest.raises(InputError, match="rank.json: is damaged or from an earlier version"):
        ranking_section([read(run.folder)])
