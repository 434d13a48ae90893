"""Reader of the folder of a run, finished or not; it changes nothing and does not need TensorFlow."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import yaml

from edgeflownas.config import Config, Objective, load, validate
from edgeflownas.data.listing import show_name
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.progress import say
from edgeflownas.storage import checkpoint, sealed
from edgeflownas.storage.files import read_json
from edgeflownas.storage.lock import held
from search.inputs import locate_inputs
from search.nsga2.archive import Archive
from search.nsga2.competition import Competition
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives
from search.queue.queue import Queue
from search.run import Run
from search.storage.archive_group import check_genes, read_archive
from search.storage.compiled_costs import copy_compiled_costs
from search.storage.identity import Identity
from search.storage.measurements import prefer_measured, read_measurements
from search.storage.search_file import read_reference_point
from search.storage.space_file import read_whole_space
from search.strategies.staged import stage_folders
from search.weights import WeightsOrigin

Log = List[Dict[str, float]]  # rows of a training log, one per epoch


class Generations(NamedTuple):
    """The course of a search, with one value per generation.

    Attributes:
        genes: Genes of each population, uint8, shape [P, genes].
        hypervolume: Hypervolume of the archive.
        reference_point: Reference point of the hypervolume, each objective in its own unit.
        evaluations: Number of architectures requested so far.
        backbones: Number of distinct backbones scored so far.
        duplicates: Number of children redrawn so far because they were duplicates.
        wall_s: Wall time so far, in seconds.
    """

    genes: List[np.ndarray]
    hypervolume: List[float]
    reference_point: List[Dict[Objective, float]]
    evaluations: List[int]
    backbones: List[int]
    duplicates: List[int]
    wall_s: List[float]


class TrainingRecord(NamedTuple):
    """The record of a supernet's training, or of one of its stages.

    Attributes:
        stage: Name of the stage; empty if there is only one.
        log: Log of the completed epochs.
        fairness: Number of times each option was trained, by gene or by group of genes that are drawn together.
        recipe: Training settings as recorded with the weights; empty if there are none.
    """

    stage: str
    log: Log
    fairness: Dict[str, List[int]]
    recipe: Mapping[str, Any]

    @property
    def uncertainty_epoch(self) -> Optional[int]:
        """First epoch whose loss includes the uncertainty; None if it is unknown or has not been reached yet."""
        if not self.log or not {"epochs", "uncertainty_from"} <= set(self.recipe):
            return None
        first = self.log[0]
        start = self.recipe["uncertainty_from"] * self.recipe["epochs"] * first["steps"] / first["epoch"]
        return next((int(line["epoch"]) for line in self.log if line["steps"] > start), None)


@dataclass(frozen=True)
class Contents:
    """The contents of a run's folder; anything missing is None or empty.

    Attributes:
        name: Name of the run on the page.
        run: Folder and configuration.
        board: Board that the search optimises for.
        attributes: Attributes of search.h5, or of space.h5 if there was no search.
        archive: Archive of the search.
        generations: Course of the search.
        exact: Archive of the whole space, with the same scores as in the search.
        trainings: Records of the supernet's training, one per stage.
        queue: Retrain queue.
        final: Rows of final_front.csv.
        hardware: Content of hardware.json.
        ranking: Content of rank.json.
        supernet: Origin of the supernet weights that the run currently uses; None if there are none.
        searching: Whether a process is running the search now.
        reference_point: Reference point shared by all runs on the page, by objective; if None, the run's own.
    """

    name: str
    run: Run
    board: Board
    attributes: Mapping[str, Any]
    archive: Optional[Archive]
    generations: Optional[Generations]
    exact: Optional[Archive]
    trainings: List[TrainingRecord]
    queue: Optional[Queue]
    final: List[Dict[str, str]]
    hardware: Mapping[str, Any]
    ranking: Mapping[str, Any]
    supernet: Optional[WeightsOrigin]
    searching: bool
    reference_point: Optional[Dict[Objective, float]] = None

    @property
    def shares_weights(self) -> bool:
        """Whether architectures are scored with a supernet's weights instead of being trained one by one."""
        return self.run.config.strategy != "independent"

    @property
    def has_other_supernet(self) -> bool:
        """Whether the scores were computed with a different supernet than the one that the run currently uses."""
        return self.supernet is not None and self.attributes.get("supernet_sha256") not in (None, self.supernet.sha256)

    @property
    def has_scores(self) -> bool:
        """Whether any architecture is scored."""
        return self.archive is not None or self.exact is not None

    @property
    def objectives(self) -> Objectives:
        """Objectives of the search, with the configured reference point, or else the worst point.

        The worst point is that of the whole space if it is scored, otherwise the one that the search recorded.
        """
        config = self.run.config.evolution
        if self.reference_point is not None:
            return Objectives(config.objectives, self.reference_point)
        objectives = Objectives(config.objectives, config.reference_point)
        if config.reference_point is None and self.exact is not None:
            worst = self._compete(self.exact, objectives).worst_point()
            objectives.reference = objectives.reference if worst is None else worst
        elif config.reference_point is None and self.generations is not None:
            objectives = Objectives(config.objectives, self.generations.reference_point[-1])
        return objectives

    def measure_course(self) -> List[float]:
        """Return the hypervolume after each generation, from one reference point and the current costs."""
        assert self.archive is not None and self.generations is not None
        if self.reference_point is None and self.run.config.evolution.reference_point is not None:
            return self.generations.hypervolume
        competition = self._competition(self.archive)
        count = len(self.generations.hypervolume)
        return [competition.hypervolume_before(number + 1) for number in range(count)]

    def front(self, archive: Archive) -> np.ndarray:
        """Return the rows of an archive's front, sorted by the first objective, best first."""
        return self._competition(archive).front()

    def hypervolume(self, archive: Archive) -> float:
        """Return the hypervolume of an archive."""
        return self._competition(archive).hypervolume()

    def _competition(self, archive: Archive) -> Competition:
        return self._compete(archive, self.objectives)

    def _compete(self, archive: Archive, objectives: Objectives) -> Competition:
        feasibility = Feasibility.of(self.run.config.evolution, self.board.arena_kib)
        return Competition(archive, objectives, feasibility)


def share_reference_point(runs: Sequence[Contents]) -> List[Contents]:
    """Return the runs with one reference point, the worst of theirs, so that their hypervolumes can be compared.

    Runs whose objectives differ from those of the first keep their own.
    """
    names = runs[0].objectives.names
    comparable = [run.has_scores and run.objectives.names == names for run in runs]
    points = np.array([run.objectives.reference for run, same in zip(runs, comparable) if same])
    if len(points) < 2 or (points == points[0]).all():
        return list(runs)
    objectives = Objectives(names)
    objectives.reference = np.nanmax(points, axis=0)
    point = objectives.reference_point
    return [replace(run, reference_point=point) if same else run for run, same in zip(runs, comparable)]


def name_runs(folders: Sequence[Path]) -> List[str]:
    """Return the names of runs on the page: their folders, with as much of the path as is needed to be unique.

    Raises:
        InputError: A folder is named twice.
    """
    paths = [folder.resolve() for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"report: {path} is named twice; name each run once")
    return [_shortest_unique_name(path, paths) for path in paths]


def _shortest_unique_name(path: Path, paths: Sequence[Path]) -> str:
    length = 1
    while sum(other.parts[-length:] == path.parts[-length:] for other in paths) > 1:
        length += 1
    return str(Path(*path.parts[-length:]))


def read(folder: Path, name: Optional[str] = None) -> Contents:
    """Read a run.

    Args:
        folder: Folder of the run.
        name: Name of the run on the page; if None, the name of its folder.

    Raises:
        InputError: The folder is not the folder of a run, or a file in it is damaged.
    """
    path = folder / "config.yaml"
    if folder.is_file():
        raise InputError(f"{folder}: is a file; name the folder of a run, such as results/demo")
    if not path.is_file():
        raise InputError(f"{folder}: contains no run (no config.yaml); name the folder of a run, such as results/demo")
    run = Run(locate_inputs(load(path), folder, prefer_copies=True), folder)
    attributes, archive, generations = _read_search(run)
    identity = _make_identity(run, attributes) if attributes else None
    exact, remarks = (None, []) if identity is None else read_whole_space(run.space_files, identity)
    for remark in remarks:
        say(run.complete(remark))
    if archive is not None and exact is not None:
        copy_compiled_costs(archive, exact)
        copy_compiled_costs(exact, archive)
    board = Board.load(Path(run.config.hardware.board))
    measurements = read_measurements(run, board)
    for scores in (archive, exact):
        if scores is not None:
            prefer_measured(scores, measurements)
    return Contents(
        name=show_name(name or folder.resolve().name),
        run=run,
        board=board,
        attributes=attributes,
        archive=archive,
        generations=generations,
        exact=exact,
        trainings=_read_trainings(run.supernet_file),
        queue=Queue(run.queue_folder) if (run.queue_folder / "queue.yaml").exists() else None,
        final=_read_rows(run.final_front_file),
        hardware=_read_json_if_present(run.hardware_file),
        ranking=_read_json_if_present(run.rank_file),
        supernet=_find_supernet(run),
        searching=held(folder / "search.lock"),
    )


def _find_supernet(run: Run) -> Optional[WeightsOrigin]:
    """Return the origin of the supernet's weights; None, with a message, if they cannot be read."""
    if run.config.strategy == "independent" or not run.supernet_file.exists():
        return None
    try:
        return run.origin(run.supernet_file, run.supernet_weights())
    except InputError as error:
        say(f"no weights of the supernet: {error}")
        return None


def _read_json_if_present(path: Path) -> Any:
    return read_json(path) if path.exists() else {}


def read_log(path: Path) -> Log:
    """Read a training log; a missing one is empty.

    Raises:
        InputError: The log is damaged.
    """
    try:
        return [{name: float(value) for name, value in row.items()} for row in _read_rows(path)]
    except (TypeError, ValueError):
        raise InputError(f"{path}: is not a training log; move it away and continue the training") from None


def _read_search(run: Run) -> Any:
    """Return attributes, archive and course of the search; without a search, only the attributes of the space."""
    path = run.search_file if run.search_file.exists() else run.space_file
    if not path.exists():
        return {}, None, None
    try:
        with sealed.read(path) as file:
            attributes = dict(file.attrs)
            check_genes(path, attributes, run.space, "make the report")
            if path != run.search_file:
                return attributes, None, None
            groups = [file["generations"][name] for name in sorted(file["generations"])]
            totals = ("hypervolume", "evaluations", "backbones", "duplicates", "wall_s")
            course = {name: [group.attrs[name].item() for group in groups] for name in totals}
            course["genes"] = [group["genes"][()] for group in groups]
            course["reference_point"] = [read_reference_point(group, run.config.evolution) for group in groups]
            return attributes, read_archive(file["archive"], run.space), Generations(**course)
    except sealed.DamagedError as error:
        raise InputError(f"{path}: is {error}; `{run.command('evolve')}` says how to continue") from None
    except sealed.MALFORMED as error:
        raise InputError(f"{path}: contains no search: {' '.join(str(error).split())}") from None


def _make_identity(run: Run, attributes: Mapping[str, Any]) -> Identity:
    """Return the identity that files must have for their scores to be comparable with those of the search."""
    config = validate(yaml.safe_load(attributes["config_yaml"]), Config, "config_yaml")
    skeleton, supernet, table = (str(attributes[f"{name}_sha256"]) for name in ("skeleton", "supernet", "cost_table"))
    return Identity(config, run.space, skeleton, supernet, table, json.loads(attributes.get("pairs", "{}")))


def _read_trainings(supernet: Path) -> List[TrainingRecord]:
    """Read the records beside a supernet, one per stage of a staged training."""
    folder = supernet.parent
    folders = stage_folders(folder)
    staged = any((earlier / "log.csv").exists() for earlier in folders[:-1])
    stages = {f"stage {number}": path for number, path in enumerate(folders, 1)} if staged else {"": folder}
    records = [
        TrainingRecord(
            stage, read_log(path / "log.csv"), _read_fairness(path / "fairness.json"),
            _read_recipe(supernet if path == folder else path / supernet.name),
        )  # fmt: skip
        for stage, path in stages.items()
    ]
    return [record for record in records if record.log or record.fairness]


def _read_recipe(weights: Path) -> Mapping[str, Any]:
    """Return the training settings that weights record; empty if they cannot be read."""
    try:
        recipe = checkpoint.load(weights)[1]["identity"]["train"]
    except (InputError, KeyError, TypeError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def _read_fairness(path: Path) -> Dict[str, List[int]]:
    if not path.exists():
        return {}
    content = read_json(path)
    try:
        return {str(gene): [int(count) for count in counts] for gene, counts in content["counts"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: contains no counts of options; training writes it again") from None


def _read_rows(path: Path) -> List[Dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="backslashreplace") as file:
        return list(csv.DictReader(file))
