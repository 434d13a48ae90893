"""What `rank` found, on the page."""

import json

import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_text
from search.report.contents import read
from search.report.ranking import ranking_section
from search.run import Run
from tests.search.report.made import CONFIG, csv_rows


def test_ranking_by_each_of_the_weights(written, demo):
    content = json.loads(demo.rank_file.read_text())
    section = ranking_section([read(demo.folder)])
    scatter, trend, agreement = section.charts
    assert [list(series.x) for series in scatter.series] == [content["rankings"][at]["epe"] for at in (3, 2)]
    assert all(list(series.y) == content["children"]["epe"] for series in scatter.series)
    assert scatter.series[1].labels == content["architectures"] and "epoch 2" in scatter.series[1].name
    for series, own in zip(trend.series, (False, True)):
        taus = [each["kendall_tau"] for each in content["rankings"] if each["recalibrated"] is own]
        assert list(series.x) == [1, 2]
        for what, found in (("value", series.y), ("low", series.low), ("high", series.high)):
            assert list(found) == [tau[what] for tau in taus]
    for series, ranking in zip(agreement.series, (content["rankings"][at] for at in (3, 2))):
        named = ["kendall_tau", "spearman_rho", "pearson_r", "top_1_overlap"]
        for what, found in (("value", series.y), ("low", series.low), ("high", series.high)):
            assert list(found) == [ranking[name][what] for name in named]
    tau = content["rankings"][2]["kendall_tau"]
    assert f"tau of {tau['value']:.3f} ({tau['low']:.2f} to {tau['high']:.2f})" in section.text[0]
    rows = csv_rows(written / "report" / "ranking.csv")
    found = [row for row in rows if row["x"] == "tau" and row["series"].endswith("epoch 2")]
    assert [(float(row["low"]), float(row["high"])) for row in found] == [(tau["low"], tau["high"])]


def test_without_rankings_there_is_no_such_section(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run")
    run.write_config()
    assert ranking_section([read(run.folder)]) is None
    write_text(run.rank_file, '{"n": 3}')
    with pytest.raises(InputError, match="rank.json: is damaged or of an earlier version"):
        ranking_section([read(run.folder)])
