"""Reads what a run's folder holds, as far as the run has come. Changes nothing, and needs no TensorFlow."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import yaml

from edgeflownas.config import Config, load, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.storage import sealed
from edgeflownas.storage.files import read_json
from edgeflownas.storage.lock import held
from search.nsga2.archive import Archive
from search.nsga2.competition import Competition, resolve_sram_cap
from search.nsga2.objectives import Objectives
from search.queue.queue import Queue
from search.run import Run
from search.storage.identity import Identity
from search.storage.search_file import MALFORMED, read_archive
from search.storage.space_file import whole_space

# A training's log, one line an epoch.
Log = List[Dict[str, float]]


class Generations(NamedTuple):
    """The course of a search, one value a generation.

    Attributes:
        genes: of the populations, uint8 [P, genes] each.
        hypervolume: of the archive.
        evaluations: architectures asked for so far.
        backbones: distinct backbones scored so far.
        duplicates: children so far that were drawn again.
        wall_s: seconds so far.
    """

    genes: List[np.ndarray]
    hypervolume: List[float]
    evaluations: List[int]
    backbones: List[int]
    duplicates: List[int]
    wall_s: List[float]


class Training(NamedTuple):
    """A supernet's training, or one of its stages.

    Attributes:
        stage: its name; empty where there is one alone.
        log: so far.
        fairness: how often each option was trained, by gene, or by what is dealt as a whole.
    """

    stage: str
    log: Log
    fairness: Dict[str, List[int]]


@dataclass(frozen=True)
class Contents:
    """What is there of a run; what is not there yet is None or empty.

    Attributes:
        name: as the page calls it.
        run: its folder and configuration.
        board: that it searches for.
        attributes: of search.h5, or of space.h5 where there was no search.
        archive: of the search.
        generations: of the search.
        exact: the whole space, scored as the search scores it.
        trainings: of the supernet, stage by stage.
        queue: the retrain queue.
        final: rows of final_front.csv.
        hardware: content of hardware.json.
        ranking: content of rank.json.
        searching: a process is at it now.
    """

    name: str
    run: Run
    board: Board
    attributes: Mapping[str, Any]
    archive: Optional[Archive]
    generations: Optional[Generations]
    exact: Optional[Archive]
    trainings: List[Training]
    queue: Optional[Queue]
    final: List[Dict[str, str]]
    hardware: Mapping[str, Any]
    ranking: Mapping[str, Any]
    searching: bool

    @property
    def shares_weights(self) -> bool:
        """Whether architectures are scored with a supernet's weights, and not trained one by one."""
        return self.run.config.strategy != "independent"

    @property
    def objectives(self) -> Objectives:
        """Of the search."""
        return Objectives(self.run.config.evolution.objectives, self.run.config.evolution.reference_point)

    def front(self, archive: Archive) -> np.ndarray:
        """Return the rows of an archive's front, sorted by the first objective, best first."""
        return self._competition(archive).front()

    def hypervolume(self, archive: Archive) -> float:
        """Return the hypervolume of an archive."""
        return self._competition(archive).hypervolume()

    def _competition(self, archive: Archive) -> Competition:
        cap_kib = resolve_sram_cap(self.run.config.evolution, self.board.arena_kib)
        return Competition(archive, self.objectives, cap_kib)


def names(folders: Sequence[Path]) -> List[str]:
    """What the page calls runs: their folders, with as much of the path as tells them apart.

    Raises:
        InputError: a folder is named twice.
    """
    paths = [folder.resolve() for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"report: {path} is named twice; name each run once")
    return [_apart(path, paths) for path in paths]


def _apart(path: Path, paths: Sequence[Path]) -> str:
    length = 1
    while sum(each.parts[-length:] == path.parts[-length:] for each in paths) > 1:
        length += 1
    return str(Path(*path.parts[-length:]))


def read(folder: Path, name: Optional[str] = None) -> Contents:
    """Reads a run.

    Args:
        folder: that holds it.
        name: as the page is to call it; None: as its folder.

    Raises:
        InputError: the folder holds no run, or a file in it is damaged.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"{folder}: holds no run (no config.yaml); name the folder of a run, such as results/demo")
    run = Run(load(path), folder)
    attributes, archive, generations = _search(run)
    identity = _identity(run, attributes) if attributes else None
    exact = None if identity is None else whole_space(run.space_files, identity)
    return Contents(
        name=name or folder.resolve().name,
        run=run,
        board=Board.load(Path(run.config.hardware.board)),
        attributes=attributes,
        archive=archive,
        generations=generations,
        exact=exact,
        trainings=_trainings(run.supernet_file.parent),
        queue=Queue(run.queue_folder) if (run.queue_folder / "queue.yaml").exists() else None,
        final=_rows(run.final_front_file),
        hardware=_json(run.hardware_file),
        ranking=_json(run.rank_file),
        searching=held(folder / "search.lock"),
    )


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else {}


def log(path: Path) -> Log:
    """A training's log; empty where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        return [{name: float(value) for name, value in row.items()} for row in _rows(path)]
    except (TypeError, ValueError):
        raise InputError(f"{path}: is no training's log; move it away, training writes it anew") from None


def _search(run: Run) -> Any:
    """Attributes, archive and course of the search; of the space alone where there was no search yet."""
    path = run.search_file if run.search_file.exists() else run.space_file
    if not path.exists():
        return {}, None, None
    try:
        with sealed.read(path) as file:
            attributes = dict(file.attrs)
            _check_space(run, path, attributes)
            if path != run.search_file:
                return attributes, None, None
            groups = [file["generations"][name] for name in sorted(file["generations"])]
            course = {name: [each.attrs[name].item() for each in groups] for name in Generations._fields[1:]}
            genes = [each["genes"][()] for each in groups]
            return attributes, read_archive(file["archive"], run.space), Generations(genes=genes, **course)
    except sealed.DamagedError as error:
        raise InputError(f"{path}: is {error}; `evolve` says how to go on") from None
    except MALFORMED as error:
        raise InputError(f"{path}: holds no search: {' '.join(str(error).split())}") from None


def _check_space(run: Run, path: Path, attributes: Mapping[str, Any]) -> None:
    if json.loads(attributes["genes"]) != {gene.name: list(gene.options) for gene in run.space.genes}:
        raise InputError(f"{path}: is of other genes than this version has; report with the version that made it")


def _identity(run: Run, attributes: Mapping[str, Any]) -> Identity:
    """What another file of the same scores has to share with the search."""
    config = validate(yaml.safe_load(attributes["config_yaml"]), Config, "config_yaml")
    digests = (str(attributes[f"{name}_sha256"]) for name in ("skeleton", "supernet", "cost_table"))
    return Identity(config, run.space, *digests)


def _trainings(folder: Path) -> List[Training]:
    """What lies beside a supernet, its earlier stages first."""
    earlier = sorted(folder.glob("stage*/log.csv"))
    stages = {f"stage {number + 1}": path.parent for number, path in enumerate(earlier)}
    stages[f"stage {len(stages) + 1}" if stages else ""] = folder
    found = [Training(name, log(at / "log.csv"), _fairness(at / "fairness.json")) for name, at in stages.items()]
    return [each for each in found if each.log or each.fairness]


def _fairness(path: Path) -> Dict[str, List[int]]:
    if not path.exists():
        return {}
    content = read_json(path)
    try:
        return {str(gene): [int(each) for each in counts] for gene, counts in content["counts"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: holds no counts of options; training writes it anew") from None


def _rows(path: Path) -> List[Dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
