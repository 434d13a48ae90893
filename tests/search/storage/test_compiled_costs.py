"""Costs that were compiled for the front of a search are shown instead of predictions."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from edgeflownas.hardware.cost import Cost
from edgeflownas.network.space import Architecture
from edgeflownas.storage.checkpoint import digest
from search.commands import cost as command_module
from search.run import Run
from search.storage.compiled_costs import copy_compiled_costs, read_compiled_costs
from search.storage.identity import Identity
from search.storage.search_file import SearchFile
from search.storage.space_file import SpaceFile
from tests.search.report.made import CONFIG, at_root, searched
from tests.terminal import make_runner

BETTER = Cost(321.0, 3.115, 150.0, 1.1e6, "compiled")


def compile_first(run: Run, name: str = "search.h5") -> Architecture:
    """Give the first architecture with a predicted cost in the run's search or space a compiled one, and return it."""
    identity = Identity.of(run, digest(run.supernet_weights()))
    file: Any = SearchFile(run.search_file, identity) if name == "search.h5" else SpaceFile(run.space_file, identity)
    row = np.flatnonzero(file.archive.column("cost_source") == 0)[:1]
    file.archive.replace_costs(row, [BETTER])
    if name == "search.h5":
        file._saved = False
        file.save()
    else:
        file.write()
    (architecture,) = file.archive.architectures(row)
    return architecture


def show(run: Run, *words: str) -> List[Dict[str, Any]]:
    options = ["--config", str(CONFIG), "--run", str(run.folder), "--set", f"supernet={run.config.supernet}"]
    result = make_runner().invoke(command_module.command, ["show", *options, *words])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in words else [{"text": result.stdout}]


@pytest.mark.parametrize("name", ["search.h5", "space.h5"])
def test_cost_show_prefers_what_the_run_has_compiled(tmp_path: Path, name: str) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1)
        architecture = compile_first(run, name)
        if name == "space.h5":
            run.search_file.unlink()
        words = [run.space.format(architecture), "222222222"]
        records = show(run, *words, "--json")
        assert (records[0]["fps"], records[0]["source"]) == (321.0, "compiled")
        table, _ = run.cost_table()
        assert records[1]["fps"] == table.cost((2,) * 9).fps
        text = " ".join(show(run, *words)[0]["text"].split())
        assert "1 compiled by the search or enumeration of this run; table of " in text
        assert re.search(rf"{words[0]} 321\.00 .* compiled", text)


def test_figures_of_other_weights_sizes_and_compilers_are_not_used(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1)
        architecture = compile_first(run)
        assert read_compiled_costs(run)[architecture] == BETTER
        for setting in ("hardware.vela_version=3.8.0", f"supernet={tmp_path}/none.h5", "network.width=4"):
            other = Run.open(CONFIG, run.folder, [f"supernet={run.config.supernet}", setting])
            if setting.startswith("network"):
                other.supernet_weights = run.supernet_weights  # type: ignore[method-assign]
            assert read_compiled_costs(other) == {}, setting


def test_damaged_file_is_reported_and_the_table_is_used(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1)
        name = run.space.format(compile_first(run))
        run.search_file.write_bytes(run.search_file.read_bytes()[:-100])
        assert show(run, name, "--json")[0]["fps"] != 321.0


def test_costs_are_copied_only_where_the_target_has_predictions(tmp_path: Path) -> None:
    with at_root():
        run = searched(tmp_path / "run", 1)
        architecture = compile_first(run)
        identity = Identity.of(run, digest(run.supernet_weights()))
        search, space = SearchFile(run.search_file, identity).archive, SpaceFile(run.space_file, identity).archive
        predicted = space.column("fps").copy()
        copy_compiled_costs(search, space)
        row = space.row(architecture)
        assert space.column("fps")[row] == 321.0 and space.column("cost_source")[row] == 1
        assert np.flatnonzero(space.column("fps") != predicted).tolist() == [row]
        space.replace_costs(np.array([row]), [Cost(1.0, 2.0, 3.0, 4.0, "compiled")])
        copy_compiled_costs(search, space)
        assert space.column("fps")[row] == 1.0
