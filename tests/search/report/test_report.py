"""The report compared with the files it is made from, and page, PNG and CSV compared with one another."""

import html
import html.parser
import re
import shutil

import cv2
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_text
from search.hints import folder_options, format_command
from search.report.chart import Chart, ReportSection, Series, Table
from search.report.contents import name_runs, read, share_reference_point
from search.report.page import render_page
from search.report.report import make_page
from search.report.retraining import retraining_section
from search.run import Run
from tests.search.report.made import (
    CONFIG,
    alone,
    csv_rows,
    embedded,
    picture,
    report,
    searched,
    searched_eleven_genes,
)

SECTIONS = (
    "front", "flow", "hypervolume", "work", "genes", "training", "fairness", "ranking", "retraining", "final", "repeat",
)  # fmt: skip


def test_every_section_is_on_the_page_and_has_png_and_csv_files(written):
    text = (written / "report.html").read_text()
    for key in SECTIONS:
        assert f'<section id="{key}">' in text
        assert cv2.imread(str(written / "report" / f"{key}.png")).shape[1] > 600
        assert (written / "report" / f"{key}.csv").stat().st_size > 5


def test_ids_of_elements_are_unique(written):
    """Otherwise a link leads to the wrong element, and the style of one element applies to another."""
    ids = re.findall(r' id="([^"]+)"', (written / "report.html").read_text())
    assert len(ids) == len(set(ids)) > len(SECTIONS)


@pytest.mark.parametrize("key", [key for key in SECTIONS if key not in ("front", "flow", "repeat")])
def test_page_and_csv_contain_the_same_values(written, key):
    charts = embedded((written / "report.html").read_text())["charts"]
    shown = [
        (series["name"], str(x), float(y))
        for name, chart in charts.items()
        if name.rsplit("-", 1)[0] == key
        for series in chart["series"]
        for x, y in zip(series["x"], series["y"])
    ]
    stored = [(row["series"], row["x"], float(row["y"])) for row in csv_rows(written / "report" / f"{key}.csv")]
    assert shown == stored and shown


def test_runs_in_folders_of_the_same_name_get_unique_names(tmp_path):
    """For example, the same run of two checkouts."""
    folders = [searched(tmp_path / place / "run", 1, enumerated=False).folder for place in ("mine", "theirs")]
    assert name_runs([*folders, tmp_path / "other"]) == ["mine/run", "theirs/run", "other"]
    assert name_runs(folders[:1]) == ["run"]
    assert report(*folders, "--output", tmp_path / "both.html").exit_code == 0
    runs = embedded((tmp_path / "both.html").read_text())["front"]["runs"]
    assert [run["name"] for run in runs] == ["mine/run", "theirs/run"]
    with pytest.raises(InputError, match="named twice"):
        report(folders[0], folders[0])


def test_run_without_shared_weights_shows_children_instead_of_a_supernet(tmp_path):
    run = alone(tmp_path / "alone")
    contents = read(run.folder)
    section = retraining_section([contents])
    (chart,) = section.charts
    tasks = [contents.queue.task(index).config for index in range(4)]
    assert "tau" not in section.text[0] and "trained alone" in section.text[0]
    assert list(chart.series[0].x) == [task.found.fps for task in tasks]
    assert list(chart.series[0].y) == [2.5, 2.25, 2.0, 1.75]
    assert not any("supernet" in heading for heading in section.tables[0].headings)
    assert report(run.folder).exit_code == 0
    rows = csv_rows(run.folder / "report" / "front.csv")
    assert {row["architecture"] for row in rows} == {task.architecture for task in tasks}
    text = (run.folder / "report.html").read_text()
    assert "there is no supernet to train" in text and "4 architectures retrained" in text
    assert "recipe, SHA-256" in text and "supernet, SHA-256" not in text


def test_new_run_says_what_is_missing(tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["supernet=null"])
    run.write_config()
    assert report(run.folder).exit_code == 0
    text = (run.folder / "report.html").read_text()
    for expected in ("Nothing is scored yet", "no search yet", "no generation yet", "no training log", "no counts",
                     "no retrain queue yet", "No retrained networks yet"):  # fmt: skip
        assert expected in text
    assert embedded(text)["front"] is None


def test_several_runs_share_a_report(written, demo, folder):
    searched(folder / "short", 1, "seed=2", enumerated=False)
    assert report(demo.folder, folder / "short", "--output", folder / "both.html").exit_code == 0
    data = embedded((folder / "both.html").read_text())
    assert [run["name"] for run in data["front"]["runs"]] == ["demo", "short"]
    names = [series["name"] for series in data["charts"]["hypervolume-0"]["series"]]
    assert names == ["demo", "short", "exact"]
    rows = csv_rows(folder / "both" / "front.csv")
    assert {row["run"] for row in rows} == {"demo", "short"}


def test_runs_of_different_spaces_share_a_report(demo, folder):
    other = searched_eleven_genes(folder / "eleven")
    assert report(demo.folder, other.folder, "--output", folder / "spaces.html").exit_code == 0
    data = embedded((folder / "spaces.html").read_text())
    for shown, run in zip(data["front"]["runs"], (demo, other)):
        assert [(gene["name"], gene["options"]) for gene in shown["space"]] == [
            (gene.name, list(gene.options)) for gene in run.space.genes
        ]
    assert {"option 0/2", "option 1/2", "option 0/3", "option 2/3"} <= set(data["colours"]["light"])
    rows = csv_rows(folder / "spaces" / "front.csv")
    assert {(row["run"], len(row["architecture"])) for row in rows} == {("demo", 9), ("eleven", 11)}
    volumes = {series["name"]: series["y"] for series in data["charts"]["hypervolume-0"]["series"]}
    mine, others = share_reference_point([read(demo.folder), read(other.folder)])
    assert mine.objectives.reference_point == others.objectives.reference_point
    assert volumes["demo"] == mine.measure_course() and volumes["eleven"] == others.measure_course()


def test_commands_in_a_report_of_several_runs_name_the_run(demo, tmp_path):
    run = searched(tmp_path / "other", 1, "evaluation.calibration_pairs=32", enumerated=False)
    text, _ = make_page([read(demo.folder), read(run.folder)], lambda contents: None, picture)
    hint = format_command(["enumerate", *folder_options(run.folder)])
    assert hint in html.unescape(re.sub("<[^>]+>", "", text))


HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>`\"'&{{ 7*7 }}"


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_text_from_files_is_escaped():
    chart = Chart(HOSTILE, HOSTILE, HOSTILE, (Series(HOSTILE, [1], [1.0], "run 0", labels=(HOSTILE,)),))
    section = ReportSection("x", HOSTILE, (HOSTILE,), (chart,), (Table(HOSTILE, (HOSTILE,), ((HOSTILE,),)),))
    text = render_page(HOSTILE, HOSTILE, (), None, [section], None, "report")
    tags = _Tags()
    tags.feed(text)
    assert not [tag for tag, attributes in tags.seen if tag == "img" or "onerror" in attributes]
    assert sum(tag == "script" for tag, _ in tags.seen) == 4
    assert embedded(text)["charts"]["x-0"]["series"][0]["name"] == HOSTILE


def test_page_needs_no_network(written):
    text = (written / "report.html").read_text()
    markup = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.S)
    assert len(text) < 3_000_000
    assert "default-src 'none'" in markup and not re.search(r"(src|href)=\"(https?:)?//", markup)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "contains no run"),
        (lambda folder: write_text(folder / "search.h5", "x" * 900), "search.h5: is truncated or damaged"),
        (lambda folder: write_text(folder / "final_front.csv", "int8_epe\nx\n"), "final_front.csv: is dam"),
        (lambda folder: write_text(folder / "hardware.json", "{"), "hardware.json: is damaged"),
    ],
)
def test_damaged_files_are_named(demo, tmp_path, damage, message):
    shutil.copytree(str(demo.folder), str(tmp_path / "run"))
    damage(tmp_path / "run")
    with pytest.raises(InputError, match=re.escape(message)):
        report(tmp_path / "run")
