"""Compiled costs that a run knows: those of the fronts of its search and of its whole space."""

from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np
import yaml

from edgeflownas.config import Config, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Cost
from edgeflownas.network.space import Architecture
from edgeflownas.progress import say
from edgeflownas.storage import sealed
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.files import sha256
from search.nsga2.archive import Archive
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.run import Run
from search.storage.archive_group import read_archive

_COMPILED = COST_SOURCES.index("compiled")


def read_compiled_costs(run: Run) -> Dict[Architecture, Cost]:
    """Return the compiled costs in a run's files that are valid for its current network, weights, board and compiler.

    A file that is missing or belongs to other settings has none; a damaged one is reported.
    """
    costs: Dict[Architecture, Cost] = {}
    if not run.supernet_file.exists():
        return costs
    expected = {
        "skeleton_sha256": run.skeleton.digest(),
        "supernet_sha256": digest(run.supernet_weights()),
        "cost_table_sha256": sha256(Path(run.config.hardware.table)),  # contains the description of the board
    }
    for path in reversed((run.search_file, *run.space_files)):
        if not path.exists():
            continue
        try:
            with sealed.read(path) as file:
                if _holds_for(run, expected, file.attrs):
                    costs.update(list_compiled_costs(read_archive(sealed.member(file, "archive"), run.space)))
        except (sealed.DamagedError, *sealed.MALFORMED, InputError, yaml.YAMLError) as error:
            say(f"{path}: its compiled figures are not used: {' '.join(str(error).split())}")
    return costs


def list_compiled_costs(archive: Archive) -> Dict[Architecture, Cost]:
    """Return the compiled costs of an archive by architecture."""
    rows = np.flatnonzero(archive.column("cost_source") == _COMPILED)
    figures = [archive.column(name)[rows].tolist() for name in COST_FIGURES]
    costs = (Cost(**dict(zip(COST_FIGURES, values)), source="compiled") for values in zip(*figures))
    return dict(zip(archive.architectures(rows), costs))


def copy_compiled_costs(source: Archive, target: Archive) -> None:
    """Replace predicted costs of an archive by the compiled ones of another."""
    costs = {
        target.row(architecture): cost
        for architecture, cost in list_compiled_costs(source).items()
        if architecture in target and target.column("cost_source")[target.row(architecture)] != _COMPILED
    }
    target.replace_costs(np.array(list(costs), int), list(costs.values()))


def _holds_for(run: Run, expected: Mapping[str, str], attributes: Mapping[str, Any]) -> bool:
    """Return whether the costs in a file with the given attributes are valid for a run."""
    if any(attributes[name] != value for name, value in expected.items()):
        return False
    there: Config = validate(yaml.safe_load(attributes["config_yaml"]), Config, "config_yaml")
    here = run.config
    return (there.hardware.vela_version, there.data.padded_size) == (here.hardware.vela_version, here.data.padded_size)
