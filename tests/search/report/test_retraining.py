"""The queue, and the front of the retrained networks."""

import csv
import shutil

from edgeflownas.storage.files import write_csv
from search.report.contents import read
from search.report.final import final_section
from search.report.retraining import retraining_section
from search.run import Run
from tests.search.queue.small import finish
from tests.search.report.made import CONFIG, queued, searched


def test_sections_show_the_queue_and_the_final_front(demo):
    contents = read(demo.folder)
    section = retraining_section([contents])
    assert "2 done, 2 queued" in section.text[0] and "n = 2" in section.text[0]
    prediction, curves = section.charts
    assert prediction.series[0].y == [1.0, 2.0] and len(curves.series) == 2
    final = final_section([contents])
    assert "cannot be compared" in final.text[0]
    assert final.tables[0].rows[0][2:5] == (1.0, 1.5, 1.75), "retrained, with the board's input, in int8"
    assert final.charts[0].series[1].y == [1.75, 2.75]
    assert "EPE in float32 with the input of the board and EPE in int8" in final.text[1] and "n = 2" in final.text[1]


def test_final_front_without_int8_is_not_shown(demo, tmp_path):
    run = queued(searched(tmp_path / "run", 1))
    with run.final_front_file.open() as file:
        rows = list(csv.DictReader(file))
    write_csv(run.final_front_file, [{key: row[key] for key in row if key != "int8_epe"} for row in rows])
    section = final_section([read(run.folder)])
    assert "queue collect --config" in section.text[0] and not section.charts


def test_edgeflownet_is_shown_where_it_is_comparable(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["data.height=176", "data.width=224"])
    run.write_config()
    text = demo.final_front_file.read_text()
    run.final_front_file.write_text(text.replace("32x32", "172x224"))
    section = final_section([read(run.folder)])
    assert section.tables[0].rows[-1][0] == "EdgeFlowNet"
    assert section.charts[0].series[-1].x == [5.32, 5.32]


def test_architectures_dominated_since_are_marked_in_the_final_front(demo, tmp_path):
    run = queued(searched(tmp_path / "run", 1))
    section = final_section([read(run.folder)])
    assert len(section.text) == 2 and {row[-1] for row in section.tables[0].rows} == {""}
    shutil.copy(str(searched(tmp_path / "longer", 4).search_file), str(run.search_file))
    contents = read(run.folder)
    front = {run.space.format(genes) for genes in contents.archive.architectures(contents.front(contents.archive))}
    section = final_section([contents])
    marks = {row[0]: row[-1] for row in section.tables[0].rows}
    assert marks == {name: "" if name in front else "dominated since" for name in marks}
    tasks = [contents.queue.task(index).config.architecture for index in contents.queue.indices]
    dominated = [name for name in tasks if name not in front]
    assert dominated and f"dominated {len(dominated)} of the queue's 4 architectures ({', '.join(dominated)})" in (
        section.text[2]
    )


def test_final_front_says_if_it_is_not_that_of_the_queue(demo, tmp_path):
    run = queued(searched(tmp_path / "run", 2))
    contents = read(run.folder)
    finish(contents.queue, 2, 1.5)
    assert "`queue collect` updates them" in final_section([read(run.folder)]).text[-1]
