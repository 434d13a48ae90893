"""What is needed to repeat a run."""

import re
import subprocess

import h5py

from edgeflownas.config import dump
from search.report.contents import read
from search.report.origin import origin_section
from search.run import Run
from tests.search.report.made import CONFIG, csv_rows


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
