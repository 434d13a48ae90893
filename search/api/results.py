"""Scores of a search or of a whole space, read from their files without TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np
import yaml

from edgeflownas.config import Config, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.storage import sealed
from search.api.runs import AnyPath
from search.inputs import locate_inputs
from search.nsga2.archive import Archive
from search.nsga2.competition import Competition
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import Objectives
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.run import Run
from search.storage.archive_group import check_genes, read_archive

Table = Dict[str, np.ndarray]  # columns of one length, by name; pandas.DataFrame(table) makes a data frame of it


@dataclass(frozen=True)
class Scores:
    """Scored architectures.

    Attributes:
        path: File of the scores.
        run: Configuration, network and space that they were computed with.
        archive: The scored architectures.
        attributes: Attributes of the file, as docs/search_file.md lists them.
    """

    path: Path
    run: Run
    archive: Archive
    attributes: Mapping[str, Any] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of scored architectures."""
        return len(self.archive)

    @property
    def zero_flow_epe(self) -> float:
        """EPE of predicting no motion, in pixels."""
        return float(self.attributes["zero_flow_epe"])

    def table(self) -> Table:
        """Return all scored architectures; see ``make_table``."""
        return make_table(self.archive, np.arange(len(self.archive)))

    def front(self) -> Table:
        """Return the non-dominated architectures within all limits, sorted by the first objective, best first."""
        return make_table(self.archive, self._competition().front())

    def hypervolume(self) -> float:
        """Return the hypervolume of the front.

        The reference point is the configured one or, if there is none, the worst point of the scored architectures.
        """
        return self._competition().hypervolume()

    def _competition(self) -> Competition:
        evolution = self.run.config.evolution
        objectives = Objectives(evolution.objectives, evolution.reference_point)
        board = Board.load(Path(self.run.config.hardware.board))
        competition = Competition(self.archive, objectives, Feasibility.of(evolution, board.arena_kib))
        worst = competition.worst_point()
        if evolution.reference_point is None and worst is not None:
            objectives.reference = worst
            competition.reset()
        return competition


def make_table(archive: Archive, rows: np.ndarray) -> Table:
    """Return architectures as columns.

    Args:
        archive: Archive of the architectures.
        rows: Their rows in the archive, shape [n].

    Returns:
        Columns of n rows: ``architecture`` (digits), ``epe`` (pixels), ``fps``, ``latency_ms``, ``sram_kib``,
        ``npu_cycles``, ``cost_source``, ``generation``, ``requested``, and the option of each gene under its name.
    """
    space, genes = archive.space, archive.column("genes")[rows]
    table = {"architecture": np.array([space.format(architecture) for architecture in genes], dtype=np.str_)}
    for name in ("epe", *COST_FIGURES, "generation", "requested"):
        table[name] = archive.column(name)[rows]
    table["cost_source"] = np.array(COST_SOURCES)[archive.column("cost_source")[rows]]
    for place, gene in enumerate(space.genes):
        table[gene.name] = np.array(gene.options)[genes[:, place]]
    return table


def read_scores(source: AnyPath) -> Scores:
    """Read the scores of a search or of a whole space.

    Args:
        source: Folder of a run, whose search.h5 is read or, without a search, its space.h5; or one of these files.

    Raises:
        InputError: There is no such file, it is damaged, or it belongs to a different space than this version defines.
    """
    path = Path(source)
    if path.is_dir():
        files = [path / name for name in ("search.h5", "space.h5") if (path / name).exists()]
        if not files:
            raise InputError(f"{path}: contains no scores; `evolve` or `enumerate` computes them")
        path = files[0]
    if not path.is_file():
        raise InputError(f"{path}: does not exist; name search.h5, space.h5, or the folder of a run")
    try:
        with sealed.read(path) as file:
            attributes = dict(file.attrs)
            run = _describe_run(path, attributes)
            return Scores(path, run, read_archive(sealed.member(file, "archive"), run.space), attributes)
    except sealed.DamagedError as error:
        raise InputError(f"{path}: is {error}; restore it from its .previous file, or compute it again") from None
    except sealed.MALFORMED as error:
        raise InputError(f"{path}: contains no scores: {' '.join(str(error).split())}") from None


def _describe_run(path: Path, attributes: Mapping[str, Any]) -> Run:
    """Return the run that a file of scores belongs to."""
    config = validate(yaml.safe_load(attributes["config_yaml"]), Config, f"{path}: config_yaml")
    run = Run(locate_inputs(config, path.parent, prefer_copies=True), path.parent)
    check_genes(path, attributes, run.space, "read it")
    return run
