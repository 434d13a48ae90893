"""The queue, and the front of what was retrained."""

import shutil

from search.report.contents import read
from search.report.final import final_section
from search.report.retraining import retraining_section
from search.run import Run
from tests.search.report.made import CONFIG


def test_the_queue_and_the_final_front(demo):
    contents = read(demo.folder)
    section = retraining_section([contents])
    assert "2 done, 2 queued" in section.text[0] and "n = 2" in section.text[0]
    promised, curves = section.charts
    assert promised.series[0].y == [1.0, 2.0] and len(curves.series) == 2
    final = final_section([contents])
    assert "cannot be compared" in final.text[0] and final.tables[0].rows[0][1] == 1.0


def test_edgeflownet_stands_beside_what_it_may_be_compared_with(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["data.height=176", "data.width=224"])
    run.write_config()
    shutil.copy(str(demo.final_front_file), str(run.final_front_file))
    section = final_section([read(run.folder)])
    assert section.tables[0].rows[-1][0] == "EdgeFlowNet"
    assert section.charts[0].series[-1].x == [5.32, 5.32]
