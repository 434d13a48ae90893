"""Curves and fairness of training."""

from dataclasses import replace

from edgeflownas.storage.files import write_json, write_text
from search.report.contents import read
from search.report.training import fairness_section, training_section
from search.run import Run
from tests.search.report.made import CONFIG, report


def test_unfair_training_is_called_unfair(demo):
    contents = read(demo.folder)
    assert "equally often" in fairness_section([contents]).text[0]
    (training,) = contents.trainings
    counts = {**training.fairness, "EB1": [12288, 12288, 12287]}
    unfair = replace(contents, trainings=[training._replace(fairness=counts)])
    text = fairness_section([unfair]).text[0]
    assert "one 1 time more" in text and "FairNAS" not in text


def test_difference_of_one_is_fair_if_paths_are_no_multiple_of_the_options(demo):
    contents = read(demo.folder)
    (training,) = contents.trainings
    for counts, fair in (([3, 2, 2, 2], True), ([3, 3, 2, 1], False)):
        uneven = training._replace(fairness={"EB0": [3, 3, 3], "EB1+DB0": counts})
        (text,) = fairness_section([replace(contents, trainings=[uneven])]).text
        assert ("FairNAS" in text) == fair, counts


def test_staged_training_shows_all_stages(tmp_path):
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


def test_start_of_the_uncertainty_is_marked_and_explained(demo):
    contents = read(demo.folder)
    (training,) = contents.trainings
    assert training.uncertainty_epoch == 11  # after 0.85 of 12 epochs of 1,024 steps
    section = training_section([contents])
    assert any("from epoch 11 on, the loss includes the uncertainty" in sentence for sentence in section.text)
    (line,) = [series for series in section.charts[1].series if series.name == "with uncertainty from epoch 11"]
    assert list(line.x) == [10.5, 10.5] and len(section.text) == 2
    without = training._replace(recipe={})
    text = training_section([replace(contents, trainings=[without])]).text
    assert "the loss rises from 0.846 to 2.2 in epoch 11" in text[1]


def test_missing_epochs_are_named(demo):
    contents = read(demo.folder)
    (training,) = contents.trainings
    gap = training._replace(log=[*training.log[:3], *training.log[5:]])
    text = training_section([replace(contents, trainings=[gap])]).text
    assert any("no epochs between 3 and 6" in line for line in text)
