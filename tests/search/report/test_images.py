"""Sections as PNG files."""

from search.report import images
from search.report.chart import Chart, ReportSection, Series, Table
from search.report.contents import read
from search.report.course import hypervolume_section, work_section
from search.report.front import front_section
from search.report.points import collect_points
from search.report.retraining import retraining_section
from search.report.training import training_section


def test_png_is_drawn_from_the_values_of_the_charts():
    lines = Series("a", [0, 1, 2], [3.0, 1.0, 2.5], "run 0", "front", labels=("x", "y", "z"))
    dots = Series("b", [0.5, 1.5], [2.0, 4.0], "option 1/3", "points")
    areas = tuple(Series(str(i), [0, 1], [0.25 + i / 2, 0.75 - i / 2], f"option {i}/2", "area") for i in range(2))
    bars = tuple(Series(str(i), ["EB0", "EB1"], [4.0 + i, 5.0], f"option {i}/2", "bars") for i in range(2))
    charts = (Chart("", "", "", (lines, dots)), Chart("", "", "", areas, share=True), Chart("", "", "", bars))
    axes = images.section_figure(ReportSection("key", "Title", charts=charts)).axes
    assert [line.get_xydata().tolist() for line in axes[0].lines] == [
        [[0, 3.0], [1, 1.0], [2, 2.5]], [[0.5, 2.0], [1.5, 4.0]],
    ]  # fmt: skip
    assert axes[0].lines[0].get_drawstyle() == "steps-pre"
    tops = [max(y for _, y in area.get_paths()[0].vertices) for area in axes[1].collections]
    assert tops == [0.75, 1.0]
    assert sorted(bar.get_height() for bar in axes[2].patches) == [4.0, 5.0, 5.0, 5.0]


def test_intervals_of_bars_are_drawn():
    bars = Series("a", ["tau", "rho"], [0.5, 0.25], "run 0", "bars", low=[0.25, 0.25], high=[1.0, 0.75])
    (axes,) = images.section_figure(ReportSection("key", "Title", charts=(Chart("", "", "", (bars,)),))).axes
    ends = [segment[:, 1].tolist() for segment in axes.collections[0].get_segments()]
    assert ends == [[0.25, 1.0], [0.25, 0.75]]


def test_png_without_charts_shows_sentences_and_tables():
    facts = Table("Facts", ("what", "it is"), (("seed", 7), ("EPE", 1.25)))
    tables = (facts, Table("config", (), (("a: 1\nb: 2\n",),)))
    (_, text) = images.section_figure(ReportSection("key", "Title", ("Said of `evolve`.",), tables=tables)).texts
    assert text.get_text().splitlines() == [
        "Said of evolve.", "", "Facts", "what  it is", "seed  7", "EPE   1.2500", "", "config", "a: 1", "b: 2",
    ]  # fmt: skip
    assert images.section_png(ReportSection("key", "Title", ("1 $ 2",))), "a dollar sign does not start a formula"


def test_axis_that_does_not_start_at_zero_says_so():
    """The others start at 0, so that lengths can be compared."""
    epe = Series("a", [100.0, 250.0, 271.0], [1.28, 1.30, 1.37], "run 0", "points")
    wide = Series("a", [1, 2, 3], [0.1, 2.0, 3.0], "run 0")
    charts = (Chart("", "FPS", "EPE, px", (epe,)), Chart("", "epoch", "loss", (wide,)))
    cut, whole = images.section_figure(ReportSection("key", "Title", charts=charts)).axes
    for label, limits in ((cut.get_xlabel(), cut.get_xlim()), (cut.get_ylabel(), cut.get_ylim())):
        assert limits[0] > 0 and label.endswith("; the axis does not start at 0")
    assert whole.get_ylim()[0] == 0 and (whole.get_xlabel(), whole.get_ylabel()) == ("epoch", "loss")


def test_every_chart_of_a_report_starts_at_zero_or_says_that_it_does_not(demo):
    contents = read(demo.folder)
    sections = [hypervolume_section([contents]), work_section([contents]), training_section([contents])]
    sections += [retraining_section([contents]), front_section([contents], [collect_points(contents)])]
    for section in sections:
        for chart, axes in zip(section.charts, images.section_figure(section).axes):
            assert axes.get_ylim()[0] <= 0 or "does not start at 0" in axes.get_ylabel(), chart.title
