"""What the report says against the files it is made from, and page, PNG and CSV against each other."""

import base64
import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from edgeflownas.config import dump
from edgeflownas.errors import InputError
from edgeflownas.files import write_json, write_text
from search.cli import cli
from search.report import images
from search.report.chart import Chart, Section, Series, Table, counted
from search.report.contents import Generations, names, read
from search.report.course import hypervolume_section, work_section
from search.report.explorer import chosen, explorer_data
from search.report.final import final_section
from search.report.genes import genes_section
from search.report.origin import origin_section
from search.report.page import page
from search.report.points import points
from search.report.ranking import ranking_section
from search.report.retraining import retraining_section
from search.report.tables import section_csv, tables_csv
from search.report.training import fairness_section, training_section
from search.run import Run
from tests.search.report.made import CONFIG, REFERENCE, alone, embedded, exact_scores, searched

SECTIONS = (
    "front", "flow", "hypervolume", "work", "genes", "training", "fairness", "ranking", "retraining", "final", "repeat",
)  # fmt: skip


def report(*words):
    arguments = ["report", *map(str, words), "--pairs", "0", "--no-parts"]
    return CliRunner(mix_stderr=False).invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def written(page):
    return page.parent


def csv_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_section_is_on_the_page_and_beside_it_as_png_and_csv(written):
    text = (written / "report.html").read_text()
    for key in SECTIONS:
        assert f'<section id="{key}">' in text
        assert cv2.imread(str(written / "report" / f"{key}.png")).shape[1] > 600
        assert (written / "report" / f"{key}.csv").stat().st_size > 5


def test_no_two_elements_have_one_id(written):
    """Else a link leads to the wrong one, and what is laid out for one changes the other."""
    ids = re.findall(r' id="([^"]+)"', (written / "report.html").read_text())
    assert len(ids) == len(set(ids)) > len(SECTIONS)


def test_the_points_are_those_of_search_and_enumeration(written, demo):
    rows = csv_rows(written / "report" / "front.csv")
    assert len(rows) == demo.space.size == 19_683
    assert {row["architecture"]: float(row["epe"]) for row in rows} == {
        demo.space.format(each): epe for each, epe in exact_scores().items()
    }
    with h5py.File(demo.search_file, "r") as file:
        archive = {"".join(map(str, genes)) for genes in file["archive/genes"][()].tolist()}
        asked = int(file["archive/requested"][()].sum())
    assert {row["architecture"] for row in rows if row["origin"] != "enumerated only"} == archive
    assert sum(row["origin"] == "asked for" for row in rows) == asked
    scored = [row for row in rows if row["origin"] != "enumerated only"]
    values = np.array([[float(row["epe"]), -float(row["fps"])] for row in scored])
    best = [i for i, value in enumerate(values) if not ((values <= value).all(1) & (values < value).any(1)).any()]
    assert {scored[i]["architecture"] for i in best} == {row["architecture"] for row in rows if row["on_front"] == "1"}


def test_the_page_holds_the_same_points_to_the_last_bit(written):
    rows = csv_rows(written / "report" / "front.csv")
    (run,) = embedded((written / "report.html").read_text())["front"]["runs"]
    columns = {name: _decoded(each) for name, each in run["columns"].items()}
    for name in ("epe", "fps", "latency_ms", "sram_kib", "npu_cycles"):
        assert columns[name].tolist() == [float(row[name]) for row in rows]
    digits = columns["genes"].reshape(-1, 9)
    assert ["".join(map(str, each)) for each in digits.tolist()] == [row["architecture"] for row in rows]
    assert columns["front"].tolist() == [int(row["on_front"]) for row in rows]


def _decoded(column):
    return np.frombuffer(base64.b64decode(column["base64"]), {"f8": "<f8", "i4": "<i4", "u1": "u1"}[column["type"]])


@pytest.mark.parametrize("key", [key for key in SECTIONS if key not in ("front", "flow", "repeat")])
def test_page_and_csv_hold_the_same_values(written, key):
    charts = embedded((written / "report.html").read_text())["charts"]
    shown = [
        (series["name"], str(x), float(y))
        for name, chart in charts.items()
        if name.rsplit("-", 1)[0] == key
        for series in chart["series"]
        for x, y in zip(series["x"], series["y"])
    ]
    kept = [(row["series"], row["x"], float(row["y"])) for row in csv_rows(written / "report" / f"{key}.csv")]
    assert shown == kept and shown


def test_a_png_is_drawn_from_the_same_values():
    lines = Series("a", [0, 1, 2], [3.0, 1.0, 2.5], "run 0", "front", labels=("x", "y", "z"))
    dots = Series("b", [0.5, 1.5], [2.0, 4.0], "option 1/3", "points")
    areas = tuple(Series(str(i), [0, 1], [0.25 + i / 2, 0.75 - i / 2], f"option {i}/2", "area") for i in range(2))
    bars = tuple(Series(str(i), ["EB0", "EB1"], [4.0 + i, 5.0], f"option {i}/2", "bars") for i in range(2))
    charts = (Chart("", "", "", (lines, dots)), Chart("", "", "", areas, share=True), Chart("", "", "", bars))
    axes = images.section_figure(Section("key", "Title", charts=charts)).axes
    assert [line.get_xydata().tolist() for line in axes[0].lines] == [
        [[0, 3.0], [1, 1.0], [2, 2.5]], [[0.5, 2.0], [1.5, 4.0]],
    ]  # fmt: skip
    assert axes[0].lines[0].get_drawstyle() == "steps-pre"
    tops = [max(y for _, y in area.get_paths()[0].vertices) for area in axes[1].collections]
    assert tops == [0.75, 1.0]
    assert sorted(bar.get_height() for bar in axes[2].patches) == [4.0, 5.0, 5.0, 5.0]


def test_intervals_of_bars_are_drawn():
    bars = Series("a", ["tau", "rho"], [0.5, 0.25], "run 0", "bars", low=[0.25, 0.25], high=[1.0, 0.75])
    (axes,) = images.section_figure(Section("key", "Title", charts=(Chart("", "", "", (bars,)),))).axes
    ends = [segment[:, 1].tolist() for segment in axes.collections[0].get_segments()]
    assert ends == [[0.25, 1.0], [0.25, 0.75]]


def test_hypervolume_and_duplicates_are_those_of_the_generations(demo):
    contents = read(demo.folder)
    with h5py.File(demo.search_file, "r") as file:
        course = [dict(file["generations"][name].attrs) for name in sorted(file["generations"])]
    section = hypervolume_section([contents])
    for chart, name in zip(section.charts, (None, "evaluations", "wall_s")):
        series, exact = chart.series
        assert series.y == [each["hypervolume"] for each in course]
        assert list(series.x) == (list(range(3)) if name is None else [each[name] for each in course])
        assert exact.dashed and list(exact.y) == pytest.approx([_exact_hypervolume()] * 2, rel=1e-9)
    _, avoided = work_section([contents]).charts
    assert np.cumsum(avoided.series[0].y).tolist() == [each["duplicates"] for each in course]


def _exact_hypervolume():
    with h5py.File(str(REFERENCE / "space.h5"), "r") as file:
        return float(file.attrs["hypervolume"])


def test_shares_of_options_are_those_of_the_populations(demo):
    charts = genes_section([read(demo.folder)]).charts
    with h5py.File(demo.search_file, "r") as file:
        population = file["generations/0001/genes"][()]
    for gene, chart in enumerate(charts):
        expected = [float((population[:, gene] == option).mean()) for option in range(3)]
        assert [series.y[1] for series in chart.series] == pytest.approx(expected)
        assert sum(series.y[1] for series in chart.series) == pytest.approx(1.0)


def test_a_single_generation_leaves_no_empty_charts_of_genes(tmp_path):
    contents = read(searched(tmp_path / "run", 1, enumerated=False).folder)
    section = genes_section([contents])
    assert not section.charts and "after 1 generation" in section.text[0]
    later = replace(contents, generations=Generations(*[2 * each for each in contents.generations]))
    both = genes_section([contents, later])
    assert len(both.charts) == len(contents.run.space.genes) and len(both.text) == 2


def test_runs_in_folders_of_one_name_are_told_apart(tmp_path):
    """Such as the same run of two checkouts."""
    folders = [searched(tmp_path / place / "run", 1, enumerated=False).folder for place in ("mine", "theirs")]
    assert names([*folders, tmp_path / "other"]) == ["mine/run", "theirs/run", "other"]
    assert names(folders[:1]) == ["run"]
    assert report(*folders, "--output", tmp_path / "both.html").exit_code == 0
    runs = embedded((tmp_path / "both.html").read_text())["front"]["runs"]
    assert [each["name"] for each in runs] == ["mine/run", "theirs/run"]
    with pytest.raises(InputError, match="named twice"):
        report(folders[0], folders[0])


def test_an_unfair_training_is_not_called_fair(demo):
    contents = read(demo.folder)
    assert "equally often" in fairness_section([contents]).text[0]
    (training,) = contents.trainings
    counts = {**training.fairness, "EB1": [12288, 12288, 12287]}
    unfair = replace(contents, trainings=[training._replace(fairness=counts)])
    said = fairness_section([unfair]).text[0]
    assert "one 1 time more" in said and "FairNAS" not in said


def test_what_is_left_of_paths_that_do_not_divide_is_not_unfair(demo):
    contents = read(demo.folder)
    (training,) = contents.trainings
    for counts, fair in (([3, 2, 2, 2], True), ([3, 3, 2, 1], False)):
        uneven = training._replace(fairness={"EB0": [3, 3, 3], "EB1+DB0": counts})
        (said,) = fairness_section([replace(contents, trainings=[uneven])]).text
        assert ("FairNAS" in said) == fair, counts


def test_a_training_in_stages_shows_each_of_them(tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["strategy=staged", "supernet=null"])
    run.write_config()
    for name, epe in (("stage1", 3.0), ("stage2", 2.0), ("", 1.0)):
        (run.supernet_folder / name).mkdir(parents=True, exist_ok=True)
        log = f"epoch,steps,loss,epe,share,wall_s\n1,9,2.0,{epe},0.5,1\n"
        write_text(run.supernet_folder / name / "log.csv", log)
        counts = {"EB0": [9, 9], "EB1+DB0": [6, 6, 6]}
        write_json(run.supernet_folder / name / "fairness.json", {"gap": 0, "counts": counts})
    contents = read(run.folder)
    epe, _ = training_section([contents]).charts
    curves = [(series.name, list(series.y)) for series in epe.series if series.mark == "line" and not series.dashed]
    assert curves == [("run, stage 1", [3.0]), ("run, stage 2", [2.0]), ("run, stage 3", [1.0])]
    assert len({series.role for series in epe.series[:3]}) == 3 and epe.series[2].role == "run 0"
    assert [chart.title for chart in fairness_section([contents]).charts] == [name for name, _ in curves]
    assert report(run.folder).exit_code == 0 and "EPE of the pool" in (run.folder / "report.html").read_text()


def test_the_queue_and_the_final_front(demo):
    contents = read(demo.folder)
    section = retraining_section([contents])
    assert "2 done, 2 queued" in section.text[0] and "n = 2" in section.text[0]
    promised, curves = section.charts
    assert promised.series[0].y == [1.0, 2.0] and len(curves.series) == 2
    final = final_section([contents])
    assert "cannot be compared" in final.text[0] and final.tables[0].rows[0][1] == 1.0


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


def test_a_run_without_shared_weights_shows_what_there_is_instead(tmp_path):
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


def test_edgeflownet_stands_beside_what_it_may_be_compared_with(demo, tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["data.height=176", "data.width=224"])
    run.write_config()
    shutil.copy(str(demo.final_front_file), str(run.final_front_file))
    section = final_section([read(run.folder)])
    assert section.tables[0].rows[-1][0] == "EdgeFlowNet"
    assert section.charts[0].series[-1].x == [5.32, 5.32]


def test_the_chosen_are_the_ends_of_the_front_and_a_point_between(demo):
    found = points(read(demo.folder))
    best, middle, fast = chosen(found)
    front = np.flatnonzero(found.front)
    assert found.columns["epe"][best] == found.columns["epe"][front].min()
    assert found.columns["fps"][fast] == found.columns["fps"][front].max()
    fps = found.columns["fps"]
    assert found.front[middle] and fps[best] < fps[middle] < fps[fast]


def test_a_run_that_has_only_begun_says_what_is_missing(tmp_path):
    run = Run.open(CONFIG, tmp_path / "run", ["supernet=null"])
    run.write_config()
    assert report(run.folder).exit_code == 0
    text = (run.folder / "report.html").read_text()
    for said in ("Nothing is scored yet", "no search yet", "no generation yet", "no log of a training", "no counts",
                 "no retrain queue yet", "Nothing retrained is collected yet"):  # fmt: skip
        assert said in text
    assert embedded(text)["front"] is None


def test_runs_side_by_side(written, demo, folder):
    searched(folder / "short", 1, "seed=2", enumerated=False)
    assert report(demo.folder, folder / "short", "--output", folder / "both.html").exit_code == 0
    data = embedded((folder / "both.html").read_text())
    assert [run["name"] for run in data["front"]["runs"]] == ["demo", "short"]
    names = [series["name"] for series in data["charts"]["hypervolume-0"]["series"]]
    assert names == ["demo", "short", "exact"]
    rows = csv_rows(folder / "both" / "front.csv")
    assert {row["run"] for row in rows} == {"demo", "short"}


def test_a_search_that_scores_in_another_way_does_not_get_this_ones_exact_front(demo, tmp_path):
    run = searched(tmp_path / "run", 1, "evaluation.calibration_pairs=32", enumerated=False)
    shutil.copy(str(demo.space_file), str(run.space_file))
    assert read(run.folder).exact is None
    assert "not known" in hypervolume_section([read(run.folder)]).text[0]


HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>`\"'&{{ 7*7 }}"


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_nothing_from_files_becomes_html():
    chart = Chart(HOSTILE, HOSTILE, HOSTILE, (Series(HOSTILE, [1], [1.0], "run 0", labels=(HOSTILE,)),))
    section = Section("x", HOSTILE, (HOSTILE,), (chart,), (Table(HOSTILE, (HOSTILE,), ((HOSTILE,),)),))
    text = page(HOSTILE, HOSTILE, (), None, [section], None, "report")
    tags = _Tags()
    tags.feed(text)
    assert not [tag for tag, attributes in tags.seen if tag == "img" or "onerror" in attributes]
    assert sum(tag == "script" for tag, _ in tags.seen) == 3
    assert embedded(text)["charts"]["x-0"]["series"][0]["name"] == HOSTILE


def test_the_page_asks_the_network_for_nothing(written):
    text = (written / "report.html").read_text()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert "default-src 'none'" in own and not re.search(r"(src|href)=\"(https?:)?//", own)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "holds no run"),
        (lambda folder: write_text(folder / "search.h5", "x" * 900), "search.h5: is truncated or damaged"),
        (lambda folder: write_text(folder / "final_front.csv", "architecture\n000000000\n"), "final_front.csv: is dam"),
        (lambda folder: write_text(folder / "hardware.json", "{"), "hardware.json: is damaged"),
    ],
)
def test_damaged_files_are_named(demo, tmp_path, damage, said):
    shutil.copytree(str(demo.folder), str(tmp_path / "run"))
    damage(tmp_path / "run")
    with pytest.raises(InputError, match=re.escape(said)):
        report(tmp_path / "run")


def test_all_that_is_needed_to_repeat_it(written, demo):
    rows = {row["what"]: row["value"] for row in csv_rows(written / "report" / "repeat.csv")}
    with h5py.File(demo.search_file, "r") as file:
        assert rows["supernet, SHA-256"] == file.attrs["supernet_sha256"]
    assert "tensorflow 1.15" in rows["libraries here"] and "deap 1." in rows["libraries here"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    told = re.search(r", commit (\w+)", rows["report by"])
    assert (told.group(1) if told else "") == head[:12]
    assert rows["seed"] == "1" and "Vela 5.2.0" in rows["compiler"] and rows["config.yaml"] == dump(demo.config)


def test_a_run_is_repeated_with_its_own_supernet_or_the_one_it_names(demo, tmp_path):
    def commands(*overrides):
        run = Run.open(CONFIG, tmp_path / "run", overrides)
        run.write_config()
        return re.findall(r"edgeflownas-search (\w+)", origin_section([read(run.folder)]).text[0])

    assert commands() == ["evolve"] == commands("supernet=null", "strategy=independent")
    assert commands("supernet=null") == ["train", "evolve"]


def test_cycles_of_parts_add_up_to_the_compilers_cycles(demo, monkeypatch):
    """With the compiler's figures for three architectures, those of others are known."""
    from search.report import parts

    cycles = {"E0": (5, 5, 5), "EB0": (10, 20, 30), "H2Out": (1, 2, 4), "accumulation": (7, 7, 7)}

    class Layer:
        def __init__(self, name, npu_cycles):
            self.operator, self.target, self.name, self.npu_cycles = "Conv2D", "NPU", name, npu_cycles

    class Entry:
        def __init__(self, option):
            self.layers = [Layer(f"{name}/x" if name != "accumulation" else "flow", each[option])
                           for name, each in cycles.items()]  # fmt: skip

    class Stand:
        def inspect(self, networks, architecture):
            assert len(set(architecture)) == 1
            return Entry(architecture[0])

    monkeypatch.setattr(parts.Compiler, "of", lambda config: Stand())
    found = parts.part_cycles(demo)
    assert found == {"E0": [5], "EB0": [10, 20, 30], "H2Out": [1, 2, 4], "accumulation": [7]}


def test_a_png_without_charts_shows_sentences_and_tables():
    facts = Table("Facts", ("what", "it is"), (("seed", 7), ("EPE", 1.25)))
    tables = (facts, Table("config", (), (("a: 1\nb: 2\n",),)))
    (_, text) = images.section_figure(Section("key", "Title", ("Said of `evolve`.",), tables=tables)).texts
    assert text.get_text().splitlines() == [
        "Said of evolve.", "", "Facts", "what  it is", "seed  7", "EPE   1.2500", "", "config", "a: 1", "b: 2",
    ]  # fmt: skip
    assert images.section_png(Section("key", "Title", ("1 $ 2",))), "no formula"


def test_tables_beside_charts_have_a_csv_of_their_own(written, demo):
    (table,) = retraining_section([read(demo.folder)]).tables
    rows = csv_rows(written / "report" / "retraining_table.csv")
    assert [row["architecture"] for row in rows] == [row[1] for row in table.rows]
    assert [row["retrained EPE, px"] for row in rows] == ["1.0", "2.0", "", ""]
    assert 'href="report/retraining_table.csv"' in (written / "report.html").read_text()
    assert not (written / "report" / "repeat_table.csv").exists(), "its CSV holds all of it"


def test_tables_of_unlike_columns_stand_in_one_csv():
    tables = (Table("a", ("x", "y"), ((1, 2),)), Table("b", ("y", "z"), ((3, 4),)))
    assert tables_csv(Section("key", "", tables=tables)) == "table,x,y,z\na,1,2,\nb,,3,4\n"


def test_numbers_have_nouns():
    assert [counted(1, "epoch"), counted(0, "epoch"), counted(1200, "child", "children")] == [
        "1 epoch", "0 epochs", "1,200 children",
    ]  # fmt: skip


def test_csv_quotes_what_needs_it():
    text = section_csv(Section("x", "", data=Table("", ("a",), (('1,"2"\n3',),))))
    assert list(csv.reader(io.StringIO(text))) == [["a"], ['1,"2"\n3']]


def test_explorer_without_points_is_none(demo):
    assert explorer_data([read(demo.folder)], [None], [None]) is None
    assert json.dumps(explorer_data([read(demo.folder)], [points(read(demo.folder))], [None]), allow_nan=False)
