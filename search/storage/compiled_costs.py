"""Compiled costs that a run knows: those of the fronts of its search and of its whole space."""

import csv
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
from search.queue.queue import Queue
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


def read_final_costs(run: Run, provenance: Mapping[str, str]) -> Dict[Architecture, Cost]:
    """Return the compiled costs of the trained children of a run whose architectures share no weights.

    Args:
        run: Run; with shared weights, its children have other weights than the networks whose cost is asked for.
        provenance: Board and compiler for which the costs must be; see ``Board.provenance``.

    Returns:
        Costs by architecture; empty if ``queue collect`` has not written any, or for another network, board or size.
    """
    path = run.final_front_file
    if run.config.strategy != "independent" or not path.exists() or not _has_same_networks(run):
        return {}
    costs = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["cost_source"] == "compiled" and all(row.get(key) == str(provenance[key]) for key in provenance):
                    figures = {name: float(row[name]) for name in COST_FIGURES}
                    costs[run.space.parse(row["architecture"])] = Cost(**figures, source="compiled")
    except (OSError, ValueError, KeyError, TypeError, csv.Error, InputError) as error:
        say(f"{path}: its compiled figures are not used: {' '.join(str(error).split())}")
        return {}
    return costs


def _has_same_networks(run: Run) -> bool:
    """Return whether the children in a run's queue have its network and its image size."""
    queue = Queue(run.queue_folder)
    config = queue.task(queue.indices[0]).config
    return (config.network, config.data.padded_size) == (run.config.network, run.config.data.padded_size)


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
