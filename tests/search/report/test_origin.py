"""Facts needed to repeat a run."""

import re
import shutil
import subprocess

import h5py
from importlib_metadata import version

from edgeflownas.config import dump
from search.report.contents import read
from search.report.origin import origin_section
from search.run import Run
from tests.search.report.made import CONFIG, csv_rows


def test_section_contains_all_that_is_needed_to_repeat_a_run(written, demo):
    rows = {row["what"]: row["value"] for row in csv_rows(written / "report" / "repeat.csv")}
    with h5py.File(demo.search_file, "r") as file:
        assert rows["supernet, SHA-256"] == file.attrs["supernet_sha256"]
    libraries = rows["libraries of the report"]
    assert f"tensorflow {version('tensorflow')}" in libraries and "deap 1." in libraries
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    commit = re.search(r", commit (\w+)", rows["report made by"])
    assert (commit.group(1) if commit else "") == head[:12]
    assert rows["seed"] == "1" and "Vela 5.2.0" in rows["compiler"] and rows["config.yaml"] == dump(demo.config)


def test_commands_train_a_supernet_unless_the_configuration_names_one(demo, tmp_path):
    def commands(*overrides):
        run = Run.open(CONFIG, tmp_path / "run", overrides)
        run.write_config()
        return re.findall(r"edgeflownas-search (\w+)", origin_section([read(run.folder)]).text[0])

    assert commands() == ["evolve"] == commands("supernet=null", "strategy=independent")
    assert commands("supernet=null") == ["train", "evolve"]


def test_run_in_a_folder_that_is_not_utf8_can_be_reported(demo, tmp_path):
    folder = tmp_path / "caf\udce9"
    shutil.copytree(str(demo.folder), str(folder))
    with (folder / "final_front.csv").open("ab") as file:
        file.write(b"caf\xe9\n")
    contents = read(folder)
    assert "caf\\xe9" in contents.final[-1].values()
    origin_section([contents]).text[0].encode()
