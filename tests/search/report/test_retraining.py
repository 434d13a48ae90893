"""The queue, and the front of the retrained networks."""

import shutil

from search.report.contents import read
from search.report.final import final_section
from search.report.retraining import retraining_section
from search.run import Run
from tests.search.report.made import CONFIG


def test_sections_show_the_queue_and_the_final_front(demo):
    contents = read(demo.folder)
    section = retraining_section([contents])
    assert "2 done, 2 queued" in section.text[0] and "n = 2" in section.text[0]
    prediction, curves = section.charts
    assert prediction.series[0].y == [1.0, 2.0] and len(curves.series) == 2
    final = final_section([contents])
    assert "cannot be compared" in final.text[0] and final.tables[0].rows[0][1] == 1.0


def test_edgeflownet_is_shown_where_it_is_comparable(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["data.height=176", "data.width=224"])
    run.write_config()
    shutil.copy(str(demo.final_front_file), str(run.final_front_file))
    section = final_section([read(run.folder)])
    assert section.tables[0].rows[-1][0] == "EdgeFlowNet"
    assert section.charts[0].series[-1].x == [5.32, 5.32]
